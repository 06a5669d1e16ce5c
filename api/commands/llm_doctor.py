"""``tuneyard llm doctor`` and ``resolve``: how fine-tunes stand at the provider, and what a person decides then."""

from collections.abc import Sequence
from typing import Annotated

import typer

from api.commands import flags, output
from api.commands.client import open_api
from api.commands.errors import CommandError, ExitCode
from api.commands.following import finish, follow_to_the_end, show_outcome
from api.commands.output import Column
from shared.contracts import JsonObject

BY_HAND = frozenset({"doctor", "resolve"})
"""Steps whose commands are here, not generated."""

_COLUMNS = (
    Column("run", "run_id"),
    Column("ours", "state"),
    Column("provider's job", "provider_job_id"),
    Column("theirs", "status"),
    Column("base model", "base_model"),
    Column("model", "fine_tuned_model"),
    Column("USD", "cost_usd"),
    Column("created", "created_at"),
)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the group ``llm``."""
    app.command()(doctor)
    app.command()(resolve)


def doctor(
    *,
    job_id: Annotated[
        str | None,
        typer.Option(help="Only this fine-tune: the provider's id (ftjob-…) or ours (pj_…); with its events."),
    ] = None,
    every: Annotated[bool, typer.Option("--list", help="List every fine-tune, not only what was found.")] = False,
    as_json: flags.AsJson = False,
) -> None:
    """Compare what the provider says of fine-tunes with what we think, and say what to do.

    Exits with 1 when something is wrong.
    """
    params: JsonObject = {"list_all": every} | ({"job_id": job_id} if job_id else {})
    with open_api() as api:
        job = follow_to_the_end(api, api.post("/v1/llm/doctor", params))
    if job["state"] != "succeeded":
        show_outcome(job, as_json=as_json)
    elif as_json:
        output.print_json(job["result"])
    else:
        _show(job["result"])
    if not job["result"]["healthy"]:
        raise typer.Exit(ExitCode.FAILED)


def resolve(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run (pj_…), as the alert and the doctor name it.")],
    *,
    adopt: Annotated[
        str | None, typer.Option(metavar="JOB", help="It was started: this is the provider's job (ftjob-…).")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="It was not started: ask for it again.")] = False,
    give_up: Annotated[bool, typer.Option("--give-up", help="End it without a model.")] = False,
    wait: flags.Wait = True,
    as_json: flags.AsJson = False,
) -> None:
    """Decide about a fine-tune of which nobody knows whether the provider has started it."""
    if sum((adopt is not None, retry, give_up)) != 1:
        raise CommandError("say one of --adopt JOB, --retry and --give-up", exit_code=ExitCode.USAGE)
    params: JsonObject = {"run_id": run, "action": "adopt" if adopt else "retry" if retry else "give-up"}
    if adopt:
        params["provider_job_id"] = adopt
    with open_api() as api:
        finish(api, api.post("/v1/llm/resolve", params), wait=wait, as_json=as_json)


def _show(seen: JsonObject) -> None:
    """Print what the doctor saw: whom it asked, what it found, the fine-tunes, and the events of one."""
    account = ", ".join(
        f"{name} {seen[key]}" for name, key in (("organisation", "organization"), ("project", "project")) if seen[key]
    )
    theirs = f"it lists {seen['theirs']:,}{'' if seen['complete'] else ' and more'} ({seen['foreign']:,} not ours)"
    output.say(f"{seen['provider']} at {seen['server']}{f', {account}' if account else ''}")
    if seen["organizations_seen"]:
        output.say(f"its fine-tunes are counted for {', '.join(seen['organizations_seen'])}")
    output.say(f"we know {seen['ours']:,} fine-tunes there; {theirs}")
    for finding in seen["findings"]:
        output.say(f"{finding['level']}: {finding['sentence']} [{finding['kind']}]")
        output.say(f"  → {finding['advice']}")
    if seen["fine_tunes"]:
        output.print_list({"items": seen["fine_tunes"], "next_cursor": None}, _COLUMNS, as_json=False, more="")
    if seen["left_off"]:
        output.note(f"{seen['left_off']:,} older ones are not shown")
    _show_events(seen["events"])
    output.say(seen["sentence"])


def _show_events(events: Sequence[JsonObject]) -> None:
    for event in events:
        output.say(f"{event['at']} {event['level']}: {event['message']}")
