"""Where the pictures of an import are: in a zip, at addresses, and what a manifest says about them.

A zip is looked into, never unpacked: a member's name leads nowhere. Numbers count from 1, in the order of the zip or of
the manifest, so an attempt that goes on finds its place.
"""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, NamedTuple

from shared.db.images import NewRating
from shared.errors import InvalidInputError
from shared.fetching import FetchLimits, fetch
from shared.lines import Unreadable, read_records
from shared.pipelines.images.policy import policy
from shared.pipelines.images.rating_lines import read_rating

OWN_MANIFEST: Final = "manifest.csv"
"""In the root of a zip or folder: its manifest."""
_PICTURE_COLUMNS: Final = ("image", "path", "url")
_WEBCAM_COLUMNS: Final = ("webcam", "group")
_HIDDEN: Final = (".", "__MACOSX")
_LONGEST_NAME: Final = 200
_LABELS: Final = {"1": 5, "true": 5, "yes": 5, "0": 1, "false": 1, "no": 1}
"""From a yes-or-no label to stars: it says that a picture is as good, or as bad, as can be."""


class Entry(NamedTuple):
    """One picture that is to come in, or why its line is none (``reason``, ``message``)."""

    position: int
    name: str
    webcam: str = ""
    captured_at: datetime | None = None
    rating: NewRating | None = None
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How lines are read: the webcam of pictures that none is said of, who rates, which column is a yes or no."""

    webcam: str | None
    rater: str
    label_column: str | None


class Pack:
    """A zip with pictures. Safe to read from several threads."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises InvalidInputError when it is no zip, or has too many members."""
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            raise InvalidInputError("the file of pictures is no zip that can be read", advice="send a zip") from None
        self.names = [info.filename for info in self._zip.infolist() if not (info.is_dir() or _hidden(info.filename))]
        if len(self.names) > policy().limits.max_images:
            raise InvalidInputError(f"the zip has over {policy().limits.max_images:,} files", advice="send several")

    def read(self, name: str) -> bytes:
        """Return the bytes of a member. Raises InvalidInputError when there is none, or it cannot be unpacked whole."""
        limit = policy().limits.max_bytes
        try:
            with self._zip.open(name) as member:
                data = member.read(limit + 1)
                if len(data) > limit:
                    raise InvalidInputError(f"the file is over {limit:,} bytes", code="too-large")
                return data
        except KeyError:
            raise InvalidInputError("the zip has no such file", code="missing") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError):
            raise InvalidInputError("the zip does not give the file whole", code="unreadable") from None

    def __contains__(self, name: object) -> bool:
        return name in self._zip.NameToInfo

    def open(self, name: str) -> BinaryIO:
        """Open a member for streaming."""
        return self._zip.open(name)  # type: ignore[return-value]


def bytes_of(entry: Entry, pack: Pack | None) -> bytes:
    """Return an entry's file, out of the zip or from its address. Raises InvalidInputError."""
    if is_address(entry.name):
        fetching = policy().fetch
        return fetch(
            entry.name,
            FetchLimits(
                max_bytes=policy().limits.max_bytes, timeout_seconds=fetching.timeout_seconds,
                max_redirects=fetching.max_redirects,
            ),
        )  # fmt: skip
    if pack is None:
        raise InvalidInputError("there is no zip that this path could be in", code="missing")
    return pack.read(entry.name)


def is_address(name: str) -> bool:
    """Whether a picture is somewhere else."""
    return "://" in name


def entries_of_pack(pack: Pack, wanted: Wanted) -> Iterator[Entry]:
    """Yield the pictures of a zip without a manifest: the webcam is the folder that a picture is in."""
    for position, name in enumerate(pack.names, start=1):
        webcam = wanted.webcam or PurePosixPath(name).parent.name
        yield _entry(position, name, webcam, None, None)


def entries_of_manifest(file: BinaryIO, wanted: Wanted) -> Iterator[Entry]:
    """Yield the lines of a manifest. Raises InvalidInputError for a header without a column that says where."""
    for position, (line, fields) in enumerate(read_records(file, "csv", ()), start=1):
        if isinstance(fields, Unreadable):
            yield Entry(position, f"line {line}", reason="unreadable-line", message=fields.reason)
            continue
        if position == 1:
            _require_columns(fields, wanted)
        try:
            yield _manifest_entry(position, fields, wanted)
        except InvalidInputError as error:
            yield Entry(position, f"line {line}", reason="bad-line", message=error.message)


def _manifest_entry(position: int, fields: Mapping[str, Any], wanted: Wanted) -> Entry:
    name = _first(fields, _PICTURE_COLUMNS)
    at = parse_time(fields.get("captured_at", ""))
    webcam = _first(fields, _WEBCAM_COLUMNS) or wanted.webcam or ""
    if not webcam and not is_address(name):
        webcam = PurePosixPath(name).parent.name
    return _entry(position, name, webcam, at, _rating(fields, wanted))


def _entry(position: int, name: str, webcam: str, at: datetime | None, rating: NewRating | None) -> Entry:
    webcam = webcam.strip()
    if not 1 <= len(webcam) <= _LONGEST_NAME or not webcam.isprintable():
        why = "no webcam is named: put pictures into a folder of its name, name it in the manifest, or give --webcam"
        return Entry(position, name, reason="no-webcam", message=why)
    return Entry(position, name, webcam, at, rating)


def _rating(fields: Mapping[str, Any], wanted: Wanted) -> NewRating | None:
    if wanted.label_column:
        label = str(fields[wanted.label_column]).strip().lower()
        if label not in _LABELS:
            raise InvalidInputError(f"the label must be one of {', '.join(sorted(_LABELS))}")
        said = {**fields, "stars": str(_LABELS[label])}
    elif not str(fields.get("stars", "")).strip():
        return None
    else:
        said = dict(fields)
    return read_rating(said, wanted.rater)


def parse_time(cell: str) -> datetime | None:
    """Read an ISO 8601 time; one without a zone counts as UTC. Raises InvalidInputError."""
    if not cell.strip():
        return None
    try:
        at = datetime.fromisoformat(cell.strip())
    except ValueError:
        raise InvalidInputError("captured_at must be a time as 2026-02-12T18:30:00+01:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _first(fields: Mapping[str, Any], columns: tuple[str, ...]) -> str:
    return next((str(fields[column]).strip() for column in columns if fields.get(column)), "")


def _require_columns(fields: Mapping[str, Any], wanted: Wanted) -> None:
    if not any(column in fields for column in _PICTURE_COLUMNS):
        raise InvalidInputError(
            "the manifest has no column that says where pictures are",
            advice="name one `image` (in the zip) or `url` (https); others: webcam, captured_at, stars, rater, kind",
        )
    if wanted.label_column and wanted.label_column not in fields:
        raise InvalidInputError(f"the manifest has no column {wanted.label_column}", advice="check --label-column")


def _hidden(name: str) -> bool:
    return any(part.startswith(_HIDDEN) for part in PurePosixPath(name).parts) or name == OWN_MANIFEST
