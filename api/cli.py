"""``tuneyard``: the command line. It speaks to the API; only ``up`` and its like touch this machine's own stack.

Modules of commands are imported when they are asked for, so that every command starts quickly.
"""

import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from api.commands import switches
from api.commands.errors import CommandError, ExitCode

# command → (the module that has it, its panel on the help page). A module's `app` is a group of commands.
GROUPS = {
    "jobs": ("api.commands.jobs", "Records"),
    "models": ("api.commands.models", "Records"),
    "datasets": ("api.commands.datasets", "Records"),
    "review": ("api.commands.review", "Records"),
    "keys": ("api.commands.keys", "Records"),
    "llm": ("api.commands.llm", "Records"),
}
SINGLE = {
    "promotions": ("api.commands.records", "Records"),
    "predictions": ("api.commands.records", "Records"),
    "alerts": ("api.commands.records", "Records"),
    "lineage": ("api.commands.lineage", "Records"),
    "up": ("api.commands.stack", "Local stack"),
    "down": ("api.commands.stack", "Local stack"),
    "status": ("api.commands.stack", "Local stack"),
    "env": ("api.commands.stack", "Local stack"),
}


class Commands(TyperGroup):
    """All commands: the pipelines' generated ones first, each built when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  (typer's signature)
        """Return every command's name, in the order of the help page."""
        return [*_pipelines(), *GROUPS, *SINGLE]

    def get_command(self, ctx: Any, cmd_name: str) -> TyperGroup | TyperCommand | None:  # noqa: ARG002
        """Build one command, or return None when there is no such."""
        command: TyperGroup | TyperCommand
        if cmd_name in GROUPS:
            module, panel = GROUPS[cmd_name]
            command = get_group(import_module(module).app)
        elif cmd_name in SINGLE:
            module, panel = SINGLE[cmd_name]
            command = _single(getattr(import_module(module), cmd_name))
        elif cmd_name in _pipelines():
            panel = "Pipelines"
            command = get_group(import_module("api.commands.pipelines").app_of(cmd_name))
        else:
            return None
        command.name, command.rich_help_panel = cmd_name, panel
        return command

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, flags with a word among them (``--live=false``)."""

        def find(args: Sequence[str]) -> Any:
            command: Any = self
            for name in (arg for arg in args if not arg.startswith("-")):
                command = command.get_command(ctx, name)
                if not isinstance(command, TyperGroup):
                    break
            return command

        return super().parse_args(ctx, switches.plain(find, args, _hyphenated))


def _pipelines() -> list[str]:
    from shared.registry import pipelines

    return list(pipelines())


def _single(function: Any) -> TyperCommand:
    alone = typer.Typer(add_completion=False)
    alone.command()(function)
    command = get_command(alone)
    if not isinstance(command, TyperCommand):
        raise TypeError(f"{function} is no single command")
    return command


def _hyphenated(name: str) -> str:
    """Take ``--base_model`` as ``--base-model``: parameters are written so everywhere else."""
    return name.replace("_", "-")


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"token_normalize_func": _hyphenated},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tuneyard {metadata.version('tuneyard')}")
        raise typer.Exit


@app.callback()
def tuneyard(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Turn what people decide into promoted models: submit steps, follow jobs, look into records."""


def main() -> None:
    """Run the command line; every error ends as one line of what and one of what to do."""
    try:
        app(prog_name="tuneyard")
    except CommandError as error:
        _show(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


def _show(error: CommandError) -> None:
    from api.commands.output import print_error

    print_error(error, "error: ")


if __name__ == "__main__":
    main()
