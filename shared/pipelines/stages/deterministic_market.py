"""Rules of ``competitive_lens``: field by field, a competitor has an edge or has not; the edges make the threat.

A competitor has an edge in price when cheaper, in speed when able to start two days earlier, in reputation with three
tenths of a star more or thrice the reviews, in guarantee and focus when it alone has one.
"""

from collections.abc import Iterator
from typing import Final, Literal

from shared.pipelines.stages.contracts import values_of
from shared.pipelines.stages.contracts_inputs import CompetitiveLensInput, Profile
from shared.pipelines.stages.contracts_outputs import CompetitiveLensOutput, RivalFinding
from shared.pipelines.stages.contracts_parts import Confidence, Level3, Rival
from shared.pipelines.stages.deterministic_parts import Values, entries

Edge = Literal["price", "speed", "reputation", "guarantee", "focus"]
Opening = Literal["price", "speed", "reputation", "guarantee", "focus", "none"]
Position = Literal["cheapest", "fastest", "best_rated", "specialist", "in_the_middle", "behind", "unknown"]

EDGE_FIELDS: Final[dict[Edge, str]] = {
    "price": "price",
    "speed": "days_to_start",
    "reputation": "rating_tenths",
    "guarantee": "guarantee",
    "focus": "focus",
}
_MOST: Final = 3
_PRICES: Final = ("lower", "usual", "higher")
_FOCUS: Final = ("general", "focused", "niche")
_DAYS, _TENTHS, _TIMES = 2, 3, 3
_QUICK_DAYS, _GOOD_TENTHS = 7, 45
_ACTIONS: Final[dict[Edge | Literal["none"], str]] = {
    "price": "Name what the higher price pays for, in every quote.",
    "speed": "Keep two starts a week free for clients who cannot wait.",
    "reputation": "Ask every satisfied client for a review on the last day of the job.",
    "guarantee": "Put a guarantee in writing for the work done most.",
    "focus": "Show three jobs of the kind that this competitor lives on.",
    "none": "Let this competitor be.",
}
_SUMMARIES: Final[dict[Position, str]] = {
    "cheapest": "The business wins by price, which anybody can undercut.",
    "fastest": "Nobody else starts as soon.",
    "best_rated": "Clients speak better of this business than of any other.",
    "specialist": "The business does one thing that others only do beside.",
    "in_the_middle": "Nothing sets the business apart.",
    "behind": "Most competitors are ahead in more than one respect.",
    "unknown": "Nothing is known of the competitors.",
}


def competitive_lens(value: CompetitiveLensInput) -> CompetitiveLensOutput:
    """Return the three most dangerous competitors, the position among them all, and what nobody does well."""
    values = values_of(value)
    place, gap = position(value), opening(value)
    return CompetitiveLensOutput(
        schema_version="competitive_lens_v1",
        position=place,
        rivals=tuple(_finding(rival, value, values) for rival in by_threat(value)[:_MOST]),
        opening=gap,
        evidence=market_evidence(values, gap),
        summary=_SUMMARIES[place],
        confidence=certainty(value),
    )


def edges(own: Profile, rival: Profile) -> tuple[Edge, ...]:
    """Return what a competitor does better. What is not known of either is no edge."""
    return tuple(_edges(own, rival))


def _edges(own: Profile, rival: Profile) -> Iterator[Edge]:
    if _PRICES.index(rival.price) < _PRICES.index(own.price):
        yield "price"
    if _lead(rival.days_to_start, own.days_to_start) >= _DAYS:
        yield "speed"
    if _better_known(own, rival):
        yield "reputation"
    if rival.guarantee and own.guarantee is False:
        yield "guarantee"
    if own.focus and rival.focus and _FOCUS.index(rival.focus) > _FOCUS.index(own.focus):
        yield "focus"


def _better_known(own: Profile, rival: Profile) -> bool:
    if _lead(own.rating_tenths, rival.rating_tenths) >= _TENTHS:
        return True
    if own.reviews is None or rival.reviews is None:
        return False
    return rival.reviews >= _TIMES * max(own.reviews, 1)


def _lead(lower: int | None, higher: int | None) -> int:
    """Return how far one figure is above another; nothing where one is not known."""
    return 0 if lower is None or higher is None else higher - lower


def main_edge(value: CompetitiveLensInput, rival: Rival) -> Edge | Literal["none"]:
    """Return the edge that matters most: the price last, unless clients look at it first."""
    found = edges(value.own, value.rivals[rival])
    if "price" in found and value.market.price_sensitivity == "high":
        return "price"
    return next((edge for edge in found if edge != "price"), found[0] if found else "none")


def weight(value: CompetitiveLensInput, rival: Rival) -> int:
    """Return a competitor's edges, those in price twice where clients look at the price first."""
    found = edges(value.own, value.rivals[rival])
    return len(found) + ("price" in found and value.market.price_sensitivity == "high")


def by_threat(value: CompetitiveLensInput) -> list[Rival]:
    """Return the competitors, the most dangerous first, equal ones by their letter."""
    return sorted(value.rivals, key=lambda rival: (-weight(value, rival), rival))


def threat(value: CompetitiveLensInput, rival: Rival) -> Level3:
    """Return how dangerous a competitor is: two edges are medium, three are high."""
    return "high" if weight(value, rival) > 2 else "medium" if weight(value, rival) > 1 else "low"  # noqa: PLR2004


def position(value: CompetitiveLensInput) -> Position:
    """Return where the business stands; the first that holds, in the order of the rules below."""
    own, rivals = value.own, list(value.rivals.values())
    if not rivals:
        return "unknown"
    if sum(len(edges(own, rival)) > 1 for rival in rivals) * 2 > len(rivals):
        return "behind"
    if own.price == "lower" and all(rival.price != "lower" for rival in rivals):
        return "cheapest"
    if _leads([rival.days_to_start for rival in rivals], own.days_to_start, -_DAYS):
        return "fastest"
    if _leads([rival.rating_tenths for rival in rivals], own.rating_tenths, _TENTHS):
        return "best_rated"
    return "specialist" if own.focus == "niche" else "in_the_middle"


def _leads(theirs: list[int | None], own: int | None, ahead: int) -> bool:
    """Return whether the own figure is better than all known ones by so much (a negative lead: less is better)."""
    known = [figure for figure in theirs if figure is not None]
    if own is None or not known:
        return False
    return own <= min(known) + ahead if ahead < 0 else own >= max(known) + ahead


def opening(value: CompetitiveLensInput) -> Opening:
    """Return the first of guarantee, speed, reputation, focus and price that no known competitor does well."""
    rivals = list(value.rivals.values())
    days = [rival.days_to_start for rival in rivals if rival.days_to_start is not None]
    ratings = [rival.rating_tenths for rival in rivals if rival.rating_tenths is not None]
    told = [rival.guarantee for rival in rivals if rival.guarantee is not None]
    kinds = [rival.focus for rival in rivals if rival.focus is not None]
    found: list[tuple[Opening, bool]] = [
        ("guarantee", bool(told) and not any(told)),
        ("speed", bool(days) and min(days) > _QUICK_DAYS),
        ("reputation", bool(ratings) and max(ratings) < _GOOD_TENTHS),
        ("focus", bool(kinds) and "niche" not in kinds),
        ("price", bool(rivals) and all(rival.price != "lower" for rival in rivals)),
    ]
    return next((name for name, is_open in found if is_open), "none")


def rival_evidence(rival: Rival, edge: Edge | Literal["none"], values: Values) -> tuple[str, ...]:
    """Return the entries that a finding about a competitor rests on: its own figure, and ours beside it."""
    field = "price" if edge == "none" else EDGE_FIELDS[edge]
    return entries(values, (f"rivals.{rival}.{field}", f"own.{field}", f"rivals.{rival}.reviews", "own.reviews"))


def market_evidence(values: Values, gap: Opening) -> tuple[str, ...]:
    """Return the entries that position and opening rest on."""
    field = "price" if gap == "none" else EDGE_FIELDS[gap]
    theirs = (f"rivals.{rival}.{field}" for rival in "abcdefgh")
    return entries(values, ("own.price", f"own.{field}", "market.price_sensitivity", *theirs))


def certainty(value: CompetitiveLensInput) -> Confidence:
    """Return how much is known: of one competitor it is little, of three with a rating each it is much."""
    rated = sum(rival.rating_tenths is not None for rival in value.rivals.values())
    return "low" if len(value.rivals) < 2 else "high" if rated > 2 else "medium"  # noqa: PLR2004


def _finding(rival: Rival, value: CompetitiveLensInput, values: Values) -> RivalFinding:
    edge = main_edge(value, rival)
    return RivalFinding(
        rival=rival,
        threat=threat(value, rival),
        edge=edge,
        action=_ACTIONS[edge],
        evidence=rival_evidence(rival, edge, values),
    )
