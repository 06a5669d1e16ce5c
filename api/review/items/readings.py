"""Rows of the stages for people: what a stage was given as lists and tables, what it answered as statements."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from api.review.items.rewriting import form_of
from api.review.items.snapshots import band
from api.review.words import figure, label
from shared.contracts import JsonObject
from shared.errors import InvalidInputError
from shared.pipelines.stages.contracts import as_json, entry_of, parse_input, parse_output, stage_named
from shared.pipelines.stages.contracts_parts import TEXTS
from shared.pipelines.stages.versions import Stage


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One value by its name. ``cited``: a statement of the answer rests on it."""

    name: str
    text: str
    is_number: bool = False
    cited: bool = False
    entry: str = ""
    """It as evidence, where it may be that."""

    @property
    def tone(self) -> str:
        """The colour of a word that says how well something stands."""
        return _TONES.get(self.text, "")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Things of one kind, as competitors, by what is known of each."""

    columns: tuple[tuple[str, bool], ...]
    """Each name, and whether numbers are in it."""
    rows: tuple[tuple[str, tuple[Fact | None, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """An entry that a statement rests on, in words. ``known``: the input has it."""

    name: str
    text: str
    known: bool


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One thing that a stage says: of what, in words of the contract's lists, in sentences, and what it rests on."""

    title: str
    words: tuple[Fact, ...]
    sentences: tuple[tuple[str, str], ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of an input or of an answer."""

    name: str
    facts: tuple[Fact, ...] = ()
    table: Table | None = None
    statements: tuple[Statement, ...] = ()


REASONS: Final = (
    "The evidence does not carry it.",
    "It misreads the figures.",
    "It says too little to act on.",
    "The advice does not fit this business.",
    "It is badly worded.",
)
"""Why people reject a row, as a rule: one key each."""
_TITLES: Final = ("name", "role", "rival", "factor", "kind")
"""Which field of a statement says what it is about."""
_PLAIN: Final = frozenset({"meaning", "action", "statement", "summary"})
"""Sentences that need no label."""
_STAGES: Final[Mapping[str, str]] = {
    "quant_signals": "Signals in the figures",
    "emyth_owner_load": "The owner's load",
    "competitive_lens": "Beside the competitors",
    "blue_ocean": "The value curve",
    "synthesis_decision": "What to do now",
}
"""What each stage reads out of a business."""
_NAMES: Final[Mapping[str, str]] = {"due_days": "Due in", "non_clients": "People who do not buy", "field": "The field"}
"""Fields whose name says too little."""
_TONES: Final[Mapping[str, str]] = {"good": "good", "watch": "warn", "bad": "bad"}
_VERSION: Final = "schema_version"
_COMPANY: Final = "company"
_EVIDENCE: Final = "evidence"
_UNITS: Final = (
    ("_pct", " %"), ("_tenths", ""), ("_hours", " h"), ("hours_a_week", " h"), ("cash_weeks", " weeks"),
    ("weeks_booked_ahead", " weeks"), ("weeks_off_a_year", " weeks"), ("days_to_answer", " days"),
    ("days_to_paid", " days"), ("days_to_start", " days"), ("due_days", " days"),
)  # fmt: skip


def reading_of(content: JsonObject) -> Mapping[str, Any]:
    """Return a row's input and output in parts, and the form by which its output is rewritten."""
    stage = stage_named(content["stage"])
    given, output = _in_order(parse_input, stage, content["input"]), _in_order(parse_output, stage, content["output"])
    cited = frozenset(_entries(output))
    values = dict(_leaves("", given))
    return {
        "title": _STAGES.get(stage, label(stage)),
        "company": _facts(_COMPANY, _mapping(given.get(_COMPANY)), cited),
        "given": tuple(_sections(given, cited)),
        "answered": tuple(_answer(output, values)),
        "form": form_of(stage, output),
        "reasons": REASONS,
    }


def _in_order(parse: Callable[[Stage, Any], Any], stage: Stage, raw: JsonObject) -> JsonObject:
    """Return a row's JSON in the order of its contract: JSON in the database has another."""
    try:
        return as_json(parse(stage, raw))
    except InvalidInputError:  # a row of a contract that is no more: as it is
        return raw


def _mapping(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


# --- what was given -------------------------------------------------------------------------------------------------


def _sections(given: JsonObject, cited: frozenset[str]) -> Iterator[Section]:
    alone = {name: value for name, value in given.items() if not isinstance(value, dict) and name != _VERSION}
    if alone:
        yield Section(name="", facts=_facts("", alone, cited))
    for name, value in given.items():
        if isinstance(value, dict) and name != _COMPANY:
            yield _section(name, value, cited)


def _section(name: str, value: JsonObject, cited: frozenset[str]) -> Section:
    if _VERSION in value:  # the answer of another stage
        words = _words(value, f"{name}.", cited)
        return Section(name=_STAGES.get(name, label(name)), facts=words, statements=tuple(_said(name, value, cited)))
    inner = list(value.values())
    if inner and all(isinstance(each, dict) for each in inner):
        return Section(name=label(name), table=_table(name, value, cited))
    return Section(name=label(name), facts=_facts(name, value, cited))


def _facts(path: str, values: JsonObject, cited: frozenset[str]) -> tuple[Fact, ...]:
    return tuple(_fact(f"{path}.{name}" if path else name, value, cited) for name, value in values.items())


def _fact(path: str, value: Any, cited: frozenset[str]) -> Fact:
    name, text = told(path.rpartition(".")[2], value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return Fact(name=name, text=text, is_number=is_number, cited=path in cited, entry=entry_of(path, value))


def _table(path: str, values: JsonObject, cited: frozenset[str]) -> Table:
    columns = list(dict.fromkeys(name for each in values.values() for name in each))
    rows = tuple(
        (label(row), tuple(
            _fact(f"{path}.{row}.{name}", each[name], cited) if name in each else None for name in columns
        ))
        for row, each in values.items()
    )  # fmt: skip
    numbers = [any(cell.is_number for _, cells in rows if (cell := cells[place])) for place in range(len(columns))]
    return Table(columns=tuple(zip([told(name, 0)[0] for name in columns], numbers, strict=True)), rows=rows)


def told(name: str, value: Any) -> tuple[str, str]:
    """Write a value and its name for people: ``overdue_pct`` 31 as ``Overdue``, ``31 %``."""
    unit = next((each for each in _UNITS if name.endswith(each[0])), None)
    shown = _NAMES.get(name) or label(name.removesuffix("_pct").removesuffix("_tenths"))
    if isinstance(value, bool):
        return shown, "yes" if value else "no"
    if isinstance(value, int):
        number = f"{value / 10:.1f} of 5" if unit and unit[0] == "_tenths" else figure(value)
        words = unit[1] if unit else ""
        return shown, f"{number}{words.removesuffix('s') if value == 1 else words}"
    return shown, band(str(value)) if isinstance(value, str) else str(value)


# --- what was answered ----------------------------------------------------------------------------------------------


def _answer(output: JsonObject, values: Mapping[str, Any]) -> Iterator[Section]:
    """Yield the answer as it reads best: what it says as a whole first, then one statement after the other."""
    yield Section(name="", facts=_words(output), statements=(_whole(output, values),))
    for name, value in output.items():
        if _statements(value):
            yield Section(name=label(name), statements=tuple(_statement(each, values) for each in value))
        elif isinstance(value, dict):
            yield Section(name=label(name), statements=(_statement(value, values),))


def _said(path: str, output: JsonObject, cited: frozenset[str]) -> Iterator[Statement]:
    """Yield what another stage said: what it was given is not there to be compared."""
    yield _whole(output, None)
    for name, value in output.items():
        for place, each in enumerate(_statements(value)):
            yield _statement(each, None, f"{path}.{name}.{place}", cited)


def _statements(value: Any) -> list[JsonObject]:
    return value if isinstance(value, list) and value and all(isinstance(each, dict) for each in value) else []


def _whole(output: JsonObject, values: Mapping[str, Any] | None) -> Statement:
    sentences = sorted(_sentences(output), key=lambda each: each[0] != "")
    return Statement(title="", words=(), sentences=tuple(sentences), evidence=_evidence(output, values))


def _statement(
    value: JsonObject, values: Mapping[str, Any] | None, path: str = "", cited: frozenset[str] = frozenset()
) -> Statement:
    title = next((name for name in _TITLES if name in value), "")
    about = label(str(value.get(title, "")))
    words = {name: each for name, each in value.items() if name not in {title, _EVIDENCE, *TEXTS}}
    return Statement(
        title=f"Competitor {about}" if title == "rival" else about,
        words=_facts(path, words, cited),
        sentences=tuple(_sentences(value)),
        evidence=_evidence(value, values),
    )


def _sentences(value: JsonObject) -> Iterator[tuple[str, str]]:
    return (("" if name in _PLAIN else label(name), str(each)) for name, each in value.items() if name in TEXTS)


def _words(output: JsonObject, path: str = "", cited: frozenset[str] = frozenset()) -> tuple[Fact, ...]:
    """Return the words that an answer as a whole chose from the contract's lists."""
    chosen = {
        name: value for name, value in output.items() if isinstance(value, str) and name not in {_VERSION, *TEXTS}
    }
    listed = {
        name: ", ".join(value) or "none"
        for name, value in output.items()
        if name != _EVIDENCE and isinstance(value, list) and all(isinstance(each, str) for each in value)
    }
    return tuple(
        Fact(
            name=label(name),
            text=value.replace("_", " "),
            cited=f"{path}{name}" in cited,
            entry=f"{path}{name}={value}" if path and name in chosen else "",
        )
        for name, value in (chosen | listed).items()
    )


def _evidence(value: JsonObject, values: Mapping[str, Any] | None) -> tuple[Evidence, ...]:
    entries = value.get(_EVIDENCE, ())
    return tuple(_one_evidence(str(entry), values) for entry in entries) if isinstance(entries, list) else ()


def _one_evidence(entry: str, values: Mapping[str, Any] | None) -> Evidence:
    path, _, text = entry.partition("=")
    name, shown = told(path.rpartition(".")[2], _read(text))
    parent = path.split(".")[-2] if "." in path else ""
    parent = _STAGES.get(parent, label(parent))
    known = values is None or (path in values and text in {str(values[path]), str(values[path]).lower()})
    return Evidence(name=f"{parent} · {name}" if parent else name, text=shown, known=known)


def _read(text: str) -> Any:
    """Return the value that an entry tells as text."""
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if text.removeprefix("-").isdecimal() else text


# --- walking --------------------------------------------------------------------------------------------------------


def _entries(value: Any) -> Iterator[str]:
    """Yield the paths that an answer cites."""
    inner: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and isinstance(value.get(_EVIDENCE), list):
        yield from (str(entry).partition("=")[0] for entry in value[_EVIDENCE])
    for each in inner:
        yield from _entries(each)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(f"{path}.{name}" if path else str(name), inner)
    else:
        yield path, value
