"""Follow a job to its end, through the steps of a flow, with no gap when the connection breaks."""

import time
from collections.abc import Mapping
from pathlib import Path

from api.commands import output
from api.commands.client import Api, is_final
from api.commands.errors import CommandError, ExitCode, JobError, exit_code_of_job
from api.commands.files import say_written, write_files
from api.commands.progress import Show, reporter
from shared.contracts import JsonObject
from shared.files import files_of_result

_PATIENCE_SECONDS = 60  # a restarted API or stack is back by then
_PAUSE_SECONDS = 0.5
_MOST_STEPS = 100


def follow(api: Api, job: JsonObject, show: Show) -> JsonObject:
    """Show what happens to a job, and to the steps of a flow, until it ends; return the job.

    A broken stream is taken up again where it stopped. Raises ``UnreachableError`` when the API is away for a minute.
    """
    watch = _Watch(api, job, show)
    heard = time.monotonic()
    while True:
        try:
            goes_on = watch.once()
            if not goes_on and is_final(job := api.job(job["id"])):
                return job
            heard = time.monotonic()
        except CommandError as error:
            away = error.exit_code is ExitCode.UNREACHABLE
            if not away or time.monotonic() - heard > _PATIENCE_SECONDS:
                raise
            goes_on = False
        if not goes_on:  # the API stops, or was away
            time.sleep(_PAUSE_SECONDS)


class _Watch:
    """Watches one job, and remembers what was shown, so that nothing is shown twice."""

    def __init__(self, api: Api, job: JsonObject, show: Show) -> None:
        self._api = api
        self._job = job
        self._show = show
        self._is_flow = self._has_steps = _is_flow(job)
        self._seen = 0
        self._steps_seen: set[str] = set()

    def once(self) -> bool:
        """Show events until the stream ends, or until a flow may have written steps, which are shown to their end.

        Returns whether there is more to come.
        """
        goes_on = self._until_next_step()
        for step in self._steps():
            if step["id"] not in self._steps_seen:
                self._steps_seen.add(step["id"])
                follow(self._api, step, self._show)
        return goes_on

    def _until_next_step(self) -> bool:
        for event in self._api.events(self._job["id"], after=self._seen):
            self._seen = event.seq
            self._show(self._job, event)
            if event.type == "waiting":  # perhaps for a step that it needs first
                self._has_steps = True
                return True
            if self._is_flow and event.type == "progress":
                return True
        return False

    def _steps(self) -> list[JsonObject]:
        """Return the steps that the job has written by now, in order; only flows and jobs that wait may have any."""
        if not self._has_steps:
            return []
        newest_first: list[JsonObject] = self._api.get("/v1/jobs", parent=self._job["id"], limit=_MOST_STEPS)["items"]
        return newest_first[::-1]


def _is_flow(job: Mapping[str, str]) -> bool:
    from shared.registry import steps

    step = steps().get(job["kind"])  # None: the API has a pipeline that this machine does not know
    return step is not None and step.flow is not None


def follow_to_the_end(api: Api, job: JsonObject) -> JsonObject:
    """Follow a job with progress on standard error; Ctrl-C leaves the job running and says how to go on."""
    if is_final(job):
        return job
    try:
        with reporter(output.err()) as show:
            return follow(api, job, show)
    except KeyboardInterrupt as error:
        raise CommandError(
            f"no longer following; {job['id']} goes on",
            advice=f"tuneyard jobs follow {job['id']}   or   tuneyard jobs cancel {job['id']}",
            exit_code=ExitCode.INTERRUPTED,
        ) from error


def show_outcome(job: JsonObject, *, as_json: bool) -> None:
    """Print how a followed job ended; raise ``JobError`` unless it succeeded."""
    if as_json:
        output.print_json(job)
    elif job["state"] == "succeeded":
        result = dict(job["result"] or {})
        if files_of_result(result) is not None:  # they are named when they are written
            del result["files"]
        sentence = {"sentence": result.pop("sentence")} if "sentence" in result else {}  # what one wants to know first
        output.print_object({"job": job["id"], **sentence, **result}, as_json=False)
    if exit_code_of_job(job) is not ExitCode.OK:
        raise JobError(job)


def finish(api: Api, job: JsonObject, *, wait: bool, as_json: bool, folder: Path | None = None) -> None:
    """End a command that submitted a job: follow it, print its outcome and write its files, or just say its id."""
    if wait:
        job = follow_to_the_end(api, job)
        show_outcome(job, as_json=as_json)
        say_written(write_files(api, job, folder), as_json=as_json)
    elif as_json:
        output.print_json(job)
    else:
        output.say(job["id"])
