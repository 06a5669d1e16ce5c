"""``tuneyard jobs``: what runs, what ran, and why it failed."""

from typing import Annotated

import typer

from api.commands import flags, output
from api.commands.client import open_api, path_of
from api.commands.files import say_written, write_files
from api.commands.following import follow_to_the_end, show_outcome
from api.commands.output import Column
from shared.contracts import JobState, JsonObject, Queue

app = typer.Typer(no_args_is_help=True, help="Jobs: list, show, follow, cancel, retry, write their files.")

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, as job_…")]


def _progress(job: JsonObject) -> str:
    progress = job["progress"]
    return f"{progress['fraction']:.0%} {progress['message']}".strip()


COLUMNS = (
    Column("job", "id"),
    Column("step", "kind"),
    Column("state", "state"),
    Column("attempt", "attempt"),
    Column("progress", _progress),
    Column("by", "actor"),
    Column("created", "created_at"),
    Column("error", lambda job: (job["error"] or {}).get("message")),
)


@app.command("list")
def list_jobs(
    *,
    state: Annotated[JobState | None, typer.Option(help="Only in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this step, as router.train.")] = None,
    pipeline: flags.Pipeline = None,
    queue: Annotated[Queue | None, typer.Option(help="Only of this queue.")] = None,
    parent: Annotated[str | None, typer.Option(help="Only the steps of this flow.")] = None,
    limit: flags.Limit = 20,
    cursor: flags.Cursor = None,
    as_json: flags.AsJson = False,
) -> None:
    """List jobs, newest first."""
    query = {
        "state": state and state.value, "kind": kind, "pipeline": pipeline, "queue": queue and queue.value,
        "parent": parent, "limit": limit, "cursor": cursor,
    }  # fmt: skip
    with open_api() as api:
        page = api.get("/v1/jobs", **query)
    output.print_list(page, COLUMNS, as_json=as_json, more="--cursor")


@app.command()
def show(job: JobId, *, as_json: flags.AsJson = False) -> None:
    """Show a job: its parameters, where it stands, its result or its error."""
    with open_api() as api:
        found = api.job(job)
    output.print_object(found, as_json=as_json)


@app.command()
def follow(job: JobId, *, as_json: flags.AsJson = False) -> None:
    """Follow a job to its end; exits as the job's own command would."""
    with open_api() as api:
        show_outcome(follow_to_the_end(api, api.job(job)), as_json=as_json)


@app.command()
def cancel(job: JobId, *, as_json: flags.AsJson = False) -> None:
    """Cancel a job: at once if it waits, at its next report if it runs."""
    with open_api() as api:
        _say(api.post(path_of("jobs", job, "cancel")), as_json=as_json)


@app.command()
def retry(job: JobId, *, as_json: flags.AsJson = False) -> None:
    """Queue a failed or cancelled job again, with all its attempts before it."""
    with open_api() as api:
        _say(api.post(path_of("jobs", job, "retry")), as_json=as_json)


@app.command()
def files(job: JobId, *, folder: flags.Folder = None, as_json: flags.AsJson = False) -> None:
    """Write the files that a job has made into a folder."""
    with open_api() as api:
        found = api.get(path_of("jobs", job, "files"))
        say_written(write_files(api, api.job(job), folder), as_json=as_json)
    if as_json:
        output.print_json(found)


def _say(job: JsonObject, *, as_json: bool) -> None:
    if as_json:
        output.print_json(job)
        return
    asked = " (cancel asked for)" if job["cancel_requested"] and job["state"] == "running" else ""
    output.say(f"{job['id']} is {job['state']}{asked}")
