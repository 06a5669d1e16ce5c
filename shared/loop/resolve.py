"""The step ``llm.resolve``: what a person decides about a fine-tune of which nobody knows whether it was started.

The provider is asked first, so that a mistaken decision pays for nothing twice; what is written then is
``shared/llm/resolving.py``.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal

from psycopg import Connection
from pydantic import Field, model_validator

from shared.contracts import Contract, Queue, Scope
from shared.db import provider_jobs
from shared.db.provider_jobs import ProviderJob
from shared.errors import ConflictError, InvalidInputError, RefusedError, UnavailableError
from shared.llm import budget, resolving, runs
from shared.llm.connection import provider_of
from shared.llm.fine_tunes import CANCELLED, FAILED, FineTunes, RemoteJob
from shared.llm.openai_fine_tunes import OpenAIFineTunes
from shared.llm.policy import llm_policy
from shared.llm.wanted import server_of
from shared.loop.doctor import AnyJobId
from shared.pipeline import Done, Run, Step
from shared.settings import get_settings

RunId = Annotated[str, Field(pattern=r"^pj_[0-9a-f]{32}$")]

_NOT_BILLED: Final = frozenset({FAILED, CANCELLED})


class ResolveParams(Contract):
    """Which run, and what shall become of it."""

    run_id: RunId = Field(description="The run (pj_…), as the alert and the doctor name it.")
    action: Literal["adopt", "retry", "give-up"] = Field(
        description="It was started as `provider_job_id`; it was not, so start it; or end it without a model.",
        examples=["retry"],
    )
    provider_job_id: AnyJobId | None = Field(default=None, description="The provider's job, to adopt.")

    @model_validator(mode="after")
    def _names_what_it_adopts(self) -> "ResolveParams":
        if (self.action == "adopt") != (self.provider_job_id is not None):
            raise ValueError("provider_job_id goes with the action adopt, and with no other")
        return self


class ResolveResult(Contract):
    """What became of the run."""

    run_id: str
    state: str
    provider_job_id: str | None
    sentence: str


def resolve_step() -> Step[ResolveParams]:
    """Return the step ``llm.resolve``."""
    return Step(
        pipeline="llm",
        name="resolve",
        summary="Decide about a fine-tune of which nobody knows whether the provider has started it.",
        queue=Queue.FINETUNE,
        params=ResolveParams,
        run=resolve,
        scope=Scope.ADMIN,
        unique_key=lambda params: f"llm.resolve:{params.run_id}",
    )


def resolve(run: Run, params: ResolveParams) -> Done:
    """Ask the provider once more, then do what was decided; the job that waits is woken by it.

    Raises ConflictError when there is nothing to decide or the provider shows something else, NotFoundError,
    InvalidInputError, UnavailableError, RefusedError.
    """
    provider = provider_of(get_settings())
    with run.reading() as conn:
        doubted = provider_jobs.get(conn, params.run_id)
    if doubted.state == "succeeded":
        raise ConflictError(
            f"{doubted.id} has succeeded: there is nothing to decide",
            advice=f"its model is {doubted.fine_tuned_model}; asking for the same fine-tune again takes it, unpaid",
        )
    if doubted.server != server_of(provider):
        raise ConflictError(
            f"{doubted.id} is at {doubted.server}, which is not the present provider",
            advice="set OPENAI_BASE_URL (and the key) to that server first",
        )
    with OpenAIFineTunes(provider, timeout=llm_policy().life_cycle.request_timeout) as remote:
        if params.provider_job_id:
            decide = _adopt(doubted, remote.retrieve(params.provider_job_id))
        elif params.action == "retry":
            decide = _retry(doubted, remote.find(doubted.id, doubted.file_id))
        else:
            decide = _give_up(doubted, remote, run.actor)

    def record(conn: Connection) -> ResolveResult:
        sentence = decide(conn)
        after = provider_jobs.get(conn, doubted.id)
        return ResolveResult(
            run_id=after.id, state=after.state, provider_job_id=after.provider_job_id, sentence=sentence
        )

    undecided = ResolveResult(run_id=doubted.id, state=doubted.state, provider_job_id=None, sentence="")
    return Done(result=undecided, record=record)


Decision = Callable[[Connection], str]
"""Writes what was decided, and says it."""


def _adopt(run: ProviderJob, job: RemoteJob) -> Decision:
    if job.run_id not in (None, run.id):
        raise InvalidInputError(
            f"{job.id} belongs to another run, {job.run_id}", advice="see tuneyard llm doctor --list"
        )

    def write(conn: Connection) -> str:
        adopted, _ = resolving.adopt(conn, run.id, job.id)
        runs.note(conn, adopted, job)
        return f"{run.id} goes on with {job.id}, which is {job.status}."

    return write


def _retry(run: ProviderJob, found: Sequence[RemoteJob]) -> Decision:
    if alive := [job.id for job in found if job.status not in _NOT_BILLED]:
        raise ConflictError(
            f"the provider has {', '.join(alive)} for {run.id}: it must not be paid for twice",
            advice=f"tuneyard llm resolve {run.id} --adopt {alive[0]}",
        )

    def write(conn: Connection) -> str:
        resolving.allow_create(conn, run.id)
        return f"{run.id} is asked for again."

    return write


def _give_up(run: ProviderJob, remote: FineTunes, actor: str) -> Decision:
    """End a run without a model. What the provider has of it under way is cancelled.

    If that cannot be seen to, the estimated cost stays counted: it may be billed.
    """
    settled = not run.is_open or _cancel_all(run, remote)

    def write(conn: Connection) -> str:
        if settled:
            resolving.give_up(conn, run.id, actor)
            return f"{run.id} is given up; the provider has nothing of it under way."
        budget.settle(conn, run.id, run.estimated_usd)
        resolving.give_up(conn, run.id, actor)
        return (
            f"{run.id} is given up, but {run.provider} did not answer, or a job of it had ended: its estimated cost"
            " stays counted. Look on the provider's page for what is billed."
        )

    return write


def _cancel_all(run: ProviderJob, remote: FineTunes) -> bool:
    """Cancel whatever the provider has of a run; returns whether nothing is left that is billed."""
    try:
        found = {job.id: job for job in remote.find(run.id, run.file_id)}
        if run.provider_job_id and run.provider_job_id not in found:
            found[run.provider_job_id] = remote.retrieve(run.provider_job_id)
        for job in found.values():
            if job.status not in _NOT_BILLED:
                remote.cancel(job.id)
    except (RefusedError, UnavailableError):
        return False
    return True
