"""What a candidate must pass: it agrees with people, no less than the active model, and breaks rules seldom enough."""

from collections.abc import Sequence
from typing import Final

from shared.contracts import JsonObject, Outcome, Verdict
from shared.gates import no_regression
from shared.pipeline import Comparison
from shared.pipelines.gold.model_policy import model_policy

AGREEMENT: Final = "agreement"
OFFENDERS: Final = "offenders"
FEWER_OFFENDERS: Final = "fewer_offenders"


def gates(comparisons: Sequence[Comparison]) -> Sequence[Verdict]:
    """Return three verdicts for each window: agreement with people, no regression of it, and offenders."""
    return [
        verdict
        for comparison in comparisons
        for verdict in (
            _agrees(comparison),
            no_regression(comparison, model_policy().gate),
            _breaks_rules_seldom(comparison),
        )
    ]


def _agrees(comparison: Comparison) -> Verdict:
    """Ask for some agreement with enough conclusions of people, whether or not a model is active."""
    rules = model_policy()
    rows, reached = len(comparison.candidate.per_row), comparison.candidate.metrics.get("agreement")
    if rows < rules.gate.min_rows or reached is None:
        outcome = Outcome.INSUFFICIENT
        sentence = (
            f"Only {rows} held-out conclusions of people: at least {rules.gate.min_rows} are needed to judge a model. "
            "What rules filled in does not count."
        )
    else:
        outcome = Outcome.PASS if reached >= rules.min_agreement else Outcome.FAIL
        least = "and" if outcome is Outcome.PASS else "but"
        sentence = (
            f"Its first answers agree with {rows} held-out conclusions of people by {reached:.2f}, {least} "
            f"{rules.min_agreement:.2f} is asked for."
        )
    figures = {"rows": rows, "agreement": reached, "least": rules.min_agreement}
    return Verdict(gate=AGREEMENT, window=comparison.window, outcome=outcome, sentence=sentence, figures=figures)


def _breaks_rules_seldom(comparison: Comparison) -> Verdict:
    """Ask for few offenders among the held-out rows, and for no more than the active model has."""
    most = model_policy().max_offender_rate
    candidate, active = comparison.candidate.metrics, comparison.active.metrics if comparison.active else None
    mine, theirs = candidate.get("offender_rate"), active.get("offender_rate") if active else None
    figures = {"rows": candidate.get("judged_rows"), "candidate": mine, "active": theirs, "most": most}
    if mine is None:
        outcome, sentence = Outcome.INSUFFICIENT, "No held-out row shows whether it breaks rules."
    elif mine > most:
        outcome = Outcome.FAIL
        sentence = f"{_said(candidate)} broke a rule, more than the {most:.0%} that are let through."
    elif theirs is not None and mine > theirs:
        outcome, sentence = Outcome.FAIL, f"{_said(candidate)} broke a rule, and {theirs:.1%} of the active model's."
    else:
        outcome = Outcome.PASS
        than = "" if theirs is None else f" (the active model's: {theirs:.1%})"
        sentence = f"{_said(candidate)} broke a rule{than}."
    return Verdict(gate=OFFENDERS, window=comparison.window, outcome=outcome, sentence=sentence, figures=figures)


def _said(metrics: JsonObject) -> str:
    return (
        f"{metrics['offenders']} of {metrics['judged_rows']} first answers to held-out snapshots "
        f"({metrics['offender_rate']:.1%})"
    )


def fewer_offenders(candidate: tuple[int, int], active: tuple[int, int] | None) -> Verdict:
    """Ask that a model trained with negatives breaks rules less often than the active one, on the same snapshots.

    Each is (offenders, snapshots) of a smoke test on all held-out snapshots, labelled or not. Where the active model
    breaks none, none is what is asked for.
    """
    mine = candidate[0] / candidate[1] if candidate[1] else None
    theirs = active[0] / active[1] if active and active[1] else None
    figures = {"rows": candidate[1], "candidate": mine, "active": theirs}
    if mine is None:
        outcome, sentence = Outcome.INSUFFICIENT, "There is no held-out snapshot to try it on."
    elif theirs is None:
        outcome, sentence = Outcome.PASS, f"It breaks rules on {mine:.1%} of held-out snapshots; no model is active."
    else:
        outcome = Outcome.PASS if mine < theirs or mine == theirs == 0 else Outcome.FAIL
        verb = "less often than" if mine < theirs else "as seldom as" if mine == theirs == 0 else "no less often than"
        sentence = (
            f"On {candidate[1]} held-out snapshots its first answers break rules {verb} the active model's: {mine:.1%} "
            f"against {theirs:.1%}."
        )
    return Verdict(gate=FEWER_OFFENDERS, outcome=outcome, sentence=sentence, figures=figures)
