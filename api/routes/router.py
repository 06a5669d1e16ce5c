"""The router's own paths, as its users know them: ask how hard a query is, and say afterwards what was right."""

from datetime import UTC, datetime
from functools import partial
from typing import Final

import anyio.to_thread
from fastapi import APIRouter
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response

from api.deps import Front
from api.direct import DirectEndpoint, DirectRoute
from api.idempotency import claim_of, once
from api.recorder import Record
from api.security import Principal
from api.wire import json_response
from shared import ids
from shared.contracts import Contract, JsonObject, Path, Scope
from shared.db.predictions import Prediction
from shared.db.queries import Query
from shared.errors import ForbiddenError
from shared.loop.feedback import record_feedback, record_override
from shared.loop.predict import Answered
from shared.pipelines.router import PIPELINE
from shared.pipelines.router.contracts import MAX_QUERY_CHARS, Difficulty, Label

router = APIRouter(prefix="/api", tags=["router"])

_SURFACE: Final = PIPELINE.surfaces[0]


class _Camel(Contract):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class Question(_Camel):
    """A query, and if a person already knows better, the label that they give it."""

    query: str = Field(
        min_length=1, max_length=MAX_QUERY_CHARS, examples=["Prove that the square root of 2 is irrational."]
    )
    override: Label | None = Field(None, description="Ground truth from a person; needs the scope `review`.")


class QuestionAnswer(_Camel):
    """How hard the query is; `UNCERTAIN` when the model is not sure enough, or when there is none."""

    query_id: str = Field(examples=["pred_0192f0c1c2d37e8f9a0b1c2d3e4f5a6b"])
    difficulty: Difficulty
    confidence: float = Field(ge=0, le=1, description="The model's calibrated confidence; 0 on the path `fallback`.")
    model_version: str | None = Field(description="The model that truly answered.", examples=["v20260101_120000"])
    path: Path


class Feedback(_Camel):
    """What a person says a query's difficulty is."""

    query_id: str = Field(min_length=1, max_length=100, examples=["pred_0192f0c1c2d37e8f9a0b1c2d3e4f5a6b"])
    label: Label


class FeedbackStored(_Camel):
    """The label is stored, as an example that the next training will see."""

    query_id: str
    label: Label
    example_id: str = Field(examples=["ex_5f0c3a1b2c3d4e5f60718293a4b5c6d7"])


async def ask(request: Request, question: Question, who: Principal) -> Response:
    """Answer with the active model, through the inference queue; always within the call time-out.

    Below the confidence threshold the difficulty is `UNCERTAIN`. Without an active model, or when no worker answers in
    time, it is `UNCERTAIN` too, on the path `fallback`. What `override` says becomes ground truth.
    """
    if question.override is not None and not who.may(Scope.REVIEW):
        raise ForbiddenError("an override is a label: the API key lacks the scope review", advice="leave out override")
    front: Front = request.app.state.front
    answer = partial(_answer, front, question, who.name)
    return json_response(*await once(front.database, claim_of(request), answer))


async def give_feedback(request: Request, feedback: Feedback, who: Principal) -> Response:
    """Store a person's label of an earlier query. A later word about the same query replaces the one before."""
    front: Front = request.app.state.front
    answer = partial(_store, front, feedback, who.name)
    return json_response(*await once(front.database, claim_of(request), answer))


async def _answer(front: Front, question: Question, actor: str) -> JsonObject:
    answered = await front.caller.call(PIPELINE, _SURFACE, question.query)
    prediction = _prediction(answered)
    query = _query(question, prediction, answered)
    if question.override is None:
        front.recorder.record(Record(prediction, query))
    else:
        await anyio.to_thread.run_sync(_store_override, front, prediction, query, question.override, actor)
        front.recorder.count(prediction)
    return {
        "queryId": prediction.id,
        "difficulty": query.difficulty,
        "confidence": answered.confidence,
        "modelVersion": answered.model_version,
        "path": answered.path,
    }


async def _store(front: Front, feedback: Feedback, actor: str) -> JsonObject:
    await front.recorder.wait_recorded(feedback.query_id)
    example_id = await anyio.to_thread.run_sync(_store_feedback, front, feedback, actor)
    return {"queryId": feedback.query_id, "label": feedback.label, "exampleId": example_id}


def _store_override(front: Front, prediction: Prediction, query: Query, label: Label, actor: str) -> None:
    with front.database.transaction() as conn:
        record_override(conn, prediction, query, label, actor)


def _store_feedback(front: Front, feedback: Feedback, actor: str) -> str:
    with front.database.transaction() as conn:
        return record_feedback(conn, feedback.query_id, feedback.label, actor)


def _prediction(answered: Answered) -> Prediction:
    return Prediction(
        id=ids.new_id(ids.PREDICTION),
        pipeline=PIPELINE.name,
        surface=_SURFACE,
        model_id=answered.model_id,
        path=answered.path.value,
        confidence=answered.confidence,
        output=answered.output,
        created_at=datetime.now(UTC),
    )


def _query(question: Question, prediction: Prediction, answered: Answered) -> Query:
    return Query(
        id=prediction.id,
        query=question.query,
        difficulty=answered.output["difficulty"],
        confidence=answered.confidence,
        model_version=answered.model_version,
        override=question.override,
        created_at=prediction.created_at,
    )


router.add_api_route(
    "/query",
    DirectEndpoint(Question, Scope.SUBMIT, ask, returns=QuestionAnswer),
    methods=["POST"],
    name="ask",
    summary="Ask how hard a query is",
    description=ask.__doc__,
    response_model=QuestionAnswer,
    route_class_override=DirectRoute,
)
router.add_api_route(
    "/feedback",
    DirectEndpoint(Feedback, Scope.REVIEW, give_feedback, returns=FeedbackStored),
    methods=["POST"],
    name="give_feedback",
    summary="Say what was right",
    description=give_feedback.__doc__,
    response_model=FeedbackStored,
    route_class_override=DirectRoute,
)
