"""What a pipeline asks of rows before a training file is made of them. What is left out is counted by its reason."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from psycopg import Connection

from shared.contracts import JsonObject

if TYPE_CHECKING:
    from shared.pipeline import Row


class FileLine(NamedTuple):
    """One line of a file of rows: the id of the row that it holds, or why it is none (``reason``, as a short word)."""

    id: str | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class RowRules:
    """The rules for the rows of a surface, which each of these functions is told."""

    versions: Callable[[str], JsonObject]
    """The versions of the contracts, for the manifest."""
    check: Callable[[str, "Row"], None]
    """Raises ``InvalidInputError`` with a ``reason`` in its details for a row that is not of the contracts."""
    read: Callable[[str, BinaryIO], Iterator[FileLine]]
    """Reads a file of rows. What a file claims binds nobody: only its ids are used."""
    left_out: Callable[[Connection, str], Mapping[str, int]]
    """Counts rows that people approved and that are no examples, by reason."""
