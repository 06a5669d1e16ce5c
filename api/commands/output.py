"""What commands print: results on standard output (tables, or JSON for programs), everything else on standard error."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.commands.errors import CommandError
from shared.contracts import JsonObject

_PIPE_WIDTH = 200  # a table sent to a file or a pipe is not squeezed into 80 columns
_DIGITS = 4

STATE_STYLES = {
    "queued": "yellow",
    "running": "cyan",
    "waiting": "magenta",
    "succeeded": "green",
    "failed": "bold red",
    "cancelled": "dim",
    "active": "green",
    "candidate": "yellow",
    "retired": "dim",
    "pass": "green",
    "fail": "bold red",
    "insufficient": "yellow",
}


@dataclass(frozen=True)
class Column:
    """A column of a list: its title, and the field to show or a function of the item."""

    title: str
    value: str | Callable[[JsonObject], Any]

    def of(self, item: JsonObject) -> Text:
        """Return the item's cell."""
        found = item.get(self.value) if isinstance(self.value, str) else self.value(item)
        return cell(found)


def out() -> Console:
    """Return the console of results."""
    return Console(width=None if sys.stdout.isatty() else _pipe_width(), highlight=False)


def err() -> Console:
    """Return the console of progress and errors."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else _pipe_width(), highlight=False)


def _pipe_width() -> int:
    return shutil.get_terminal_size((_PIPE_WIDTH, 0)).columns  # honours COLUMNS


def say(text: str) -> None:
    """Print a line of result, unbroken."""
    out().print(text, markup=False, soft_wrap=True)


def note(text: str, style: str = "") -> None:
    """Print a line that is no result, on standard error."""
    err().print(text, style=style, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON value for programs, as the API gave it."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_list(page: JsonObject, columns: Sequence[Column], *, as_json: bool, more: str) -> None:
    """Print a page of a list; ``more`` is the option that reads the next page."""
    if as_json:
        print_json(page)
        return
    table = Table(*(column.title for column in columns), box=None, pad_edge=False)
    for item in page["items"]:
        table.add_row(*(column.of(item) for column in columns))
    out().print(table)
    if page.get("next_cursor"):
        note(f"there is more: {more} {page['next_cursor']}", style="dim")


def print_object(thing: JsonObject, *, as_json: bool) -> None:
    """Print one thing: a row for each field, then a table for each list of objects and for the metrics by window.

    Objects that have lists of objects in them are printed as things of their own.
    """
    if as_json:
        print_json(thing)
        return
    for number, table in enumerate(_tables("", thing)):
        if number:
            out().print()
        if table.title:  # it would be broken to the width of a narrow table
            out().print(Text(str(table.title), style="italic"), soft_wrap=True)
            table.title = None
        out().print(table)


def _tables(title: str, thing: JsonObject) -> Iterator[Table]:
    """Lay out a thing: its rows, then what is nested in it."""
    rows = Table("", "", title=title, title_justify="left", box=None, show_header=False, pad_edge=False)
    nested: list[Table] = []
    for name, value in flatten(thing):
        if _is_table(value) and any(_is_table(inner) for item in value for inner in item.values()):
            for number, item in enumerate(value, start=1):
                nested += _tables(f"{title} {name} {number} of {len(value)}".lstrip(), item)
        elif _is_table(value):
            nested.append(_items(f"{title}: {name}" if title else name, value))
        elif isinstance(value, dict):
            nested.append(_metrics(name, value))
        else:
            rows.add_row(Text(name, style="bold"), cell(value))
    yield rows
    yield from nested


def print_error(error: CommandError, before: str) -> None:
    """Say on standard error what went wrong, what to do, and what exactly was wrong (a table of bad lines)."""
    note(f"{before}{error.message}", style="bold red")
    if error.advice:
        note(f"  {error.advice}")
    for name, items in error.details.items():
        if _is_table(items):
            err().print(_items(name, items))


def _items(title: str, items: Sequence[JsonObject]) -> Table:
    """Lay out a list of objects; what is nested in them is left to ``--json``."""
    names = [name for name, value in items[0].items() if not isinstance(value, dict)]
    table = Table(*names, title=title, title_justify="left", box=None, pad_edge=False)
    for item in items:
        table.add_row(*(cell(item.get(name)) for name in names))
    return table


def _metrics(title: str, windows: JsonObject) -> Table:
    """Lay out an evaluation: a row for each figure, a column for each model in each window."""
    table = Table("", title=title, title_justify="left", box=None, pad_edge=False)
    columns = []
    for window, found in windows.items():
        for who in ("candidate", "active"):
            if figures := _figures(found.get(who) or {}):
                table.add_column(f"{who}, {window} ({found['rows']:,} rows)", justify="right")
                columns.append(figures)
    for name in dict.fromkeys(name for figures in columns for name in figures):
        table.add_row(Text(name, style="bold"), *(cell(figures.get(name)) for figures in columns))
    return table


def _figures(scores: JsonObject) -> JsonObject:
    return {name: value for name, value in scores.items() if isinstance(value, int | float) and name != "rows"}


def flatten(thing: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested objects with dotted names, leaving out empty ones.

    What is shown as a table is a leaf: lists of objects, and the metrics of an evaluation.
    """
    for name, value in thing.items():
        if isinstance(value, dict) and not _is_metrics(value):
            yield from flatten(value, f"{prefix}{name}.")
        elif value not in (None, "", []):
            yield f"{prefix}{name}", value


def _is_metrics(value: JsonObject) -> bool:
    return bool(value) and all(isinstance(found, dict) and "candidate" in found for found in value.values())


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def cell(value: Any) -> Text:
    """Show a value to a person: short figures, local times, states in colour."""
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, float):
        return Text(figure(value))
    if isinstance(value, list):
        return Text(", ".join(str(cell(item)) for item in value))
    # what others wrote (a reason, a name) must not move the cursor or hide what it says
    text = "".join(letter for letter in str(value) if letter.isprintable() or letter == "\n")
    return Text(_local_time(text), style=STATE_STYLES.get(text, ""))


def figure(value: float | None) -> str:
    """Show a figure with as many digits as mean something."""
    if value is None:
        return "-"
    return f"{value:.{_DIGITS}g}" if abs(value) < 1 else f"{value:,.{2 if value % 1 else 0}f}"


def _local_time(text: str) -> str:
    if len(text) < len("2026-01-01T00:00:00Z") or text[4:5] != "-" or text[10:11] != "T":
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment.tzinfo else text
