"""``python -m api.demo``: starts the stack, walks the loops, prints what came of them, stops everything."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.table import Table

from api.commands import output
from api.commands.client import Api
from api.commands.errors import CommandError, ExitCode
from api.demo.dedup import DedupWalk
from api.demo.dedup_report import dedup_table
from api.demo.gold import GoldWalk
from api.demo.gold_report import gold_table
from api.demo.images import ImagesWalk
from api.demo.images_report import images_table
from api.demo.local_stack import local_stack
from api.demo.router import RouterWalk
from api.demo.router_report import router_table
from api.demo.samples import make_samples
from api.demo.stages import StagesWalk
from api.demo.stages_report import stages_table


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


def run(steps: Steps) -> list[Table]:
    """Start the stack, walk each pipeline's loop, stop the stack; returns what there is to show.

    Raises ``CommandError`` when a step fails.
    """
    with ExitStack() as at_the_end:
        with steps.step("Start the stack: PostgreSQL, Redis, API, workers, sweeps, Beat, Flower"):
            place = at_the_end.enter_context(local_stack(output.out()))
        api = at_the_end.enter_context(Api(place))
        router = RouterWalk(api, output.out(), steps.step).whole_loop(make_samples())
        gold = GoldWalk(api, output.out(), steps.step).whole_loop()
        stages = StagesWalk(api, output.out(), steps.step).whole_loop()
        dedup = DedupWalk(api, output.out(), steps.step).whole_loop()
        images = ImagesWalk(api, output.out(), steps.step).whole_loop()
        with steps.step("Stop the stack"):
            at_the_end.close()
    return [router_table(router), gold_table(gold), stages_table(stages), dedup_table(dedup), images_table(images)]


def main() -> int:
    """Run the demo; returns the exit code, and says which step failed and why."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop in order, as after Ctrl-C
    steps = Steps()
    try:
        tables = run(steps)
    except CommandError as error:
        output.print_error(error, f"the demo failed at “{steps.current}”: ")
        return error.exit_code
    except KeyboardInterrupt:
        output.note(f"stopped at “{steps.current}”")
        return ExitCode.INTERRUPTED
    except Exception:
        output.note(f"the demo failed at “{steps.current}”, and not in a way that was foreseen:")
        raise
    for table in tables:
        output.out().print(table)
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
