"""Whether anything may be merged without a person: only where held-out pairs have shown that such merges are right."""

from psycopg import Connection

from shared.contracts import JsonObject, Outcome, Verdict
from shared.db import dedup
from shared.errors import RefusedError
from shared.pipelines.dedup.figures import at
from shared.pipelines.dedup.policy import policy
from shared.pipelines.dedup.thresholds import thresholds

GATE = "auto_merge"
_WINDOW = "all"


def require_auto(conn: Connection) -> None:
    """Raise RefusedError (``auto-refused``), with why, unless merging without a person is justified."""
    verdict = auto_verdict(conn)
    if verdict.outcome is not Outcome.PASS:
        raise RefusedError(
            f"mode auto is refused: {verdict.sentence}",
            code="auto-refused",
            advice="use mode assist, which asks a person; decide more clusters and fine-tune again, or apply a"
            " threshold that dedup.propose-thresholds names",
        )


def auto_verdict(conn: Connection) -> Verdict:
    """Judge the active model at the threshold that counts now, by its latest evaluation."""
    who, threshold = dedup.answerer(conn), thresholds(conn).auto_merge
    if who is None:
        return _verdict(Outcome.INSUFFICIENT, "No model is active, and a similarity alone merges nothing.", {})
    window = who.metrics.get(_WINDOW) or {}
    return judge(window.get("candidate") or {}, threshold, f"{who.version}")


def judge(figures: JsonObject, threshold: float, who: str = "The model") -> Verdict:
    """Judge a model's figures on held-out pairs at a threshold of confidence."""
    least = policy().auto.min_precision_lower_bound
    point = at(figures.get("curve") or [], threshold)
    if point is None:
        return _verdict(Outcome.INSUFFICIENT, f"{who} has not been evaluated at {threshold:.2f}.", {})
    found = {"threshold": threshold, "merges": point["merges"], "precision": point["precision"], "low": point["low"]}
    if not point["merges"]:
        sentence = f"{who} merges none of {figures.get('rows', 0)} held-out pairs with a confidence of {threshold:.2f}."
        return _verdict(Outcome.INSUFFICIENT, sentence, found)
    enough = point["low"] >= least
    said = (
        f"{who} was right in {point['right']} of {point['merges']} held-out merges with a confidence of "
        f"{threshold:.2f} or more: its precision may be as low as {point['low']:.1%}, and {least:.1%} is asked for."
    )
    return _verdict(Outcome.PASS if enough else Outcome.FAIL, said, found)


def _verdict(outcome: Outcome, sentence: str, figures: JsonObject) -> Verdict:
    least = policy().auto.min_precision_lower_bound
    return Verdict(gate=GATE, outcome=outcome, sentence=sentence, figures={**figures, "least": least})
