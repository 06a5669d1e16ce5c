"""Whether a model may become active: what is known about it, and what stands against it. Decided purely.

A person may waive a minimum of rows, with a reason; an evaluation that failed is never waived.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from shared.artifacts import ArtifactStore
from shared.contracts import Outcome, Verdict
from shared.datasets import open_dataset
from shared.db import evaluations, sunsets
from shared.db.datasets import DatasetRecord
from shared.db.evaluations import Evaluation
from shared.errors import InvalidInputError
from shared.gates import minimum_rows
from shared.llm.sunset import ending_now
from shared.loop.evaluate import summary_of
from shared.models import Model
from shared.pipeline import Pipeline

MIN_ROWS = "min_rows"
ACTIVE_ALREADY = "it is active already."


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model with its evidence. ``eligibility`` is about the dataset that it was trained on, the rest about it.

    ``reports`` are what else was found out about it, whenever somebody asked (``Pipeline.reports``).
    """

    model: Model
    evaluation: Evaluation
    eligibility: tuple[Verdict, ...]
    reports: tuple[Verdict, ...] = ()
    force: bool = False

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All that was asked."""
        return (*self.evaluation.verdicts, *self.eligibility, *self.reports)

    @property
    def waived(self) -> tuple[Verdict, ...]:
        """What a person sets aside: only minimums of rows, and not all evidence."""
        if not self.force or not self.evaluated_rows:
            return ()
        return tuple(verdict for verdict in self.verdicts if verdict.short_of_rows)

    @property
    def evaluated_rows(self) -> int:
        """On how many held-out rows the evaluation rests: those of its widest window."""
        return max((int(figures["rows"]) for figures in self.evaluation.metrics.values()), default=0)


def against(case: Case, active: Model | None, sunset: str) -> str:
    """Say what stands against making a model active; empty: nothing. ``sunset`` is what was not accepted."""
    return (
        (ACTIVE_ALREADY if active and active.id == case.model.id else "")
        or _evaluated_badly(case)
        or _evaluated_elsewhere(case, active)
        or _failed(case, case.eligibility, "its dataset is not fit for promotion. ")
        or _failed(case, case.reports)
        or (f"{sunset}. With accept_sunset it would be." if sunset else "")
    )


def _evaluated_badly(case: Case) -> str:
    if not case.evaluated_rows:
        return f"no held-out row was evaluated. Label more, freeze it, and run {case.model.pipeline}.evaluate again."
    verdicts = case.evaluation.verdicts
    return _failed(case, verdicts) if verdicts else summary_of(verdicts)


def _evaluated_elsewhere(case: Case, active: Model | None) -> str:
    if not is_current(case.evaluation, active):
        again = f"Run {case.model.pipeline}.promote again, without an evaluation_id: it evaluates first."
        return f"it was not compared with the model that is active now. {again}"
    if active and active.manifest == case.model.manifest:
        return f"it is byte for byte the active model {active.version}: nothing new was learned."
    return ""


def is_current(evaluation: Evaluation, active: Model | None) -> bool:
    """Whether an evaluation compared its model with the one that is active now."""
    return evaluation.active_id == (active.id if active else None)


def _failed(case: Case, verdicts: Sequence[Verdict], what: str = "") -> str:
    """Sum up what is neither passed nor waived, and say if force would help."""
    left = [v for v in verdicts if v.outcome is not Outcome.PASS and v not in case.waived]
    if not left:
        return ""
    hint = " With --force and a reason it would be." if all(v.short_of_rows for v in left) else ""
    return what + summary_of(left) + hint


def eligibility_of(
    pipeline: Pipeline[Any, Any], store: ArtifactStore, surface: str, trained_on: DatasetRecord
) -> tuple[Verdict, ...]:
    """Ask whether the dataset that a model was trained on is fit for promotion: enough rows, and the pipeline's own."""
    enough = minimum_rows(MIN_ROWS, trained_on.row_count, pipeline.min_samples, what="labelled rows in the dataset")
    if pipeline.eligible is None:
        return (enough,)
    return (enough, *pipeline.eligible(surface, open_dataset(store, trained_on.manifest).rows()))


def reports_on(conn: Connection, pipeline: Pipeline[Any, Any], model: Model) -> tuple[Verdict, ...]:
    """Ask the pipeline what else was found out about a model."""
    return tuple(pipeline.reports(conn, model.surface, model.id)) if pipeline.reports else ()


def evaluation_of(conn: Connection, model: Model, evaluation_id: str | None = None) -> Evaluation | None:
    """Return one evaluation of a model, or its latest, if any.

    Raises NotFoundError, or InvalidInputError when the evaluation is another model's.
    """
    if evaluation_id is None:
        latest = evaluations.of_model(conn, model.id, limit=1)
        return latest[0] if latest else None
    evaluation = evaluations.get(conn, evaluation_id)
    if evaluation.model_id != model.id:
        raise InvalidInputError(f"evaluation {evaluation_id} is of another model, {evaluation.model_id}")
    return evaluation


def sunset_of(conn: Connection, model: Model) -> str:
    """Say that the provider ends the model behind this one soon, or has; empty when it does not."""
    sunset = ending_now(conn, model.parameters)
    return sunset.sentence(sunsets.today(conn)) if sunset else ""


def with_sunset(reason: str, sunset: str) -> str:
    """Return the reason for a change, with what was accepted knowingly."""
    return f"{reason} Accepted although {sunset}." if sunset else reason
