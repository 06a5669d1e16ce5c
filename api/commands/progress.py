"""Shows jobs as they go: bars for a person at a terminal, lines for a log."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from api.commands.client import Event
from shared.contracts import FINAL_STATES, JsonObject

Show = Callable[[JsonObject, Event], None]
"""Takes the job and what happened to it; a flow and its steps are shown by the same function."""


def reporter(console: Console) -> AbstractContextManager[Show]:
    """Return what shows events: a bar for each job on a terminal, else a line for each event."""
    return _bars(console) if console.is_terminal else _lines(console)


@contextmanager
def _bars(console: Console) -> Iterator[Show]:
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("[bold]{task.fields[kind]}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console) as progress:

        def show(job: JsonObject, event: Event) -> None:
            if job["id"] not in tasks:
                tasks[job["id"]] = progress.add_task(job["state"], total=1.0, kind=job["kind"])
            done = 1.0 if event.type == "succeeded" else event.data.get("fraction")
            progress.update(tasks[job["id"]], description=escape(describe(event)), completed=done)
            if event.type in FINAL_STATES:
                progress.stop_task(tasks[job["id"]])

        yield show


@contextmanager
def _lines(console: Console) -> Iterator[Show]:
    def show(job: JsonObject, event: Event) -> None:
        fraction = event.data.get("fraction")
        share = "" if fraction is None else f" {fraction:.0%}"
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        console.print(f"{now} {job['kind']}{share} {describe(event)}", markup=False, soft_wrap=True)

    yield show


def describe(event: Event) -> str:
    """Say what happened in one line."""
    if event.type == "progress":
        return event.message or "working"
    return f"{event.type}: {event.message}" if event.message else event.type
