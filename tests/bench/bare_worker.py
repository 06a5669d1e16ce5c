"""The worker of a queue with two bare Celery tasks beside ours: what the product is measured against."""

import sys
import time

from workers.app import app
from workers.dispatch import broker


def _noop(job_id: str) -> None:
    """Do nothing, as Celery alone does it."""


def _reply(key: str) -> None:
    """Tell when the task ran."""
    broker().set(key, time.time(), ex=60)


noop = app.task(_noop, name="bare.noop")
reply = app.task(_reply, name="bare.reply")

if __name__ == "__main__":
    from workers.__main__ import main

    main(sys.argv[1:])
