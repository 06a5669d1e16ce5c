"""The preflight check of a training file: every fault named by its line and a stable code, before anything is sent.

The file streams: memory does not grow with it. It is checked for what OpenAI documents and for what its published line
schemas let pass (``docs/training-files.md``). Tokens are estimated (``tokens.py``), and costs by them (``prices.py``).
"""

import zlib
from collections import Counter
from gzip import BadGzipFile
from typing import BinaryIO, Final, Literal

from shared.contracts import Contract
from shared.errors import InvalidInputError
from shared.llm.policy import Limits, llm_policy
from shared.llm.prices import likely_epochs
from shared.llm.training_faults import FAULTS, WARNINGS, Fault, Notes
from shared.llm.training_lines import BOM, BadLineError, Line, Parser, lines_of
from shared.llm.training_rules import Kind, Rules, kind_of

BAD_FILE: Final = "bad-training-file"

_REMEMBERED: Final = 500_000  # examples that later ones are compared with: 64 bits of each are kept
_LISTED_IN_ERROR: Final = 20


class FileReport(Contract):
    """What the check found. ``faults`` and ``warnings`` list the first of each, their counts are of all, by code."""

    kind: Kind
    ok: bool
    rows: int
    """Lines that are not blank."""
    bad_rows: int
    size: int
    """Bytes, unpacked."""
    tokens: int
    """About how many one pass over the file trains on."""
    longest: int
    """Of the longest example, likewise."""
    epochs: int
    """How many a provider is likely to choose by itself."""
    fault_count: int
    counts: dict[str, int]
    faults: tuple[Fault, ...]
    warning_count: int
    warning_counts: dict[str, int]
    warnings: tuple[Fault, ...]


def validate_file(
    file: BinaryIO, kind: Literal["chat", "preference", "auto"] = "auto", limits: Limits | None = None
) -> FileReport:
    """Check a file of chat examples or preference pairs; ``auto`` decides by its first example.

    Reads it to its end once, or to the provider's largest size. What is wrong with the file is in the report; only
    errors of reading (``OSError``, ``CorruptError``) are raised.
    """
    check = _Check(limits or llm_policy().limits, None if kind == "auto" else kind)
    try:
        for line in lines_of(file, check.limits.max_line_bytes, check.limits.max_file_bytes):
            if not check.take(line):
                break
    except (EOFError, zlib.error, BadGzipFile):  # what a packed file raises that was cut off or changed
        check.unreadable()
    return check.report()


def require_ok(report: FileReport) -> None:
    """Raise InvalidInputError (``bad-training-file``), which lists the first faults, unless the file is good."""
    if report.ok:
        return
    first = report.faults[0]
    raise InvalidInputError(
        f"the training file has {report.fault_count:,} faults in {report.bad_rows:,} of {report.rows:,} examples; the"
        f" first: {'' if first.line is None else f'line {first.line}, '}{first.message} ({first.code})",
        code=BAD_FILE,
        advice="correct the lines and send the file again; docs/training-files.md says what each code means",
        counts=report.counts,
        faults=[fault.model_dump() for fault in report.faults[:_LISTED_IN_ERROR]],
    )


class _Found:
    """Faults or warnings: the first of them with their lines, and how many of each code."""

    def __init__(self, meanings: dict[str, str], listed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.first: list[Fault] = []
        self._meanings = meanings
        self._listed = listed

    def add(self, line: int | None, code: str, where: str = "") -> None:
        self.counts[code] += 1
        if len(self.first) < self._listed:
            message = f"{where}: {self._meanings[code]}" if where else self._meanings[code]
            self.first.append(Fault(line=line, code=code, message=message))


class _Check:
    """The state of a check between two lines."""

    def __init__(self, limits: Limits, kind: Kind | None) -> None:
        self.limits = limits
        self._kind = kind
        self._parser = Parser()
        self._rules = Rules(limits)
        self._faults = _Found(dict(FAULTS), limits.named_faults)
        self._warnings = _Found(dict(WARNINGS), limits.named_faults)
        self._seen: set[int] = set()
        self._rows = self._bad = self._size = self._tokens = self._longest = 0

    def take(self, line: Line) -> bool:
        """Check a line; return whether to go on."""
        self._size += line.size
        if self._size > self.limits.max_file_bytes:
            self._faults.add(None, "file-too-large", f"over {self.limits.max_file_bytes:,} bytes")
            return False
        data = line.data
        if line.number == 1 and data is not None and data.startswith(BOM):
            self._faults.add(1, "bom")
            data = data.removeprefix(BOM)
        if data is not None and not data.strip():
            self._faults.add(line.number, "blank-line")
            return True
        self._rows += 1
        try:
            notes = self._example(data)
        except BadLineError as error:
            self._faults.add(line.number, error.code, error.detail)
            self._bad += 1
            return True
        if notes.faults or notes.warnings:
            self._note(line.number, notes)
        return True

    def _example(self, data: bytes | None) -> Notes:
        if data is None:
            raise BadLineError("line-too-large", f"over {self.limits.max_line_bytes:,} bytes")
        example, mark = self._parser.parse(data)
        if self._kind is None and isinstance(example, dict):
            self._kind = kind_of(example)
        notes, tokens = self._rules.check(example, self._kind or "chat")
        self._tokens += min(tokens, self.limits.max_line_tokens)
        self._longest = max(self._longest, tokens)
        if mark in self._seen:
            notes.report("duplicate-example")
        elif len(self._seen) < _REMEMBERED:
            self._seen.add(mark)
        return notes

    def _note(self, line: int, notes: Notes) -> None:
        self._bad += bool(notes.faults)
        for code, where in notes.faults:
            self._faults.add(line, code, where)
        for code, where in notes.warnings:
            self._warnings.add(line, code, where)

    def unreadable(self) -> None:
        """Note that the file cannot be read to its end."""
        self._faults.add(None, "unreadable")

    def report(self) -> FileReport:
        """Sum up."""
        if self._rows < self.limits.min_examples:
            self._faults.add(None, "too-few-examples", f"{self._rows} of at least {self.limits.min_examples}")
        return FileReport(
            kind=self._kind or "chat",
            ok=not self._faults.counts,
            rows=self._rows,
            bad_rows=self._bad,
            size=self._size,
            tokens=self._tokens,
            longest=self._longest,
            epochs=likely_epochs(self._rows),
            fault_count=self._faults.counts.total(),
            counts=dict(sorted(self._faults.counts.items())),
            faults=tuple(self._faults.first),
            warning_count=self._warnings.counts.total(),
            warning_counts=dict(sorted(self._warnings.counts.items())),
            warnings=tuple(self._warnings.first),
        )
