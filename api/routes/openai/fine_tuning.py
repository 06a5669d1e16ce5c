"""``/openai/v1/fine_tuning/jobs``: fine-tuning on our own queue. Each is a Tuneyard job, ``llm.train-local``.

Whatever holds for a job holds for it: it is in the ledger before the answer, it is rescued when its worker dies, it can
be cancelled and followed at ``/v1/jobs`` too.
"""

import re
from typing import Annotated, Final

from annotated_types import Ge, Le
from fastapi import APIRouter, Depends, Query
from psycopg import Connection
from starlette.requests import Request

from api.deps import Submits
from api.routes.openai import PREFIX
from api.routes.openai.errors import invalid, model_not_found
from api.routes.openai.requests import CreateFineTune
from api.routes.openai.views import (
    CheckpointPage,
    CheckpointView,
    EventView,
    FineTuneView,
    ListedPage,
    seconds,
)
from api.transaction import Work, in_transaction, reading
from shared import ids, jobs
from shared.db import events, fine_tunes, openai_files
from shared.db import jobs as job_rows
from shared.db.fine_tunes import FineTuneRow
from shared.jobs import Job
from shared.llm.engines import base_models
from shared.loop.local_finetune import TrainLocalParams, train_local

router = APIRouter(prefix=f"{PREFIX}/fine_tuning/jobs", tags=["openai"], include_in_schema=False)

_DEFAULT_SEED: Final = 0  # OpenAI draws one; the same file and parameters shall give the same model here
_METADATA: Final = re.compile(r"metadata\[([^\]]{1,64})\]")
_EVENT: Final = re.compile(r"ftevent-([0-9]{1,18})")

_After = Annotated[str | None, Query(max_length=64)]
_Limit = Annotated[int, Ge(1), Le(100)]


def _metadata_of(request: Request) -> dict[str, str] | None:
    """Return the pairs that are asked for, none for all jobs; None when jobs without metadata are asked for."""
    if request.query_params.get("metadata") == "null":
        return None
    return {found[1]: value for key, value in request.query_params.items() if (found := _METADATA.fullmatch(key))}


@router.post("", name="openai.fine_tuning.create")
@in_transaction
def create_job(work: Work, asked: CreateFineTune, who: Submits) -> FineTuneView:
    """Write the fine-tune and its job. Its files are checked by the job, as with OpenAI: see the job's ``error``."""
    _require_trainable(asked.model)
    _require_file(work.conn, asked.training_file, "training_file")
    if asked.validation_file:
        _require_file(work.conn, asked.validation_file, "validation_file")
    fine_tune_id = ids.new_dashed_id(ids.FINE_TUNE)
    new = jobs.new_job(train_local, TrainLocalParams(fine_tune_id=fine_tune_id), actor=who.name)
    jobs.submit(work.conn, [new])
    fine_tunes.insert(
        work.conn, fine_tune_id=fine_tune_id, job_id=new.id, actor=who.name, base_model=asked.model,
        method=asked.method_type, training_file=asked.training_file, validation_file=asked.validation_file,
        suffix=asked.suffix, seed=_DEFAULT_SEED if asked.seed is None else asked.seed,
        hyperparameters=asked.asked(), metadata=asked.metadata,
    )  # fmt: skip
    work.wake([jobs.get(work.conn, new.id)])
    return FineTuneView.of(fine_tunes.get(work.conn, fine_tune_id))


@router.get("", name="openai.fine_tuning.list")
@reading
def list_jobs(
    conn: Connection,
    *,
    _who: Submits,
    wanted: Annotated[dict[str, str] | None, Depends(_metadata_of)],
    after: _After = None,
    limit: _Limit = 20,
) -> ListedPage[FineTuneView]:
    """Show fine-tuning jobs, newest first; ``metadata[k]=v`` chooses, ``metadata=null`` asks for those without any."""
    rows = fine_tunes.list_fine_tunes(conn, metadata=wanted, no_metadata=wanted is None, after=after, limit=limit + 1)
    return ListedPage.of([FineTuneView.of(row) for row in rows], limit)


@router.get("/{fine_tune_id}", name="openai.fine_tuning.show")
@reading
def show_job(conn: Connection, fine_tune_id: str, _who: Submits) -> FineTuneView:
    """Show a fine-tuning job."""
    return FineTuneView.of(fine_tunes.get(conn, fine_tune_id))


@router.post("/{fine_tune_id}/cancel", name="openai.fine_tuning.cancel")
@in_transaction
def cancel_job(work: Work, fine_tune_id: str, who: Submits) -> FineTuneView:
    """Cancel: at once while it waits; a running one stops at its next step, which its status will show."""
    row, _ = _open_job(work.conn, fine_tune_id, "cancelled")
    jobs.cancel(work.conn, row.job_id, who.name)
    return FineTuneView.of(fine_tunes.get(work.conn, fine_tune_id))


@router.post("/{fine_tune_id}/pause", name="openai.fine_tuning.pause")
@in_transaction
def pause_job(work: Work, fine_tune_id: str, who: Submits) -> FineTuneView:
    """Let it rest: its status is ``queued`` then, for OpenAI's list has no other word. Training begins anew later."""
    row, job = _open_job(work.conn, fine_tune_id, "paused")
    if not row.paused:
        fine_tunes.set_paused(work.conn, fine_tune_id, paused=True)
        _tell(work.conn, job, f"paused by {who.name}")
    return FineTuneView.of(fine_tunes.get(work.conn, fine_tune_id))


@router.post("/{fine_tune_id}/resume", name="openai.fine_tuning.resume")
@in_transaction
def resume_job(work: Work, fine_tune_id: str, who: Submits) -> FineTuneView:
    """Go on after a pause."""
    row, job = _open_job(work.conn, fine_tune_id, "resumed")
    if row.paused:
        fine_tunes.set_paused(work.conn, fine_tune_id, paused=False)
        _tell(work.conn, job, f"resumed by {who.name}")
        if woken := job_rows.wake(work.conn, row.job_id):
            work.wake([woken])
    return FineTuneView.of(fine_tunes.get(work.conn, fine_tune_id))


@router.get("/{fine_tune_id}/events", name="openai.fine_tuning.events")
@reading
def list_events(
    conn: Connection, fine_tune_id: str, *, _who: Submits, after: _After = None, limit: _Limit = 20
) -> ListedPage[EventView]:
    """Show what happened to it, the latest first."""
    row = fine_tunes.get(conn, fine_tune_id)
    found = fine_tunes.events(conn, row.job_id, before_seq=_seq(after), limit=limit + 1)
    return ListedPage.of([EventView.of(event) for event in found], limit)


@router.get("/{fine_tune_id}/checkpoints", name="openai.fine_tuning.checkpoints")
@reading
def list_checkpoints(
    conn: Connection, fine_tune_id: str, *, _who: Submits, after: _After = None, limit: _Limit = 10
) -> CheckpointPage:
    """Show its checkpoints: the engines here leave one, the finished model at its last step."""
    found = [] if after else _checkpoints(fine_tunes.get(conn, fine_tune_id))
    page = CheckpointPage.of(found, limit)
    if not found:
        return page
    return page.model_copy(update={"first_id": found[0].id, "last_id": found[-1].id})


# --- parts ----------------------------------------------------------------------------------------------------------


def _require_trainable(name: str) -> None:
    trainable = [model.name for model in base_models() if model.kind == "chat"]
    if name not in trainable:
        raise model_not_found(name, known=", ".join(trainable))


def _require_file(conn: Connection, file_id: str, param: str) -> None:
    file = openai_files.find(conn, file_id)
    if file is None:
        raise invalid(f"there is no file {file_id}", param=param, code="file-not-found", advice="upload it first")
    if file.purpose != "fine-tune":
        raise invalid(f"the file {file_id} was not uploaded with the purpose fine-tune", param=param)


def _open_job(conn: Connection, fine_tune_id: str, verb: str) -> tuple[FineTuneRow, Job]:
    """Lock a fine-tune's job. Raises NotFoundError, or InvalidInputError when it has ended."""
    row = fine_tunes.get(conn, fine_tune_id)
    job = jobs.lock(conn, row.job_id)
    if job.is_final:
        raise invalid(f"the job {fine_tune_id} has already {job.state}: it cannot be {verb}", code="job-ended")
    return fine_tunes.get(conn, fine_tune_id), job


def _tell(conn: Connection, job: Job, text: str) -> None:
    events.add(conn, job.id, job.attempt, type_="progress", message=text, data={"fraction": job.progress})


def _seq(after: str | None) -> int | None:
    if after is None:
        return None
    found = _EVENT.fullmatch(after)
    if not found:
        raise invalid("there is no such event", param="after")
    return int(found[1])


def _checkpoints(row: FineTuneRow) -> list[CheckpointView]:
    if row.fine_tuned_model is None or row.final_metrics is None or row.finished_at is None:
        return []
    return [
        CheckpointView(
            id=row.id.replace(ids.FINE_TUNE, "ftckpt", 1),
            created_at=seconds(row.finished_at),
            fine_tuned_model_checkpoint=row.fine_tuned_model,
            fine_tuning_job_id=row.id,
            metrics=row.final_metrics,
            step_number=int(row.final_metrics["step"]),
        )
    ]
