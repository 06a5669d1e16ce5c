"""What ``tuneyard gold`` has besides its steps: sample reports, and a person to fill in drafts, for a demo."""

from pathlib import Path
from typing import Annotated

import typer

from api.commands import output
from api.commands.errors import CommandError, ExitCode


def add_to(app: typer.Typer) -> None:
    """Add these commands to the pipeline's group."""
    app.command("make-sample")(make_sample)


def make_sample(
    folder: Annotated[
        Path | None, typer.Argument(file_okay=False, help="Where to write quotes.csv, invoices.csv and jobs.csv.")
    ] = None,
    *,
    answer: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Fill in this drafts.json as a person would, for a demo."),
    ] = None,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="With --answer: of so many of the drafts.")] = 1.0,
    weeks: Annotated[int, typer.Option(min=8, max=520, help="How many weeks the reports cover.")] = 112,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 42,
) -> None:
    """Write plausible Jobber reports to try gold with, or answer its drafts; needs no running stack."""
    if folder is None and answer is None:
        raise CommandError(
            "give a folder to write to, or --answer with a drafts.json", advice="--help says more",
            exit_code=ExitCode.USAGE,
        )  # fmt: skip
    if folder is not None:
        from shared.pipelines.gold.sample import write_reports

        rows = write_reports(folder, weeks=weeks, seed=seed)
        output.say(f"wrote {', '.join(f'{count:,} {name}' for name, count in rows.items())} to {folder}")
    if answer is not None:
        from shared.pipelines.gold.sample_expert import answer_file

        output.say(f"{answer_file(answer, seed=seed, share=share):,} drafts in {answer} have an answer")
