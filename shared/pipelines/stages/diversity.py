"""Are a stage's approved rows different enough to train on? Measured in one pass over them; seed 001's gates.

A row without an industry counts in no figure but its own. Whatever rows there are, what is kept of each is eight
bytes for an action and eight for a constraint.
"""

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from shared.contracts import JsonObject, Outcome, Verdict
from shared.pipelines.stages.policy import DiversityPolicy, LivePolicy
from shared.pipelines.stages.versions import SYNTHESIS, Stage

MIN_TOTAL_ROWS: Final = "min_total_rows"
MIN_INDUSTRIES: Final = "min_industries"
MAX_INDUSTRY_SHARE: Final = "max_industry_share"
MAX_DUPLICATE_ACTIONS_SHARE: Final = "max_duplicate_actions_share"
MAX_SAME_PRIMARY_CONSTRAINT_PREFIX_SHARE: Final = "max_same_primary_constraint_prefix_share"
LIVE_MIN_ROWS: Final = "live_min_rows"
MAX_HOMOGENEITY_SHARE: Final = "max_homogeneity_share"
"""The gates, named as the seed names their thresholds."""

PREFIX_WORDS: Final = 5

ACTIONS_IN: Final[dict[Stage, str]] = {
    "emyth_owner_load": "roles",
    "competitive_lens": "rivals",
    "blue_ocean": "moves",
    "synthesis_decision": "actions",
}
"""The list of an output whose entries advise an action each; ``quant_signals`` advises none."""

_WORD: Final = re.compile(r"\w+")
_PLAIN: Final = bytes(ord(char.lower()) if _WORD.match(char) else ord(" ") for char in map(chr, range(128))).ljust(256)
"""Makes an ASCII text its words alone, four times as fast as the expression does, and to the same end."""
_BUCKETS: Final = 64


# --- rows -----------------------------------------------------------------------------------------------------------


class DiversityRow(NamedTuple):
    """What is looked at of a row. ``constraint``: the primary constraint, None in the stages that name none."""

    id: str
    industry: str | None
    actions: tuple[str, ...]
    constraint: str | None


def diversity_row(stage: Stage, row_id: str, industry: str | None, output: JsonObject) -> DiversityRow:
    """Return what is looked at of a row, from the JSON of an output that keeps its contract."""
    entries: list[dict[str, Any]] = output[ACTIONS_IN[stage]] if stage in ACTIONS_IN else []
    constraint: str | None = output["primary_constraint"]["statement"] if stage == SYNTHESIS else None
    return DiversityRow(row_id, industry, tuple([entry["action"] for entry in entries]), constraint)


def dataset_rows(stage: Stage, lines: Iterable[bytes]) -> Iterator[DiversityRow]:
    """Yield the approved rows of a file that ``stages.build-datasets`` wrote; what waits there counts for nothing."""
    for line in lines:
        fields = orjson.loads(line)
        if fields["approved"]:
            yield diversity_row(stage, fields["id"], fields["industry"], fields["output"])


# --- measuring ------------------------------------------------------------------------------------------------------


def normalised(text: str) -> str:
    """Return a text's words alone: what differs in case, marks or width only is the same advice."""
    return " ".join(_words(text)) or text


def prefix(text: str) -> str:
    """Return the first five words of a primary constraint, normalised."""
    return " ".join(_words(text)[:PREFIX_WORDS]) or text


def _words(text: str) -> list[str]:
    if text.isascii():
        return text.encode().translate(_PLAIN).decode().split()
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


class Texts:
    """Counts how often each text comes, of any number of different ones, exactly.

    It keeps 64-bit hashes, in lists by their last bits, so that only one list at a time needs a table of counts.
    """

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(_BUCKETS)]

    def add(self, text: str) -> None:
        """Count a text once more."""
        found = hash(text)
        self._buckets[found % _BUCKETS].append(found)

    def total(self) -> int:
        """Return how many were counted."""
        return sum(map(len, self._buckets))

    def most(self) -> int:
        """Return how often the most frequent text came; 0 without any."""
        return max((max(Counter(bucket).values()) for bucket in self._buckets if bucket), default=0)

    def above(self, most: int) -> dict[int, int]:
        """Return the texts that came more often than ``most``, by hash, with how often too often each came."""
        counts = (Counter(bucket) for bucket in self._buckets if len(bucket) > most)
        return {text: times - most for found in counts for text, times in found.items() if times > most}


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """What the rows of one stage look like. The shares are None where there is nothing to take a share of."""

    stage: Stage
    rows: int
    """Those with an industry."""
    excluded: int
    """Those without."""
    industries: dict[str, int]
    actions: Texts
    prefixes: Texts

    @property
    def largest_industry(self) -> int:
        """How many rows the largest industry has."""
        return max(self.industries.values(), default=0)

    @property
    def industry_share(self) -> float | None:
        """The largest industry's share of the rows."""
        return self.largest_industry / self.rows if self.rows else None

    @property
    def duplicate_actions_share(self) -> float | None:
        """The most frequent action's share of all actions."""
        total = self.actions.total()
        return self.actions.most() / total if total else None

    @property
    def same_prefix_share(self) -> float | None:
        """The share of the rows whose primary constraints begin with the most common five words."""
        return self.prefixes.most() / self.rows if self.prefixes.total() else None

    def figures(self) -> JsonObject:
        """Return the figures, for reports: counts and shares, and no row's words."""
        return {
            "stage": self.stage,
            "rows": self.rows,
            "excluded_without_industry": self.excluded,
            "industries": dict(sorted(self.industries.items(), key=lambda item: (-item[1], item[0]))),
            "largest_industry_share": self.industry_share,
            "actions": self.actions.total(),
            "duplicate_actions_share": self.duplicate_actions_share,
            "same_primary_constraint_prefix_share": self.same_prefix_share,
        }


def measure(stage: Stage, rows: Iterable[DiversityRow]) -> Diversity:
    """Measure the rows of a stage in one pass."""
    industries, actions, prefixes = Counter[str](), Texts(), Texts()
    excluded = 0
    for row in rows:
        if row.industry is None:
            excluded += 1
            continue
        industries[row.industry] += 1
        for action in row.actions:
            actions.add(normalised(action))
        if row.constraint is not None:
            prefixes.add(prefix(row.constraint))
    return Diversity(
        stage=stage,
        rows=industries.total(),
        excluded=excluded,
        industries=dict(industries),
        actions=actions,
        prefixes=prefixes,
    )


# --- judging --------------------------------------------------------------------------------------------------------


def gates(found: Diversity, rules: DiversityPolicy, live: LivePolicy | None = None) -> tuple[Verdict, ...]:
    """Return the verdicts on a stage's rows: the seed's five, and two more when it costs money (``live``).

    What lies at a threshold passes. Too few rows are ``insufficient``: more of them help, and nothing is wrong yet.
    """
    verdicts = [
        _enough_rows(MIN_TOTAL_ROWS, found, rules.min_total_rows),
        _enough_industries(found, rules.min_industries),
        _industry(MAX_INDUSTRY_SHARE, found, rules.max_industry_share),
        _actions(found, rules.max_duplicate_actions_share),
        _prefixes(found, rules.max_same_primary_constraint_prefix_share),
    ]
    if live is not None:
        verdicts.append(_enough_rows(LIVE_MIN_ROWS, found, live.min_rows))
        verdicts.append(_industry(MAX_HOMOGENEITY_SHARE, found, live.max_homogeneity_share))
    return tuple(verdicts)


def _enough_rows(gate: str, found: Diversity, least: int) -> Verdict:
    enough = found.rows >= least
    sentence = (
        f"{counted('approved row', found.rows)} with an industry, {'and' if enough else 'but'} {least} are needed"
    )
    if found.excluded:
        sentence += f"; {found.excluded} more have no industry and do not count"
    outcome = Outcome.PASS if enough else Outcome.INSUFFICIENT
    figures = {"rows": found.rows, "least": least, "excluded": found.excluded}
    return Verdict(gate=gate, outcome=outcome, sentence=f"{sentence}.", figures=figures, short_of_rows=not enough)


def _enough_industries(found: Diversity, least: int) -> Verdict:
    seen = len(found.industries)
    outcome = Outcome.PASS if seen >= least else Outcome.FAIL
    number = "one industry" if seen == 1 else f"{seen} industries"
    sentence = f"The rows are of {number}, {'and' if seen >= least else 'but'} {least} are needed."
    return Verdict(
        gate=MIN_INDUSTRIES, outcome=outcome, sentence=sentence, figures={"industries": seen, "least": least}
    )


def _industry(gate: str, found: Diversity, most: float) -> Verdict:
    if not found.rows:
        sentence = "There is no row with an industry, so no industry has a share."
        return Verdict(gate=gate, outcome=Outcome.INSUFFICIENT, sentence=sentence, figures={"rows": 0, "most": most})
    said = "of the rows are of the largest industry"
    return _at_most(gate, said, (found.largest_industry, found.rows), most)


def _actions(found: Diversity, most: float) -> Verdict:
    gate, total = MAX_DUPLICATE_ACTIONS_SHARE, found.actions.total()
    if not total:
        return _nothing(gate, "No row advises an action, so none is repeated.", most)
    return _at_most(gate, "of all actions say the same", (found.actions.most(), total), most)


def _prefixes(found: Diversity, most: float) -> Verdict:
    gate = MAX_SAME_PRIMARY_CONSTRAINT_PREFIX_SHARE
    if not found.prefixes.total():
        return _nothing(gate, "No row names a primary constraint, so none is repeated.", most)
    said = "of the rows begin their primary constraint with the same five words"
    return _at_most(gate, said, (found.prefixes.most(), found.rows), most)


def _nothing(gate: str, sentence: str, most: float) -> Verdict:
    return Verdict(gate=gate, outcome=Outcome.PASS, sentence=sentence, figures={"share": None, "most": most})


def _at_most(gate: str, said: str, part: tuple[int, int], most: float) -> Verdict:
    count, total = part
    share = count / total
    outcome = Outcome.PASS if share <= most else Outcome.FAIL
    than = "no more than" if outcome is Outcome.PASS else "more than"
    sentence = f"{count} of {total} ({100 * share:.4g}%) {said}, {than} the {100 * most:.4g}% that are let through."
    figures = {"count": count, "total": total, "share": share, "most": most}
    return Verdict(gate=gate, outcome=outcome, sentence=sentence, figures=figures)


def counted(what: str, count: int) -> str:
    """Say a number of things, as ``1 row`` or ``3 rows``."""
    return f"1 {what}" if count == 1 else f"{count} {what}s"
