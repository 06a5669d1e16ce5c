"""What to do where a stage's rows are not different enough: followed exactly, it makes every gate of diversity pass.

One way keeps all rows: so many more approvals, of these industries, and these words reworded. Where dropping rows of
the industries that are too large leaves enough of them, a second way needs no new approval.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from math import ceil
from typing import Final, Literal

from pydantic import Field

from shared.contracts import Contract, Outcome
from shared.pipelines.stages.diversity import (
    ACTIONS_IN,
    Diversity,
    DiversityRow,
    counted,
    gates,
    measure,
    normalised,
    prefix,
)
from shared.pipelines.stages.policy import DiversityPolicy, LivePolicy
from shared.pipelines.stages.versions import SYNTHESIS, Stage

Read = Callable[[], Iterable[DiversityRow]]
"""Reads the rows, from the first one on, each time in the same order. A recipe reads them up to five times."""

_LEAST_SHARE: Final = 0.001
_LISTED: Final = 8


class Approval(Contract):
    """Rows to approve. Each says its actions (one at least) and its primary constraint in words that no row has yet."""

    industry: str | None = Field(description="None is any industry that no row is of yet, each time another one.")
    rows: int
    new: bool = Field(description="No row is of this industry yet.")


class Rework(Contract):
    """What to reword in a row, in words that no row has yet."""

    id: str
    actions: tuple[int, ...] = Field(description="Places of the actions, from 1, in the order of the output.")
    constraint: bool = Field(description="The first five words of the primary constraint.")


class Way(Contract):
    """All that must be done together."""

    name: Literal["approve", "drop"]
    sentence: str
    approvals: tuple[Approval, ...]
    drop: tuple[str, ...]
    rework: tuple[Rework, ...]


class Recipe(Contract):
    """What would make a stage's rows pass. ``ways``: each is enough by itself; none where nothing is amiss."""

    stage: Stage
    passes: bool
    sentence: str
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class _Limits:
    """What all gates ask for together."""

    rows: int
    industries: int
    industry_share: float
    actions_share: float
    prefix_share: float


def recipe(
    stage: Stage, read: Read, rules: DiversityPolicy, live: LivePolicy | None = None, industries: Sequence[str] = ()
) -> Recipe:
    """Say what would make the rows pass the gates. ``industries`` are named where new ones are needed."""
    found = measure(stage, read())
    if all(verdict.outcome is Outcome.PASS for verdict in gates(found, rules, live)):
        return Recipe(stage=stage, passes=True, sentence="The rows pass; nothing is to be done.", ways=())
    limits = _limits(rules, live)
    if small := _too_small(stage, limits):
        sentence = f"No rows could pass: {small} lets through less than {_LEAST_SHARE:.1%}. Raise it in the policy."
        return Recipe(stage=stage, passes=False, sentence=sentence, ways=())
    ways = [_approving(found, read, limits, industries)]
    if ways[0].approvals and (dropping := _dropping(found, read, limits)):
        ways.append(dropping)
    sentence = " Or: ".join(way.sentence for way in ways)
    if found.excluded:
        sentence += f" {counted('row', found.excluded)} without an industry would count with one."
    return Recipe(stage=stage, passes=False, sentence=sentence, ways=tuple(ways))


def _limits(rules: DiversityPolicy, live: LivePolicy | None) -> _Limits:
    return _Limits(
        rows=max(rules.min_total_rows, live.min_rows if live else 0),
        industries=rules.min_industries,
        industry_share=min(rules.max_industry_share, live.max_homogeneity_share if live else 1.0),
        actions_share=rules.max_duplicate_actions_share,
        prefix_share=rules.max_same_primary_constraint_prefix_share,
    )


def _too_small(stage: Stage, limits: _Limits) -> str | None:
    """Return the threshold that hardly any rows could keep."""
    shares = {"the largest share of an industry": limits.industry_share}
    if stage in ACTIONS_IN:
        shares["the largest share of an action"] = limits.actions_share
    if stage == SYNTHESIS:
        shares["the largest share of a primary constraint"] = limits.prefix_share
    return next((name for name, share in shares.items() if share < _LEAST_SHARE), None)


# --- keeping all rows -----------------------------------------------------------------------------------------------


def _approving(found: Diversity, read: Read, limits: _Limits, industries: Sequence[str]) -> Way:
    total = _total_needed(found, limits)
    approvals = _spread(found, total, limits, industries)
    rework = _reworks(found, read(), limits, total)
    return Way(
        name="approve", sentence=_told(found.stage, approvals, {}, rework), approvals=approvals, drop=(), rework=rework
    )


def _total_needed(found: Diversity, limits: _Limits) -> int:
    """Return the fewest rows that can pass with all of these among them."""
    rows, actions = found.rows, found.actions.total()
    total = max(
        limits.rows,
        rows + max(0, limits.industries - len(found.industries)),
        _least_total(max(1, found.largest_industry), limits.industry_share),
    )
    if found.stage == SYNTHESIS:
        total = max(total, _least_total(1, limits.prefix_share))
    if found.stage in ACTIONS_IN and (actions or total > rows):
        total = max(total, rows + _least_total(1, limits.actions_share) - actions)
    return max(total, rows)


def _spread(found: Diversity, total: int, limits: _Limits, industries: Sequence[str]) -> tuple[Approval, ...]:
    """Divide the missing rows among the smallest industries, so that they come to be as even as they can."""
    if total == found.rows:
        return ()
    most = _most_of(total, limits.industry_share)
    new = max(limits.industries, ceil(total / most)) - len(found.industries)
    names = chain((name for name in industries if name not in found.industries), repeat(None))
    counts: list[tuple[int, str | None]] = [(0, name) for name, _ in zip(names, range(new), strict=False)]
    counts += sorted((rows, name) for name, rows in found.industries.items())
    missing = total - found.rows
    level = _highest(total, lambda height: sum(max(0, height - rows) for rows, _ in counts) <= missing)
    left = missing - sum(max(0, level - rows) for rows, _ in counts)
    approvals = []
    for rows, name in counts:
        more = max(0, level - rows)
        if left and rows <= level:
            more, left = more + 1, left - 1
        if more:
            approvals.append(Approval(industry=name, rows=more, new=not rows))
    return tuple(approvals)


def _reworks(found: Diversity, rows: Iterable[DiversityRow], limits: _Limits, total: int) -> tuple[Rework, ...]:
    """Name what to reword when there are ``total`` rows: of each text as many places as it has too many."""
    added = total - found.rows if found.stage in ACTIONS_IN else 0
    actions = found.actions.above(_most_of(found.actions.total() + added, limits.actions_share))
    prefixes = found.prefixes.above(_most_of(total, limits.prefix_share))
    left = sum(actions.values()) + sum(prefixes.values())
    reworks = []
    for row in rows:
        if not left:
            break
        if row.industry is None:
            continue
        places = tuple(place for place, action in enumerate(row.actions, 1) if _taken(actions, normalised(action)))
        constraint = row.constraint is not None and _taken(prefixes, prefix(row.constraint))
        if places or constraint:
            left -= len(places) + constraint
            reworks.append(Rework(id=row.id, actions=places, constraint=constraint))
    return tuple(reworks)


def _taken(excess: dict[int, int], text: str) -> bool:
    """Take one off a text that comes too often."""
    found = hash(text)
    if not excess.get(found):
        return False
    excess[found] -= 1
    return True


# --- dropping rows --------------------------------------------------------------------------------------------------


def _dropping(found: Diversity, read: Read, limits: _Limits) -> Way | None:
    """Return the way without new approvals; None where rows of too large industries cannot be spared."""
    cap = _largest_kept(found, limits)
    dropped = {name: rows - cap for name, rows in found.industries.items() if rows > cap} if cap else {}
    if not dropped:
        return None
    drop = _chosen(found, read(), limits, dropped)
    gone = frozenset(drop)

    def kept() -> Iterator[DiversityRow]:
        return (row for row in read() if row.id not in gone)

    rest = measure(found.stage, kept())
    if _total_needed(rest, limits) > rest.rows:
        return None
    rework = _reworks(rest, kept(), limits, rest.rows)
    sentence = _told(found.stage, (), dropped, rework)
    return Way(name="drop", sentence=sentence, approvals=(), drop=drop, rework=rework)


def _largest_kept(found: Diversity, limits: _Limits) -> int:
    """Return the most rows that each industry may keep; 0 where no such number leaves enough rows."""
    counts = list(found.industries.values())

    def kept(most: int) -> int:
        return sum(min(rows, most) for rows in counts)

    cap = _highest(found.largest_industry, lambda most: not most or most / kept(most) <= limits.industry_share)
    enough = kept(cap) >= limits.rows and len(counts) >= limits.industries
    return cap if enough else 0


def _chosen(
    found: Diversity, rows: Iterable[DiversityRow], limits: _Limits, dropped: dict[str, int]
) -> tuple[str, ...]:
    """Return the rows to drop: of each industry those first that repeat most what comes too often."""
    actions = found.actions.above(_most_of(found.actions.total(), limits.actions_share))
    prefixes = found.prefixes.above(_most_of(found.rows, limits.prefix_share))
    of_industry: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in rows:
        if row.industry in dropped:
            repeats = sum(hash(normalised(action)) in actions for action in row.actions) if actions else 0
            repeats += bool(prefixes) and row.constraint is not None and hash(prefix(row.constraint)) in prefixes
            of_industry[row.industry].append((-repeats, row.id))
    return tuple(row_id for name, count in dropped.items() for _, row_id in sorted(of_industry[name])[:count])


# --- numbers and words ----------------------------------------------------------------------------------------------


def _most_of(total: int, share: float) -> int:
    """Return the largest count that is within a share of ``total``, by the very division that the gates make."""
    return _highest(total, lambda count: not count or count / total <= share)


def _least_total(count: int, share: float) -> int:
    """Return the smallest total of which ``count`` is within a share."""
    total = max(count, ceil(count / share) - 1)
    while count / total > share:
        total += 1
    return total


def _highest(most: int, holds: Callable[[int], bool]) -> int:
    """Return the highest number up to ``most`` for which ``holds``, which holds for 0 and stays false once it is."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _told(stage: Stage, approvals: Sequence[Approval], dropped: dict[str, int], rework: Sequence[Rework]) -> str:
    parts = []
    if dropped:
        listed = _listed([f"{rows} of {name}" for name, rows in Counter(dropped).most_common()])
        parts.append(f"Drop {counted('row', sum(dropped.values()))}: {listed}.")
    if approvals:
        each = [
            f"{approval.rows} of {approval.industry or 'an industry that no row is of yet'}" for approval in approvals
        ]
        said = f"Approve {counted('more row', sum(approval.rows for approval in approvals))}: {_listed(each)}"
        parts.append(f"{said}{', in words that no other row has' if stage in ACTIONS_IN else ''}.")
    if rework:
        words = [("action", sum(len(row.actions) for row in rework))]
        words.append(("primary constraint", sum(row.constraint for row in rework)))
        said = " and ".join(counted(word, count) for word, count in words if count)
        parts.append(f"Reword {said} in {counted('row', len(rework))}.")
    return " ".join(parts)


def _listed(parts: Sequence[str]) -> str:
    shown = list(parts[:_LISTED])
    if len(parts) > _LISTED:
        shown.append(f"and of {len(parts) - _LISTED} more industries")
    return ", ".join(shown)
