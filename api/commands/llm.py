"""``tuneyard llm``: the provider of fine-tunes and completions, our own trainer, and the check of training files."""

import gzip
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, cast

import typer

from api.commands import flags, llm_doctor, output
from api.commands.client import open_api
from api.commands.errors import CommandError, ExitCode
from api.commands.pipelines import add_steps
from shared.contracts import JsonObject
from shared.llm.policy import llm_policy
from shared.llm.prices import estimate
from shared.llm.training_file import FileReport, validate_file

_GZIP = b"\x1f\x8b"
_SHOWN = 20

app = typer.Typer(
    no_args_is_help=True, help="Fine-tunes at a provider: check files, see what is spent, look after runs."
)


@app.command()
def validate(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The training file: JSON lines, or gzip.")
    ],
    *,
    kind: Annotated[
        Literal["auto", "chat", "preference"], typer.Option(help="What the lines are; auto: as the first one is.")
    ] = "auto",
    base_model: Annotated[
        str, typer.Option(help="The model to be trained, for the estimate of costs.")
    ] = "gpt-4o-mini-2024-07-18",
    provider: Annotated[str, typer.Option(help="Whose prices: openai, local, or a server's host.")] = "openai",
    epochs: Annotated[
        int | None, typer.Option(min=1, max=100, help="Passes over the file, if you choose them.")
    ] = None,
    as_json: flags.AsJson = False,
) -> None:
    """Check a training file line by line, and estimate what it would cost; needs no running stack, sends nothing.

    Exits with 1 when a provider would refuse the file. docs/training-files.md says what each code means.
    """
    try:
        with file.open("rb") as raw:
            report = validate_file(_unpacked(raw), kind)
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}", exit_code=ExitCode.USAGE) from error
    cost = estimate(provider, base_model, tokens=report.tokens, rows=report.rows, epochs=epochs)
    if as_json:
        costs: JsonObject = {
            "provider": provider, "base_model": base_model, "epochs": cost.epochs,
            "trained_tokens": cost.trained_tokens, "usd": cost.usd, "price_known": cost.price_known,
        }  # fmt: skip
        output.print_json({**report.model_dump(mode="json"), "estimate": costs})
    else:
        _show(report)
        if report.ok:
            dear = "" if cost.price_known else f", which no table names: a dear price is taken for {base_model}"
            output.say(
                f"about {cost.trained_tokens:,} tokens in {cost.epochs} epochs: {cost.usd:.2f} USD at {provider} by the"
                f" prices of {llm_policy().prices_as_of:%B %Y}{dear}"
            )
    if not report.ok:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def spend(*, as_json: flags.AsJson = False) -> None:
    """Show what this month has cost, and the limits."""
    with open_api() as api:
        found = api.get("/v1/llm/spend")
    output.print_object(found, as_json=as_json)


def _unpacked(raw: BinaryIO) -> BinaryIO:
    packed = raw.read(len(_GZIP)) == _GZIP
    raw.seek(0)
    return cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw


def _show(report: FileReport) -> None:
    """Print what the check found: the first faults, and how many there are of each code."""
    for found in (*report.faults[:_SHOWN], *report.warnings[:_SHOWN]):
        place = "file" if found.line is None else f"line {found.line}"
        output.say(f"{place}: {found.code}: {found.message}")
    for counts, name in ((report.counts, "faults"), (report.warning_counts, "warnings")):
        if counts:
            output.say(f"{name}: " + ", ".join(f"{code} {count:,}" for code, count in counts.items()))
    verdict = "a provider would take it" if report.ok else "a provider would refuse it"
    output.say(
        f"{report.rows:,} {report.kind} examples, about {report.tokens:,} tokens (the longest {report.longest:,}):"
        f" {verdict}"
    )


add_steps(app, "llm", but=llm_doctor.BY_HAND)
llm_doctor.add_to(app)
