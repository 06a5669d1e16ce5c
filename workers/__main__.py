"""Starts one worker, or beat: ``python -m workers db|gpu|finetune|inference|sweeps|beat``.

One command for each part, the same in the embedded stack and in docker-compose.yml.
"""

import os
import sys
from typing import Any, Final

from celery import Celery
from celery.signals import beat_init, worker_ready

from shared.contracts import Queue
from shared.logs import configure_logs
from shared.settings import get_settings

# The pool of each queue. solo: the task runs in the worker's own process, 2.5 times the short tasks a second of a
# prefork parent and its child; but it answers no remote control meanwhile, and knows no time limits. So: prefork for
# what may take long.
_FLAGS: Final[dict[Queue, list[str]]] = {
    Queue.DB: ["--pool=prefork", "--concurrency=1"],
    # One job at a time on the card; a new child for each gives all its memory back.
    Queue.GPU: ["--pool=prefork", "--concurrency=1", "--max-tasks-per-child=1"],
    Queue.FINETUNE: ["--pool=prefork", "--concurrency=2"],
    Queue.INFERENCE: ["--pool=solo"],
    Queue.SWEEPS: ["--pool=solo"],
}
_CONFIGURATION: Final[dict[Queue, dict[str, Any]]] = {
    # CUDA cannot be used in a process that was forked after it was touched.
    Queue.GPU: {"worker_pool_start_method": "spawn"},
}


def _tell_ready(**_signal: Any) -> None:
    if ready_file := get_settings().ready_file:
        ready_file.touch()


def _serve(app: Celery, queue: Queue) -> None:
    app.conf.update(_CONFIGURATION.get(queue, {}))
    name = f"{queue.value}@%h.{os.getpid()}"  # any number of workers of a queue on one host
    log_level = f"--loglevel={get_settings().log_level}"
    app.worker_main(
        ["worker", f"--queues={queue.value}", f"--hostname={name}", log_level, "--without-mingle", *_FLAGS[queue]]
    )


def main(arguments: list[str]) -> None:
    """Run the part that the first argument names, until SIGTERM or SIGINT."""
    parts = [*(q.value for q in Queue), "beat"]
    if len(arguments) != 1 or arguments[0] not in parts:
        raise SystemExit(f"usage: python -m workers {'|'.join(parts)}")
    # Threads of one computation that wait for each other in a loop take the cores from whoever they wait for: on a busy
    # machine a training step took 20 times as long. Read when the libraries load, so before anything else.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    settings = get_settings()
    configure_logs(settings)
    settings.broker()
    settings.dsn()
    from workers.app import app

    worker_ready.connect(_tell_ready)
    beat_init.connect(_tell_ready)
    if arguments[0] == "beat":
        app.Beat(loglevel=settings.log_level, quiet=True).run()
    else:
        _serve(app, Queue(arguments[0]))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:  # a setting is missing or wrong
        raise SystemExit(str(error)) from None
