"""``tuneyard up``, ``down``, ``status`` and ``env``: the stack on this machine, which is started and stopped here."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.table import Table

from api.commands import output
from api.commands.errors import CommandError, ExitCode, UnreachableError
from api.commands.flags import AsJson
from shared import flower
from shared.errors import TuneyardError
from shared.settings import get_settings
from shared.stack.home import Home
from shared.stack.state import PartPhase, Phase, StackState, current

Detach = Annotated[bool, typer.Option("--detach", "-d", help="Return when the stack is ready; it runs on.")]


def up(*, detach: Detach = False) -> None:
    """Start the stack: PostgreSQL, Redis, API, workers, sweeps, Beat, Flower. Ctrl-C stops it, in order."""
    from shared.logs import configure_logs
    from shared.stack.control import start_detached
    from shared.stack.supervisor import run_stack

    settings, progress = get_settings(), _Progress()
    configure_logs(settings.model_copy(update={"log_level": "ERROR"}))  # what matters is printed by the progress
    with _errors_explained():
        if detach:
            _welcome(start_detached(settings, progress.tell))
        else:
            run_stack(settings, progress.tell_and_welcome)


def down() -> None:
    """Stop the stack in order, wherever it was started."""
    from shared.stack.control import stop

    with _errors_explained():
        was_running = stop(get_settings())
    output.err().print("stopped" if was_running else "nothing was running")


def status(*, as_json: AsJson = False) -> None:
    """Show every part with its pid and health, and how much waits in each queue."""
    from shared.stack.health import examine

    state = _running()
    parts = [report.model_dump(mode="json") for report in examine(state)]
    queues = _queue_depths(state)
    if as_json:
        addresses = {"url": state.url, "flower_url": _flower(state)}
        output.print_json({"phase": state.phase, **addresses, "parts": parts, "queues": queues})
    else:
        table = Table("part", "pid", "health", "restarts", "waiting", box=None, pad_edge=False)
        for part in parts:
            waiting = queues.get(part["name"].removeprefix("worker-"), "")
            pid = "" if part["pid"] is None else str(part["pid"])
            table.add_row(part["name"], pid, part["health"], str(part["restarts"]), str(waiting))
        output.out().print(table)
    if any(part["health"] not in {"ok", PartPhase.DONE} for part in parts):
        raise typer.Exit(ExitCode.FAILED)


def env() -> None:
    """Print export lines for scripts: eval "$(tuneyard env)"."""
    state = _running()
    exports = {**state.exports, "TUNEYARD_KEY": _home().secrets().api_key}
    for name, value in exports.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def _home() -> Home:
    from shared.stack.control import home_of

    return home_of(get_settings())


def _running() -> StackState:
    home = _home()
    with _errors_explained():
        state = current(home)
    if state is None:
        raise UnreachableError(f"no stack runs in {home.folder}", advice="start one with tuneyard up --detach")
    return state


def _queue_depths(state: StackState) -> dict[str, int | None]:
    """Return how many messages wait in each queue; None where Redis does not say."""
    from redis import Redis
    from redis.exceptions import RedisError

    from shared.contracts import Queue
    from workers.dispatch import queue_key

    names = [queue.value for queue in Queue]
    with Redis.from_url(state.exports["REDIS_URL"], socket_connect_timeout=2, socket_timeout=2) as client:
        try:
            return {name: int(client.llen(queue_key(name))) for name in names}
        except RedisError:
            return dict.fromkeys(names)


@contextmanager
def _errors_explained() -> Iterator[None]:
    try:
        yield
    except TuneyardError as error:
        raise CommandError(error.message, advice=error.advice) from error


_WORDS = {
    PartPhase.READY: "[green]ready[/green]",
    PartPhase.DONE: "[green]done[/green]",
    PartPhase.BACKOFF: "[yellow]ended; it is started again[/yellow]",
}


class _Progress:
    """Prints each change that a person wants to know of, once."""

    def __init__(self) -> None:
        self._seen: dict[str, PartPhase] = {}
        self._phase = Phase.STARTING

    def tell(self, state: StackState) -> None:
        for name, part in state.parts.items():
            if part.phase is not self._seen.get(name) and part.phase in _WORDS:
                end = f" (exit code {part.last_exit}, see logs/{name}.log)" if part.phase is PartPhase.BACKOFF else ""
                output.err().print(f"{name:<18}{_WORDS[part.phase]}{end}")
            self._seen[name] = part.phase

    def tell_and_welcome(self, state: StackState) -> None:
        self.tell(state)
        if state.phase is not self._phase:
            if state.phase is Phase.RUNNING:
                _welcome(state)
                output.err().print("[dim]Ctrl-C stops everything[/dim]")
            elif state.phase is Phase.STOPPING:
                output.err().print("[dim]stopping in order; Ctrl-C again kills what is left[/dim]")
        self._phase = state.phase


def _flower(state: StackState) -> str:
    return f"{state.url}{flower.PATH}/"


def _welcome(state: StackState) -> None:
    home = _home()
    table = Table("", "", box=None, show_header=False, pad_edge=False)
    table.add_row("review site", f"{state.url}/  (sign in with the API key)")
    table.add_row("API", f"{state.url}/v1")
    table.add_row("its documentation", f"{state.url}/docs")
    table.add_row("Flower", f"{_flower(state)}  (behind the same sign-in)")
    if state.key_is_new:
        table.add_row("API key", f"{home.secrets().api_key}  (an administrator's; it is not shown again)")
    output.out().print(table)
