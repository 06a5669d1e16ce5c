"""The step ``infer``: one input, answered through the guardrail by whoever answers now, and recorded.

For pipelines whose models are asked at a provider. The model may be named; else it is the active one, a canary, or the
fallback where there is none or the surface is pinned to it (``loop/serving.py``).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from shared import ids, models
from shared.contracts import Contract, JsonObject, Path
from shared.db import canaries, predictions, tuned
from shared.db.canaries import Pair
from shared.db.predictions import Prediction
from shared.errors import NotFoundError
from shared.infer import Given, Infer
from shared.llm.guardrail import Guarded
from shared.llm.tuned import BrokenRule, TunedModel, broken_rules
from shared.loop.answers import Answered
from shared.loop.loading import load_model
from shared.loop.serving import Choice, choose, compare, key_of
from shared.models import Model
from shared.pipeline import Done, FineTune, Loaded, Pipeline, Run, Step


class InferResult(Contract):
    """A guarded answer. ``broken`` is what the first answer broke; ``reason`` says why the fallback answered.

    ``canary_id`` is the canary to whose share the input belongs, whoever of the two gave the answer.
    """

    prediction_id: str
    surface: str
    answer: JsonObject
    path: Path
    confidence: float
    model: str | None
    model_id: str | None
    version: str | None
    calls: int
    broken: tuple[BrokenRule, ...]
    reason: str
    canary_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """Who is asked: the provider's name of the model, and its entry in the registry if it has one."""

    name: str
    registered: Model | None
    model: TunedModel[Any, Any]


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What one of those who were asked said. ``subject`` None: nobody was asked."""

    subject: _Subject | None
    found: Guarded[Any]
    answered: Answered


def infer_step(pipeline: Pipeline[Any, Any], how: Infer) -> Step[Any]:
    """Return a pipeline's step ``infer``."""
    return Step(
        pipeline=pipeline.name,
        name="infer",
        summary=how.summary,
        queue=pipeline.predict_queue,
        params=how.params,
        run=lambda run, params: infer(pipeline, how, run, params),
    )


def infer(pipeline: Pipeline[Any, Any], how: Infer, run: Run, params: Any) -> Done:
    """Answer one input through the guardrail; without a model, or one that keeps the rules, the fallback answers.

    Raises InvalidInputError for what breaks the contract, NotFoundError for an unknown model, and RefusedError for a
    model of another provider.
    """
    raw = how.input_of(params)
    value = pipeline.parse_input(raw)
    surface, key = how.surface_of(value), key_of(raw)
    choice, subject = _chosen(pipeline, run, surface, key, params.model)
    said = _ask(pipeline, run, subject, value, "pinned" if choice and choice.pinned else "no-model")
    pair: Pair | None = None
    if choice and choice.canary:
        others = _ask(pipeline, run, _registered(pipeline, run, choice.active), value, "no-model")
        pair = compare(choice.canary.id, key, said.answered, others.answered)
        said = others if said.found.path is Path.FALLBACK else said
    result = _result(run, surface, said, pair.canary_id if pair else None)
    prediction = Prediction(
        id=result.prediction_id, pipeline=pipeline.name, surface=surface, model_id=result.model_id,
        path=result.path.value, confidence=result.confidence, output=result.answer, created_at=datetime.now(UTC),
    )  # fmt: skip
    given = _given(run, value, raw, said, result)

    def record(conn: Connection) -> None:
        predictions.insert(conn, [prediction])
        if pair:
            canaries.insert_pairs(conn, [pair])
        if how.keep:
            how.keep(conn, given)

    return Done(result=result, record=record)


# --- who is asked ---------------------------------------------------------------------------------------------------


def _chosen(
    pipeline: Pipeline[Any, Any], run: Run, surface: str, key: str, name: str | None
) -> tuple[Choice | None, _Subject | None]:
    """Return who answers, and how it was chosen (None: by name)."""
    with run.reading() as conn:
        if name is None:
            choice = choose(conn, pipeline.name, surface, key)
            named = None
        else:
            choice, named = None, _named(conn, pipeline, surface, name)
    if name is None:
        return choice, _registered(pipeline, run, choice.model if choice else None)
    return None, _registered(pipeline, run, named) if named else _unregistered(pipeline, name)


def _named(conn: Connection, pipeline: Pipeline[Any, Any], surface: str, name: str) -> Model | None:
    """Return the registered model that a name means; None: the name is the provider's own. Raises NotFoundError."""
    found = tuned.find(conn, pipeline.name, surface, name)
    if found is None and ids.prefix_of(name) == ids.MODEL:
        raise NotFoundError(
            f"there is no model {name} of {pipeline.name}, surface {surface}",
            advice=f"run {pipeline.name}.finetune --live first, or name a model of the provider",
        )
    return models.get(conn, found.id) if found else None


def _registered(pipeline: Pipeline[Any, Any], run: Run, model: Model | None) -> _Subject | None:
    if model is None:
        return None
    loaded = _tuned(pipeline, load_model(pipeline, run, model))
    return _Subject(name=loaded.name, registered=model, model=loaded)


def _unregistered(pipeline: Pipeline[Any, Any], name: str) -> _Subject:
    recipe = pipeline.train
    if not isinstance(recipe, FineTune) or recipe.model is None:
        raise TypeError(f"{pipeline.name} does not say how a provider's model is asked")
    return _Subject(name=name, registered=None, model=_tuned(pipeline, recipe.model(name)))


def _tuned(pipeline: Pipeline[Any, Any], loaded: Loaded[Any, Any]) -> TunedModel[Any, Any]:
    if not isinstance(loaded, TunedModel):
        raise TypeError(f"{pipeline.name} has models that no provider answers for")
    return loaded


# --- what is said ---------------------------------------------------------------------------------------------------


def _ask(pipeline: Pipeline[Any, Any], run: Run, subject: _Subject | None, value: Any, why_not: str) -> _Said:
    if subject is None:
        answer = pipeline.fallback(value)
        found: Guarded[Any] = Guarded(output=answer.output, path=Path.FALLBACK, reason=why_not)
    else:
        found = subject.model.ask(value, job_id=run.job_id)
        answer = subject.model.as_answer(found)
    registered = subject.registered if subject and found.path is not Path.FALLBACK else None
    answered = Answered(
        output=pipeline.dump_output(answer.output),
        confidence=answer.confidence,
        path=found.path,
        model_id=registered.id if registered else None,
        model_version=registered.version if registered else None,
    )
    return _Said(subject=subject, found=found, answered=answered)


def _result(run: Run, surface: str, said: _Said, canary_id: str | None) -> InferResult:
    by_model = said.subject if said.found.path is not Path.FALLBACK else None
    return InferResult(
        prediction_id=ids.PREDICTION + run.job_id.removeprefix(ids.JOB),  # an attempt made again is the same answer
        surface=surface,
        answer=said.answered.output,
        path=said.found.path,
        confidence=said.answered.confidence,
        model=by_model.name if by_model else None,
        model_id=said.answered.model_id,
        version=said.answered.model_version,
        calls=said.found.calls,
        broken=broken_rules(said.found.first_faults),
        reason=said.found.reason,
        canary_id=canary_id,
    )


def _given(run: Run, value: Any, raw: JsonObject, said: _Said, result: InferResult) -> Given:
    asked = said.subject
    return Given(
        prediction_id=result.prediction_id,
        job_id=run.job_id,
        value=value,
        input=raw,
        output=result.answer,
        path=result.path,
        model=asked.name if asked else "",
        model_id=asked.registered.id if asked and asked.registered else None,
        first_text=said.found.first_text or "",
        faults=[fault.model_dump() for fault in result.broken],
    )
