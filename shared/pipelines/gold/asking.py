"""The steps that ask a model about snapshots: ``smoke-test`` (many, unguarded) and ``infer`` (one, guarded)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from psycopg import Connection
from pydantic import AfterValidator, Field

from shared import ids
from shared.contracts import Contract, JsonObject, Path
from shared.db import gold
from shared.errors import InvalidInputError, NotFoundError
from shared.files import ResultFiles, publish_files
from shared.infer import Given, Infer, InferParams, ModelName
from shared.llm.tuned import broken_rules
from shared.pipeline import Done, Run, SplitPolicy
from shared.pipelines.gold import smoke
from shared.pipelines.gold.contracts import example_id, parse_snapshot
from shared.pipelines.gold.model_policy import model_policy
from shared.pipelines.gold.policy import policy
from shared.pipelines.gold.smoke import SmokeCase, SmokeFigures
from shared.splits import split_of

SMOKE_FILE: Final = "smoke_test.json"
FOLDER: Final = "ml_review"
_ANSWER: Final = "ans"


def _checked(raw: JsonObject) -> JsonObject:
    try:
        return parse_snapshot(raw).as_json()
    except InvalidInputError as error:
        raise ValueError(error.message) from None


SnapshotJson = Annotated[JsonObject, AfterValidator(_checked)]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who is asked: the provider's name of the model, and its entry in the registry if it has one."""

    name: str
    registered: gold.TunedModel | None


# --- the smoke test -------------------------------------------------------------------------------------------------


class SmokeTestParams(Contract):
    """Which model to try on which snapshots."""

    model: ModelName | None = Field(
        default=None,
        description="A model's id, version or provider's name, a base model's too. Empty: the one trained last.",
    )
    only: Literal["all", "held-out"] = Field(
        default="all", description="`held-out`: leave out snapshots of groups that may be trained on."
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**63,
        description="Decides which groups are held out. Empty: as in the model's training.",
    )


class SmokeTestResult(Contract):
    """How often the first answers broke rules. ``new_offenders`` were not known before; ``files`` has every failure."""

    model: str
    model_id: str | None
    version: str | None
    sentence: str
    all: SmokeFigures
    held_out: SmokeFigures
    unlabelled: SmokeFigures
    broken: dict[str, int]
    new_offenders: int
    files: ResultFiles


def smoke_test(run: Run, params: SmokeTestParams) -> Done:
    """Ask about held-out snapshots and those that nobody has labelled, and keep the answers that break a rule.

    An attempt that is cut off finds its answers again in the cache. Raises NotFoundError when there is no such model
    or no snapshot, RefusedError for a model of another provider, and what completions raise.
    """
    from shared.pipelines.gold.model import named

    with run.reading() as conn:
        subject = subject_of(conn, params.model, or_latest=True)
        chosen = _chosen(conn, subject, params)
    if not chosen:
        raise NotFoundError("there is no snapshot to try a model on", advice="run gold.reseed first")
    registered = subject.registered
    model = named(subject.name, registered.provider if registered else None, job_id=run.job_id)
    cases: list[SmokeCase] = []
    for start in range(0, len(chosen), model_policy().batch):
        run.report(start / len(chosen), "asking", asked=start, offenders=sum(bool(case.faults) for case in cases))
        batch = chosen[start : start + model_policy().batch]
        firsts = model.first([parse_snapshot(example.snapshot) for example, _ in batch])
        for (example, held_out), first in zip(batch, firsts, strict=True):
            faults = broken_rules(first.faults)
            cases.append(
                SmokeCase(
                    example_id=example.id,
                    held_out=held_out,
                    snapshot=example.snapshot,
                    answer=first.text,
                    faults=faults,
                )
            )
    return _recorded(run, subject, cases)


def _chosen(conn: Connection, subject: Subject, params: SmokeTestParams) -> list[tuple[gold.Example, bool]]:
    """Return the snapshots that the model was not trained on, each with whether its group is held out for good."""
    limit = model_policy().smoke_snapshots
    trained = subject.registered.seed if subject.registered else policy().seed
    split = SplitPolicy(test_share=policy().test_share, seed=trained if params.seed is None else params.seed)
    taught = {example_id(parse_snapshot(negative.snapshot)) for negative in gold.list_negatives(conn, "approved")}
    unlabelled = {example.id for example in gold.latest_examples(conn, limit, undecided=True)} - taught
    marked = [(example, split_of(example.group_key, split) == "test") for example in gold.latest_examples(conn, limit)]
    return [
        (example, held_out)
        for example, held_out in marked
        if held_out or (example.id in unlabelled and params.only == "all")
    ]


def _recorded(run: Run, subject: Subject, cases: Sequence[SmokeCase]) -> Done:
    registered = subject.registered
    model_id, version = (registered.id, registered.version) if registered else (None, None)
    told = smoke.report(
        cases, model=subject.name, model_id=model_id, version=version, job_id=run.job_id,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    answers = [answer_row(run.job_id, subject, case) for case in cases]
    result = SmokeTestResult(
        model=subject.name,
        model_id=model_id,
        version=version,
        sentence=f"{told.all.offenders} of {told.all.rows} first answers broke a rule, "
        f"{told.held_out.offenders} of the {told.held_out.rows} to held-out snapshots.",
        all=told.all,
        held_out=told.held_out,
        unlabelled=told.unlabelled,
        broken=told.broken,
        new_offenders=0,
        files=publish_files(run.artifacts, {SMOKE_FILE: smoke.as_bytes(told)}, folder=FOLDER),
    )

    def record(conn: Connection) -> SmokeTestResult:
        gold.put_answers(conn, answers)
        new = gold.put_offenders(conn, [offender_of(answer) for answer in answers if answer.faults])
        return result.model_copy(update={"new_offenders": new})

    return Done(result=result, record=record)


def answer_row(job_id: str, subject: Subject, case: SmokeCase) -> gold.AnswerRow:
    """Return a smoke answer as it is logged; the same job gives it the same id again."""
    return gold.AnswerRow(
        id=ids.content_id(_ANSWER, job_id, case.example_id),
        source="smoke",
        prediction_id=None,
        example_id=case.example_id,
        snapshot=case.snapshot,
        model_id=subject.registered.id if subject.registered else None,
        model=subject.name,
        first_text=case.answer,
        faults=[fault.model_dump() for fault in case.faults],
        answer=smoke.object_of(case.answer),
        path=Path.MODEL.value,
        job_id=job_id,
    )


def offender_of(answer: gold.AnswerRow) -> gold.Offender:
    """Return an answer that broke a rule as an offender: one for each snapshot and text."""
    snapshot = parse_snapshot(answer.snapshot)
    return gold.Offender(
        id=ids.content_id("off", snapshot.canonical(), answer.first_text),
        answer_id=answer.id,
        source=answer.source,
        example_id=answer.example_id,
        snapshot=answer.snapshot,
        rejected=answer.first_text,
        faults=answer.faults,
        model_id=answer.model_id,
        prediction_id=answer.prediction_id,
    )


# --- one answer -----------------------------------------------------------------------------------------------------


_EXAMPLE: Final[JsonObject] = {
    "window": {"from": "2026-01-01", "to": "2026-03-31"},
    "signals": {"quotes": {"waiting": {"count": 9, "value_band": "20k-50k", "over_14_days": 4}}},
}


class SnapshotParams(InferParams):
    """What to decide about, and which model to ask."""

    snapshot: SnapshotJson = Field(
        description="The snapshot: `window` and `signals`, as gold.export-drafts has them.",
        examples=[
            {
                "window": {"from": "2026-01-19", "to": "2026-02-15"},
                "signals": {"quotes": {"sent": {"count": 41, "value_band": "50k-100k"}, "won_band": "under-25"}},
            }
        ],
        json_schema_extra={"option": "json"},
    )


def keep_answer(conn: Connection, given: Given) -> None:
    """Log an answer that was given: what it broke at first may become an offender."""
    answer = gold.AnswerRow(
        id=given.prediction_id,
        source="production",
        prediction_id=given.prediction_id,
        example_id=example_id(given.value),
        snapshot=given.input,
        model_id=given.model_id,
        model=given.model,
        first_text=given.first_text,
        faults=list(given.faults),
        answer=given.output,
        path=given.path.value,
        job_id=given.job_id,
    )
    gold.put_answers(conn, [answer])


INFER: Final = Infer(
    summary="Answer one snapshot with one decision and one boundary, through the guardrail.",
    params=SnapshotParams,
    input_of=lambda params: dict(params.snapshot),
    keep=keep_answer,
)


# --- who is asked ---------------------------------------------------------------------------------------------------


def subject_of(conn: Connection, name: str | None, *, or_latest: bool = False) -> Subject:
    """Return the model that a name means. A name that the registry does not know is the provider's own.

    Raises NotFoundError for an unknown id, and without a name when there is no model at all.
    """
    registered = gold.find_model(conn, name) if name else gold.latest_model(conn) if or_latest else None
    if registered:
        return Subject(name=registered.provider_model, registered=registered)
    if name is None or ids.prefix_of(name) == ids.MODEL:
        what = f"there is no model {name} of gold" if name else "gold has no model yet"
        raise NotFoundError(what, advice="run gold.finetune --live first, or name a model of the provider")
    return Subject(name=name, registered=None)
