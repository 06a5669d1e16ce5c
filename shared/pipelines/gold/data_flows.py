"""Gold's flows over its data: freeze and name, approve and freeze, and the whole way back after a reset.

What follows what is decided purely; the steps themselves are in ``data_steps.py`` and ``freezing.py``.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from pydantic import Field

from shared.contracts import Contract, JsonObject, Queue, Scope
from shared.errors import RefusedError
from shared.files import ResultFiles, Upload
from shared.pipeline import Done, Next, Step, StepDone
from shared.pipelines.gold.contracts import NAME
from shared.pipelines.gold.freezing import Kind, NamedFreeze, NameFreezeParams, name_freeze


class FreezeSetParams(Contract):
    """How to freeze."""

    seed: int | None = Field(
        default=None, ge=0, lt=2**63, description="Decides which groups are held out. Empty: the pipeline's own seed."
    )


class _FreezeParams(Contract):
    """The parameters of the loop's step ``freeze``."""

    surface: str = "default"
    seed: int | None = None


def _freezing(kind: Kind) -> Callable[[FreezeSetParams, Sequence[StepDone]], Next | Done]:
    """Return the flow: freeze the approved examples, then name the set."""

    def flow(params: FreezeSetParams, done: Sequence[StepDone]) -> Next | Done:
        results = [step.result for step in done]
        match results:
            case []:
                return Next(kind=f"{NAME}.freeze", params=_FreezeParams(seed=params.seed))
            case [frozen]:
                name = NameFreezeParams(kind=kind, dataset_id=frozen["dataset_id"], manifest=frozen["manifest"])
                return Next(kind=f"{NAME}.name-freeze", params=name)
            case _:
                return Done(result=NamedFreeze.model_validate(results[-1]))

    return flow


class FinalizeParams(FreezeSetParams):
    """What to approve before freezing."""

    include_machine: bool = Field(default=False, description="Drafts that rules wrote too; they stay marked `machine`.")


class FinalizeResult(Contract):
    """What was approved just now, and the training set."""

    approved: dict[str, int]
    freeze: NamedFreeze


def finalize(params: FinalizeParams, done: Sequence[StepDone]) -> Next | Done:
    """Approve, freeze and check. Raises RefusedError when the frozen ids do not match the examples."""
    results = [step.result for step in done]
    match results:
        case []:
            return Next(kind=f"{NAME}.approve", params=_ApproveParams(include_machine=params.include_machine))
        case [_]:
            return Next(kind=f"{NAME}.freeze-train", params=FreezeSetParams(seed=params.seed))
        case _:
            freeze = NamedFreeze.model_validate(results[1])
            _require_match(freeze)
            return Done(result=FinalizeResult(approved=results[0]["approved"], freeze=freeze))


class _ApproveParams(Contract):
    include_machine: bool = False


def _require_match(freeze: NamedFreeze) -> None:
    if not freeze.matched:
        raise RefusedError(
            f"the ids of {freeze.name} do not match ml.examples: {freeze.missing} are no examples, {freeze.altered} do"
            f" not derive from their snapshot, {freeze.left_out} approved examples are left out",
            advice="run gold.rebuild-train while nobody imports or reseeds",
            name=freeze.name,
        )


class RebuildParams(FreezeSetParams):
    """The reports, and what people had decided before the reset."""

    quotes: Upload | None = Field(default=None, description="The quotes report.")
    invoices: Upload | None = Field(default=None, description="The invoices report.")
    jobs: Upload | None = Field(default=None, description="The jobs report.")
    drafts: Upload | None = Field(
        default=None, description="A `drafts.json` of before: its decisions come back, for ids derive from content."
    )
    include_machine: bool = Field(default=True, description="Approve what rules drafted for undecided examples too.")


class RebuildResult(Contract):
    """The whole way back after a reset: what there is, and the proof that the training set's ids match the examples."""

    examples: int
    new: int
    known: int
    removed: int
    imported: int
    autofilled: int
    approved: dict[str, int]
    freeze: NamedFreeze
    sentence: str
    files: ResultFiles


def rebuild(params: RebuildParams, done: Sequence[StepDone]) -> Next | Done:
    """Decide what follows: reseed, export, import if there is something to import, autofill, finalize."""
    plan = _plan(params)
    if len(done) < len(plan):
        return plan[len(done)]
    results = {step.kind.removeprefix(f"{NAME}."): step.result for step in done}
    return Done(result=_rebuilt(results))


class _Reseed(Contract):
    quotes: str | None
    invoices: str | None
    jobs: str | None


class _Import(Contract):
    file: str
    skip_untouched: bool = True


class _Nothing(Contract):
    pass


def _plan(params: RebuildParams) -> list[Next]:
    reports = _Reseed(quotes=params.quotes, invoices=params.invoices, jobs=params.jobs)
    last = FinalizeParams(seed=params.seed, include_machine=params.include_machine)
    return [
        Next(kind=f"{NAME}.reseed", params=reports),
        Next(kind=f"{NAME}.export-drafts", params=_Nothing()),
        *([Next(kind=f"{NAME}.import-gold", params=_Import(file=params.drafts))] if params.drafts else []),
        Next(kind=f"{NAME}.autofill", params=_Nothing()),
        Next(kind=f"{NAME}.finalize-train", params=last),
    ]


def _rebuilt(results: dict[str, JsonObject]) -> RebuildResult:
    seeded, final = results["reseed"], FinalizeResult.model_validate(results["finalize-train"])
    freeze = final.freeze
    return RebuildResult(
        **{name: seeded[name] for name in ("examples", "new", "known", "removed")},
        imported=results.get("import-gold", {}).get("approved", 0),
        autofilled=results["autofill"]["drafts"],
        approved=final.approved,
        freeze=freeze,
        sentence=f"all {freeze.rows:,} ids of {freeze.name} match ml.examples: each is there, each derives from its"
        " snapshot, and no approved one is left out",
        files=ResultFiles.model_validate(results["export-drafts"]["files"]),
    )


# --- the steps ------------------------------------------------------------------------------------------------------


def _flow(
    name: str, summary: str, params: type[Any], flow: Callable[[Any, Sequence[StepDone]], Next | Done], scope: Scope
) -> Step[Any]:
    return Step(
        pipeline=NAME, name=name, summary=summary, queue=Queue.DB, params=params, flow=flow, scope=scope,
        unique_key=lambda _: f"{NAME}.{name}",
    )  # fmt: skip


FREEZING_STEPS: Final[tuple[Step[Any], ...]] = (
    Step(
        pipeline=NAME,
        name="name-freeze",
        summary="Check a frozen dataset and name it train_vN or eval_vN.",
        queue=Queue.DB,
        params=NameFreezeParams,
        run=name_freeze,
    ),
    _flow(
        "freeze-train", "Freeze what is approved as the next train_vN.", FreezeSetParams, _freezing("train"),
        Scope.SUBMIT,
    ),
    _flow(
        "freeze-eval", "Freeze what people approved of the held-out weeks as the next eval_vN.", FreezeSetParams,
        _freezing("eval"), Scope.SUBMIT,
    ),
    _flow(
        "finalize-train", "Approve, freeze and check the training set in one step.", FinalizeParams, finalize,
        Scope.REVIEW,
    ),
    _flow(
        "rebuild-train", "After a reset: reseed, export, autofill, finalize, and prove that the ids match.",
        RebuildParams, rebuild, Scope.REVIEW,
    ),
)  # fmt: skip
