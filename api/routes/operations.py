"""What operators and their tools ask: is it alive, is it ready, how is it doing, what does an error mean."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Final, Literal

import anyio
import anyio.to_thread
from fastapi import APIRouter, Path
from starlette.responses import PlainTextResponse, Response

from api.deps import Front, FrontDep
from api.errors import meanings
from api.metrics import MEDIA_TYPE
from api.views import View
from api.wire import json_response
from shared.db import migrate
from shared.errors import NotFoundError, TuneyardError
from workers.dispatch import queue_depths

router = APIRouter(tags=["operations"])

_PATIENCE_S: Final = 3.0


class Alive(View):
    """The process serves."""

    status: Literal["ok"] = "ok"


class PartState(View):
    """Whether a part answers, and if not, what it says."""

    ok: bool
    detail: str = ""


class Readiness(View):
    """Whether all that this front needs answers."""

    status: Literal["ok", "down"]
    parts: dict[str, PartState]


class Meaning(View):
    """What a problem's ``type`` stands for."""

    code: str
    title: str


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> Alive:
    """Answer without asking any other part: restart the process when this fails, and only then."""
    return Alive()


@router.get(
    "/readyz",
    summary="Are all parts there?",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "A part is down: see which."}},
)
async def readyz(front: FrontDep) -> Response:
    """Ask every part. Without Redis or the artifact store the front still takes jobs, which run later."""
    parts: dict[str, PartState] = {}

    async def ask(name: str, check: Callable[[Front], None]) -> None:
        parts[name] = await _ask(front, check)

    async with anyio.create_task_group() as group:
        for name, check in _CHECKS.items():
            group.start_soon(ask, name, check)
    ready = all(part.ok for part in parts.values())
    answer = Readiness(status="ok" if ready else "down", parts={name: parts[name] for name in _CHECKS})
    return json_response(answer, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=PlainTextResponse,
    responses={200: {"description": "Prometheus's text format."}},
)
def metrics(front: FrontDep) -> Response:
    """Count jobs by step and state, the queues' depth and age, durations, and answers by path."""
    return Response(front.metrics.render(), media_type=MEDIA_TYPE)


@router.get("/problems/{code}", summary="What does a problem mean?")
async def explain(code: Annotated[str, Path(pattern=r"^[a-z-]{1,64}$")]) -> Meaning:
    """Explain the `type` of a problem document."""
    title = meanings().get(code)
    if title is None:
        raise NotFoundError(f"there is no description of {code}", advice="its `detail` and `advice` say more")
    return Meaning(code=code, title=title)


async def _ask(front: Front, check: Callable[[Front], None]) -> PartState:
    with anyio.move_on_after(_PATIENCE_S):
        try:
            await anyio.to_thread.run_sync(check, front, abandon_on_cancel=True)
        except TuneyardError as error:
            return PartState(ok=False, detail=error.message)
        return PartState(ok=True)
    return PartState(ok=False, detail=f"no answer within {_PATIENCE_S:.0f} s")


def _postgres(front: Front) -> None:
    with front.database.reading() as conn:
        conn.execute("SELECT 1")


def _migrations(front: Front) -> None:
    with front.database.reading() as conn:
        missing = migrate.pending(conn)
    if missing:
        raise TuneyardError(f"not applied: {', '.join(missing)}")


def _redis(_front: Front) -> None:
    queue_depths()


def _artifacts(front: Front) -> None:
    front.artifacts.check()


_CHECKS: Final[dict[str, Callable[[Front], None]]] = {
    "postgres": _postgres,
    "migrations": _migrations,
    "redis": _redis,
    "artifacts": _artifacts,
}
