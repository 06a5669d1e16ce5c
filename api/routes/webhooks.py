"""What providers send by themselves: a fine-tune has ended. It is a hint, and losing it changes nothing."""

from http import HTTPStatus

import anyio.to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.deps import Front, FrontDep
from shared.db import provider_sweep
from shared.errors import NotFoundError
from shared.llm import webhooks
from workers.dispatch import WakeUp

router = APIRouter(prefix="/v1/webhooks", tags=["llm"])


@router.post("/openai", summary="Take a webhook of the provider", status_code=HTTPStatus.NO_CONTENT)
async def take(request: Request, front: FrontDep) -> Response:
    """Wake the job whose fine-tune has ended. Needs no key but the provider's signature (`OPENAI_WEBHOOK_SECRET`).

    The job asks the provider itself what has become of it. A fine-tune that nobody waits for is answered in the same
    way: whoever asks shall not learn which ones there are.
    """
    secret = front.settings.openai_webhook_secret.get_secret_value()
    if not secret:
        raise NotFoundError("webhooks are not taken here", advice="set OPENAI_WEBHOOK_SECRET; the sweep does without")
    body = await request.body()
    webhooks.verify(body, request.headers, secret)
    if job_id := webhooks.job_of(body):
        await anyio.to_thread.run_sync(_wake, front, job_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _wake(front: Front, provider_job_id: str) -> None:
    with front.database.transaction() as conn:
        woken = provider_sweep.wake_by_provider_job(conn, provider_job_id)
    front.dispatcher.notify([WakeUp(*each) for each in woken])
