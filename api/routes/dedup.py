"""Questions to dedup about texts: one pair, one statement. A text goes in as an upload: no job shows it."""

import anyio.to_thread
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.deps import Front, FrontDep, Submits
from api.security import Principal
from api.steps import ACCEPTED, submit_step
from shared.contracts import Contract
from shared.files import upload_manifest, uploads_of
from shared.ids import canonical_json
from shared.pipelines.dedup.pair import Statement
from shared.registry import get_step

router = APIRouter(prefix="/v1/dedup", tags=["dedup"])


class PairQuestion(Contract):
    """Two statements, in whichever order."""

    a: Statement = Field(examples=["Teams ship faster when reviews are small."])
    b: Statement = Field(examples=["Small reviews let teams ship faster."])
    similarity: float | None = Field(
        default=None, ge=-1, le=1, description="The cosine of their vectors. Empty: it is computed."
    )


class StatementQuestion(Contract):
    """A statement that may be there already."""

    statement: Statement = Field(examples=["Teams ship faster when reviews are small."])


@router.post("/predict-pair", name="dedup.predict-pair", summary="Ask whether two statements are one", **ACCEPTED)
async def predict_pair(body: PairQuestion, request: Request, who: Submits, front: FrontDep) -> Response:
    """Submit `dedup.predict` for one pair: with `Prefer: wait=N` its result has the prediction."""
    return await _ask(request, who, "predict", {"pairs": await _sent(front, body)})


@router.post(
    "/check-statement", name="dedup.check-statement", summary="Ask whether a statement is there already", **ACCEPTED
)
async def check_statement(body: StatementQuestion, request: Request, who: Submits, front: FrontDep) -> Response:
    """Submit `dedup.check` for one statement: with `Prefer: wait=N` its result says which insight says the same."""
    return await _ask(request, who, "check", {"statements": await _sent(front, body)})


async def _ask(request: Request, who: Principal, name: str, params: dict[str, str]) -> Response:
    step = get_step(f"dedup.{name}")
    return await submit_step(request, step, step.params.model_validate(params), who)


async def _sent(front: Front, body: Contract) -> str:
    content = canonical_json(body.model_dump(mode="json", exclude_none=True))
    return await anyio.to_thread.run_sync(_stored, front, content)


def _stored(front: Front, content: bytes) -> str:
    uploads = uploads_of(front.artifacts)
    return uploads.publish(upload_manifest(uploads.put(content)))
