"""The demo's table of the router: what was frozen, how the models did, what the gates said, what was answered."""

from collections.abc import Callable, Sequence
from functools import partial

from rich.table import Table
from rich.text import Text

from api.commands.output import STATE_STYLES, figure
from api.demo.router import Findings, Round

_WINDOWS = {"all": "all held-out rows", "recent": "last 30 days"}
_METRICS = {"accuracy": "accuracy", "macro_f1": "macro F1"}


def router_table(found: Findings) -> Table:
    """Build the table; one column for each retraining."""
    table = Table(title="The router: one walk around the loop", title_justify="left", show_lines=False)
    table.add_column("", style="bold", no_wrap=True)
    for number, _ in enumerate(found.rounds, start=1):
        table.add_column(f"retraining {number}", ratio=1)
    _learning_rows(table, found.rounds)
    table.add_section()
    for title, text in _serving_rows(found):
        table.add_row(title, *[""] * (len(found.rounds) - 1), text)
    return table


def _learning_rows(table: Table, rounds: Sequence[Round]) -> None:
    def row(title: str, value: Callable[[Round], str | Text]) -> None:
        table.add_row(title, *(value(each) for each in rounds))

    row("rows frozen", _rows_frozen)
    for metric, title in _METRICS.items():
        for window, where in _WINDOWS.items():
            row(f"{title}, {where}", partial(_scores, window=window, metric=metric))
    row("verdicts", _verdicts)
    row("promotion", _promotion)


def _rows_frozen(each: Round) -> str:
    splits = ", ".join(f"{name} {count:,}" for name, count in each.dataset["split_counts"].items())
    return f"{each.dataset['row_count']:,} ({splits})"


def _scores(each: Round, *, window: str, metric: str) -> str:
    scores = each.model["metrics"][window]
    active = (scores["active"] or {}).get(metric)
    against = "no active model" if active is None else f"active {figure(active)}"
    return f"candidate {figure(scores['candidate'].get(metric))}, {against} ({scores['rows']:,} rows)"


def _verdicts(each: Round) -> Text:
    lines = Text()
    for verdict in each.result["verdicts"]:
        outcome = verdict["outcome"]
        lines.append(f"{verdict['gate']}, {_WINDOWS.get(verdict['window'], verdict['window'])}: ")
        lines.append(outcome, style=STATE_STYLES.get(outcome, ""))
        lines.append(f": {verdict['sentence']}\n")
    lines.rstrip()
    return lines


def _promotion(each: Round) -> str:
    version = each.model["version"]
    return f"{version} promoted" if each.result["promoted"] else f"{version} not promoted: {each.result['sentence']}"


def _serving_rows(found: Findings) -> list[tuple[str, str]]:
    answered = found.answered
    reached = found.reached_after
    serving = f", answering {reached.total_seconds():.1f} s after its promotion" if reached else ""
    paths = ", ".join(f"{count:,} by {path}" for path, count in answered.paths.most_common())
    return [
        ("active model", f"{found.active['version']}{serving}"),
        ("predictions answered", f"{len(answered.answers):,} ({paths})"),
        ("time of an answer", f"p50 {answered.percentile(50):.1f} ms, p99 {answered.percentile(99):.1f} ms"),
        ("feedback stored", f"{found.feedbacks:,}"),
    ]
