"""Follow a job to its end: a progress bar for people, lines for logs, and no gap when the connection breaks."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from api.commands import output
from api.commands.client import Api, Event, is_final
from api.commands.errors import CommandError, ExitCode, ProblemError, UnreachableError, exit_code_of_job
from shared.contracts import JsonObject

Show = Callable[[Event], None]

_PATIENCE_SECONDS = 60  # a restarted API or stack is back by then
_PAUSE_SECONDS = 0.5


def follow(api: Api, job_id: str, show: Show) -> JsonObject:
    """Show the job's events until it ends; return the job.

    A broken stream is taken up again where it stopped. Raises ``UnreachableError`` when the API is away for a minute.
    """
    seen = 0
    heard = time.monotonic()
    while True:
        try:
            for event in api.events(job_id, after=seen):
                seen, heard = event.seq, time.monotonic()
                show(event)
            job = api.job(job_id)
            if is_final(job):
                return job
            heard = time.monotonic()
        except (UnreachableError, ProblemError) as error:
            away = isinstance(error, UnreachableError) or error.exit_code is ExitCode.UNREACHABLE
            if not away or time.monotonic() - heard > _PATIENCE_SECONDS:
                raise
        time.sleep(_PAUSE_SECONDS)


def follow_to_the_end(api: Api, job: JsonObject) -> JsonObject:
    """Follow a job with progress on standard error; Ctrl-C leaves the job running and says how to go on."""
    if is_final(job):
        return job
    try:
        with reporter(output.err(), job) as show:
            return follow(api, job["id"], show)
    except KeyboardInterrupt as error:
        raise CommandError(
            f"no longer following; {job['id']} goes on",
            advice=f"tuneyard jobs follow {job['id']}   or   tuneyard jobs cancel {job['id']}",
            exit_code=ExitCode.INTERRUPTED,
        ) from error


def reporter(console: Console, job: JsonObject) -> AbstractContextManager[Show]:
    """Return what shows events: a bar on a terminal, else a line for each."""
    return _bar(console, job) if console.is_terminal else _lines(console, job)


@contextmanager
def _bar(console: Console, job: JsonObject) -> Iterator[Show]:
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("[bold]{task.fields[kind]}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(job["state"], total=1.0, kind=job["kind"])

        def show(event: Event) -> None:
            done = 1.0 if event.type == "succeeded" else event.data.get("fraction")
            progress.update(task, description=escape(describe(event)), completed=done)

        yield show


@contextmanager
def _lines(console: Console, job: JsonObject) -> Iterator[Show]:
    def show(event: Event) -> None:
        fraction = event.data.get("fraction")
        share = "" if fraction is None else f" {fraction:.0%}"
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        console.print(f"{now} {job['kind']}{share} {describe(event)}", markup=False)

    yield show


def describe(event: Event) -> str:
    """Say what happened in one line."""
    if event.type == "progress":
        return event.message or "working"
    return f"{event.type}: {event.message}" if event.message else event.type


def show_outcome(job: JsonObject, *, as_json: bool) -> None:
    """Print how a followed job ended; raise ``CommandError`` with its exit code unless it succeeded."""
    if as_json:
        output.print_json(job)
    elif job["state"] == "succeeded":
        output.print_object({"job": job["id"], **(job["result"] or {})}, as_json=False)
    code = exit_code_of_job(job)
    if code is ExitCode.OK:
        return
    error = job.get("error") or {}
    reason = error.get("message") or job["state"]
    raise CommandError(f"{job['kind']} {job['id']}: {reason}", advice=error.get("advice", ""), exit_code=code)


def finish(api: Api, job: JsonObject, *, wait: bool, as_json: bool) -> None:
    """End a command that submitted a job: follow it and print its outcome, or just say its id."""
    if wait:
        show_outcome(follow_to_the_end(api, job), as_json=as_json)
    elif as_json:
        output.print_json(job)
    else:
        output.out().print(job["id"], markup=False)
