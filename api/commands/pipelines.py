"""Commands that are generated: one group for each pipeline, one command for each of its steps.

A step's parameters become options (``options.py``), so the command line always fits the API. What a pipeline has
besides its steps (a generator of sample data, a question to its model) is in a module of its own, ``EXTRAS``.
"""

import inspect
from collections.abc import Callable, Collection
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from api.commands import files, flags, options
from api.commands.client import open_api, path_of
from api.commands.following import finish
from api.commands.uploads import import_command
from shared.pipeline import Step

EXTRAS = {"router": "api.commands.router", "gold": "api.commands.gold"}

_COMMON = {
    "wait": (True, flags.Wait),
    "as_json": (False, flags.AsJson),
    "idempotency_key": (None, flags.IdempotencyKey),
    "folder": (None, flags.Folder),
}
"""What every generated command has besides its step's parameters: defaults and options."""


def app_of(name: str) -> typer.Typer:
    """Build the group of a pipeline."""
    from shared.registry import get_pipeline

    app = typer.Typer(no_args_is_help=True, help=get_pipeline(name).summary)
    add_steps(app, name)
    if name in EXTRAS:
        import_module(EXTRAS[name]).add_to(app)
    return app


def add_steps(app: typer.Typer, pipeline: str, *, but: Collection[str] = ()) -> None:
    """Add a command for each step of a pipeline, save those whose commands are written by hand."""
    from shared.loop.importing import takes_body
    from shared.registry import steps

    for step in steps().values():
        if step.pipeline == pipeline and step.name not in but:
            command = import_command(step) if takes_body(step) else command_of(step)
            app.command(step.name.replace("_", "-"), help=step.summary)(command)


def command_of(step: Step[Any]) -> Callable[..., None]:
    """Build the command that submits a step, shows its progress and prints its result."""
    uploads = files.upload_names(step.params)

    def run(*, wait: bool, as_json: bool, idempotency_key: str | None, folder: Path | None, **given: Any) -> None:
        given = files.names_as_text(step.params, given)
        sent = [name for name in uploads if not isinstance(given[name], str)]
        files.require_files(step.params, given)
        params = options.parse(step.params, files.unsent(given, sent))
        with open_api() as api:
            if sent:
                params = options.parse(step.params, files.send_uploads(api, given, sent))
            job = api.post(path_of(step.pipeline, step.name), params, idempotency_key=idempotency_key)
            finish(api, job, wait=wait, as_json=as_json, folder=folder)

    parameters = [*options.options_of(step.params), *_common(step)]
    # typer reads the signature, which is the one of this step and not of the function above
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _common(step: Step[Any]) -> list[inspect.Parameter]:
    taken = {options.flag_of(name, field) for name, field in step.params.model_fields.items()}
    chosen = _COMMON | ({"as_json": (False, flags.AsJsonToo)} if "json" in taken else {})
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (default, annotation) in chosen.items()
    ]
