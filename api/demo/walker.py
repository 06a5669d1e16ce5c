"""What every walk of the demo does: announce a step, submit it through the public API, follow its job to the end."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from rich.console import Console

from api.commands.client import Api, path_of
from api.commands.errors import JobError
from api.commands.following import follow
from api.commands.progress import reporter
from shared.contracts import JsonObject

Announce = Callable[[str], AbstractContextManager[None]]
"""Opens a named step of the demo; an error inside it ends the demo with that name."""


class Walker:
    """Walks the loop of one pipeline; every step is announced and its jobs are shown."""

    pipeline: str

    def __init__(self, api: Api, console: Console, announce: Announce) -> None:
        self.api = api
        self.announce = announce
        self._console = console

    def run(self, step: str, **params: object) -> JsonObject:
        """Submit a step and follow it. Returns its job; raises ``JobError`` unless it succeeds."""
        return self.finish(self.api.post(path_of(self.pipeline, step), params))

    def finish(self, job: JsonObject) -> JsonObject:
        """Follow a job with its progress shown. Raises ``JobError`` unless it succeeds."""
        with reporter(self._console) as show:
            job = follow(self.api, job, show)
        if job["state"] != "succeeded":
            raise JobError(job)
        return job
