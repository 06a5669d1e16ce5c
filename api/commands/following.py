"""Follow a job to its end, through the steps of a flow, with no gap when the connection breaks."""

import time
from collections.abc import Mapping

from api.commands import output
from api.commands.client import Api, is_final
from api.commands.errors import CommandError, ExitCode, JobError, exit_code_of_job
from api.commands.progress import Show, reporter
from shared.contracts import JsonObject

_PATIENCE_SECONDS = 60  # a restarted API or stack is back by then
_PAUSE_SECONDS = 0.5


def follow(api: Api, job: JsonObject, show: Show) -> JsonObject:
    """Show what happens to a job, and to the steps of a flow, until it ends; return the job.

    A broken stream is taken up again where it stopped. Raises ``UnreachableError`` when the API is away for a minute.
    """
    seen, heard = 0, time.monotonic()
    while True:
        try:
            seen, broke_off = _watch(api, job, show, seen)
            heard = time.monotonic()
            job = api.job(job["id"])
            if is_final(job):
                return job
            for step in _open_steps(api, job):
                follow(api, step, show)
        except CommandError as error:
            away = error.exit_code is ExitCode.UNREACHABLE
            if not away or time.monotonic() - heard > _PATIENCE_SECONDS:
                raise
            broke_off = True
        if broke_off:
            time.sleep(_PAUSE_SECONDS)


def _watch(api: Api, job: JsonObject, show: Show, seen: int) -> tuple[int, bool]:
    """Show events until the stream ends, or until a flow may have written its next step.

    Returns the last sequence number shown, and whether the stream ended by itself.
    """
    for event in api.events(job["id"], after=seen):
        seen = event.seq
        show(job, event)
        if event.type in {"waiting", "progress"} and _is_flow(job):
            return seen, False
    return seen, True


def _open_steps(api: Api, job: JsonObject) -> list[JsonObject]:
    if not _is_flow(job):
        return []
    newest: list[JsonObject] = api.get("/v1/jobs", parent=job["id"], limit=1)["items"]
    return [step for step in newest if not is_final(step)]


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
        output.print_object({"job": job["id"], **(job["result"] or {})}, as_json=False)
    if exit_code_of_job(job) is not ExitCode.OK:
        raise JobError(job)


def finish(api: Api, job: JsonObject, *, wait: bool, as_json: bool) -> None:
    """End a command that submitted a job: follow it and print its outcome, or just say its id."""
    if wait:
        show_outcome(follow_to_the_end(api, job), as_json=as_json)
    elif as_json:
        output.print_json(job)
    else:
        output.out().print(job["id"], markup=False)
