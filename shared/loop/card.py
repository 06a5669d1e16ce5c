"""The model card: what a person should know about a model, as Markdown, from the registry's own record."""

from collections.abc import Sequence
from typing import Any

from shared.contracts import JsonObject, Outcome, Verdict
from shared.db.datasets import DatasetRecord
from shared.models import Model

_MARKS = {Outcome.PASS: "passed", Outcome.FAIL: "failed", Outcome.INSUFFICIENT: "too little evidence"}


def model_card(
    model: Model, dataset: DatasetRecord, *, metrics: JsonObject, verdicts: Sequence[Verdict], promotion: str = ""
) -> str:
    """Write a model's card. ``metrics`` has an entry for each window, as in ``evaluations``.

    ``dataset`` is the one it was evaluated on; ``promotion`` is a sentence on how it became active, if it did.
    """
    sections = [
        f"# {model.pipeline} {model.version}",
        "\n".join(_facts(model, dataset)),
        *(["## Promotion", promotion] if promotion else []),
        "## Held-out figures",
        _figures(metrics),
        "## Verdicts",
        "\n".join(f"- **{v.gate}** ({v.window}), {_MARKS[v.outcome]}: {v.sentence}" for v in verdicts) or "None.",
        "## Parameters",
        _table(("parameter", "value"), list(_flat(model.parameters))),
        "## Libraries",
        _table(("library", "version"), sorted(model.libraries.items())),
    ]
    return "\n\n".join(sections) + "\n"


def _facts(model: Model, dataset: DatasetRecord) -> list[str]:
    splits = ", ".join(f"{count} {split}" for split, count in sorted(dataset.split_counts.items()))
    return [
        f"- Model: `{model.id}`, surface `{model.surface}`",
        f"- Hash: `{model.manifest}`",
        f"- Trained: {model.created_at:%Y-%m-%d %H:%M:%S} UTC by job `{model.job_id}`, on dataset `{model.dataset_id}`",
        f"- Evaluated on dataset `{dataset.id}`: {dataset.row_count} rows ({splits}), split seed {dataset.seed}",
    ]


def _figures(metrics: JsonObject) -> str:
    """Show candidate beside active, one row for each plain figure of each window."""
    lines: list[tuple[str, ...]] = []
    for window, figures in metrics.items():
        active = dict(_flat(figures["active"] or {}))
        lines.append((window, "rows", str(figures["rows"]), ""))
        others = {name: value for name, value in figures["candidate"].items() if name != "rows"}
        lines += [(window, name, value, active.get(name, "")) for name, value in _flat(others)]
    return _table(("window", "figure", "this model", "active model then"), lines)


def _flat(values: JsonObject, prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{key}.")
        elif not _is_table(value):
            found.append((f"{prefix}{key}", _cell(value)))
    return found


def _is_table(value: Any) -> bool:
    """Whether a value is a list of records (a curve, the worst rows): such are in the report, and drawn on pages."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _cell(value: Any) -> str:
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return "None."
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
