"""``python -m api.demo``: starts the stack, walks the loop, prints one table, stops everything."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from api.commands import output
from api.commands.client import Api
from api.commands.errors import CommandError, ExitCode
from api.demo.local_stack import local_stack
from api.demo.report import table_of
from api.demo.samples import make_samples
from api.demo.walk import Findings, Walk


class Steps:
    """Announces each step, and remembers the one under way so that a failure can name it."""

    def __init__(self) -> None:
        self.current = "Begin"
        self._number = 0
        self._start = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step and run it."""
        self._number += 1
        self.current = title
        spent = time.monotonic() - self._start
        output.out().print(f"[dim]{spent:5.1f} s[/dim]  [bold]{self._number}. {title}[/bold]")
        yield


def run(steps: Steps) -> Findings:
    """Start the stack, walk the loop, stop the stack. Raises ``CommandError`` when a step fails."""
    with ExitStack() as at_the_end:
        with steps.step("Start the stack: PostgreSQL, Redis, API, workers, sweeps, Beat, Flower"):
            place = at_the_end.enter_context(local_stack(output.out()))
        api = at_the_end.enter_context(Api(place))
        found = Walk(api, output.out(), steps.step).whole_loop(make_samples())
        with steps.step("Stop the stack"):
            at_the_end.close()
    return found


def main() -> int:
    """Run the demo; returns the exit code, and says which step failed and why."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop in order, as after Ctrl-C
    steps = Steps()
    try:
        found = run(steps)
    except CommandError as error:
        output.print_error(error, f"the demo failed at “{steps.current}”: ")
        return error.exit_code
    except KeyboardInterrupt:
        output.note(f"stopped at “{steps.current}”")
        return ExitCode.INTERRUPTED
    except Exception:
        output.note(f"the demo failed at “{steps.current}”, and not in a way that was foreseen:")
        raise
    output.out().print(table_of(found))
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
