"""The step ``finetune``: a dataset's training rows become a fine-tune at a provider, and that a candidate.

Without ``live`` it is a dry run: it makes the very file that a live run uploads, and says what would be asked, without
a key and without a request. A live run is driven by ``shared/llm/lifecycle.py``: it waits between its attempts.
"""

import re
from typing import Annotated, Any, Final

from psycopg import Connection
from pydantic import Field, model_validator

from shared import ids, models
from shared.contracts import Contract, JsonObject, Live, Queue, Surface
from shared.db import provider_sweep
from shared.db.provider_jobs import ProviderJob
from shared.errors import InvalidInputError, RefusedError
from shared.files import UPLOAD_MARK, ResultFiles
from shared.llm.connection import LOCAL, OPENAI_URL, Provider, provider_of
from shared.llm.lifecycle import Lifecycle
from shared.llm.openai_fine_tunes import OpenAIFineTunes
from shared.llm.policy import llm_policy
from shared.llm.provider_model import ProviderModel
from shared.llm.wanted import server_of
from shared.loop.choice import DATASET_PATTERN, DatasetId, require_surface
from shared.loop.preparing import Asked, prepare
from shared.loop.train import MODEL_KIND, library_versions
from shared.pipeline import Done, FineTune, Pipeline, RetryPolicy, Run, Step, Wait
from shared.settings import get_settings

BaseModelName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
_RETRY: Final = RetryPolicy(max_attempts=10)  # of hours or days: a few blinks of the database must not end it
_SUFFIX: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_ENDS: Final[dict[str, str]] = {
    "failed": "the fine-tune failed",
    "failed_after_training": "the fine-tune was trained, then refused by the provider's safety evaluation",
    "cancelled": "the fine-tune was cancelled at the provider",
    "provider_closed": "the provider does not train for this account",
}


class FinetuneParams(Contract):
    """What to fine-tune on what, and whether it may cost money."""

    surface: Surface = Field(default="default", description="The part of the pipeline to train.")
    dataset_id: DatasetId | None = Field(default=None, description="The dataset. Empty: the surface's latest.")
    base_model: BaseModelName | None = Field(
        default=None, description="The base model. Empty: the pipeline's own, or `local-nearest` for our own trainer."
    )
    live: Live = False
    suffix: str | None = Field(
        default=None, pattern=_SUFFIX, description="What the model's name ends with. Empty: the pipeline's own."
    )
    seed: int | None = Field(default=None, ge=0, lt=2**31, description="Training's seed. Empty: the pipeline's own.")


class FileFinetuneParams(FinetuneParams):
    """What to fine-tune on what (a dataset or a file of rows, not both), and whether it may cost money."""

    dataset: Annotated[str, Field(pattern=rf"^[0-9a-f]{{64}}$|{DATASET_PATTERN}")] | None = Field(
        default=None,
        description="A file of rows, as `build-datasets` writes them (with --out; look at its path and for the file of"
        " the right surface): its approved rows are frozen and trained on. Or a dataset's id (ds_…).",
        json_schema_extra={"format": UPLOAD_MARK, "names": DATASET_PATTERN},
    )

    @model_validator(mode="before")
    @classmethod
    def _dataset_by_its_id(cls, given: Any) -> Any:
        """Take an id in the place of a file for what it is."""
        named = given.get("dataset") if isinstance(given, dict) else None
        if not isinstance(named, str) or not re.fullmatch(DATASET_PATTERN, named):
            return given
        if given.get("dataset_id") not in (None, named):
            raise ValueError("dataset and dataset_id name two datasets")
        return {name: value for name, value in given.items() if name != "dataset"} | {"dataset_id": named}


class FinetuneResult(Contract):
    """What came of it. A dry run has no model; ``files`` are the training file and what would be asked."""

    dry_run: bool
    sentence: str
    dataset_id: str
    provider: str
    base_model: str
    model_id: str | None = None
    version: str = ""
    fine_tuned_model: str | None = None
    manifest: str | None = None
    metrics: JsonObject = Field(default_factory=dict)
    cost_usd: float | None = None
    files: ResultFiles


def finetune_step(pipeline: Pipeline[Any, Any]) -> Step[FinetuneParams]:
    """Return a pipeline's step ``finetune``. No two fine-tunes of a surface run together."""
    return Step(
        pipeline=pipeline.name,
        name="finetune",
        summary="Fine-tune a candidate with the provider; without --live only show what would be asked.",
        queue=Queue.FINETUNE,
        params=FileFinetuneParams if _reads_files(pipeline) else FinetuneParams,
        run=lambda run, params: finetune(pipeline, run, params),
        unique_key=lambda params: f"{pipeline.name}.finetune:{params.surface}",
        retry=_RETRY,
    )


def _reads_files(pipeline: Pipeline[Any, Any]) -> bool:
    return isinstance(pipeline.train, FineTune) and pipeline.train.rules is not None


def finetune(pipeline: Pipeline[Any, Any], run: Run, params: FinetuneParams) -> Done | Wait:
    """Prepare the training file; with ``live`` go on with the fine-tune as far as can be done now.

    Raises RefusedError for a file that breaks the provider's rules, a budget, a closed provider or a failed
    fine-tune, and InvalidInputError or NotFoundError for parameters that name nothing.
    """
    recipe = pipeline.train
    if not isinstance(recipe, FineTune):
        raise TypeError(f"{pipeline.name} trains by itself: see loop/train.py")
    require_surface(pipeline, params.surface)
    if not params.live:
        return _dry_run(pipeline, recipe, run, params)
    provider = _live_provider()
    policy = llm_policy().life_cycle
    with OpenAIFineTunes(provider, timeout=policy.request_timeout, upload_timeout=policy.upload_timeout) as remote:
        cycle = Lifecycle(run, remote, server_of(provider), policy)
        begun = cycle.mine() or cycle.begin(prepare(pipeline, recipe, run, _asked(params, provider)).wanted)
        outcome = begun if isinstance(begun, Wait) else cycle.advance(begun)
    return outcome if isinstance(outcome, Wait) else _finish(pipeline, run, outcome)


def _asked(params: FinetuneParams, provider: Provider) -> Asked:
    return Asked(
        surface=params.surface, dataset_id=params.dataset_id, base_model=params.base_model, suffix=params.suffix,
        seed=params.seed, provider=provider,
        file=params.dataset if isinstance(params, FileFinetuneParams) else None,
    )  # fmt: skip


def _dry_run(pipeline: Pipeline[Any, Any], recipe: FineTune, run: Run, params: FinetuneParams) -> Done:
    prepared = prepare(pipeline, recipe, run, _asked(params, _provider_or_ours()))
    wanted = prepared.wanted
    result = FinetuneResult(
        dry_run=True,
        sentence=f"Nothing was sent: {wanted.row_count} rows for {wanted.base_model} at {wanted.provider} are ready,"
        f" for about ${wanted.estimated_usd:.2f}. Run it again with --live.",
        dataset_id=wanted.dataset_id,
        provider=wanted.provider,
        base_model=wanted.base_model,
        metrics=prepared.figures,
        cost_usd=wanted.estimated_usd,
        files=wanted.files,
    )
    return Done(result=result)


def _live_provider() -> Provider:
    """Return the provider to ask. Raises InvalidInputError when there is none, or OpenAI's key is missing."""
    stay = "or stay with the dry run (no --live)"
    try:
        provider = provider_of(get_settings())
    except InvalidInputError as error:
        raise InvalidInputError(error.message, advice=f"{error.advice}, {stay}") from None
    if not provider.api_key and provider.base_url == OPENAI_URL:
        advice = f"set OPENAI_API_KEY, or OPENAI_BASE_URL to another server, {stay}"
        raise InvalidInputError("OpenAI needs a key for a live fine-tune", advice=advice)
    return provider


def _provider_or_ours() -> Provider:
    """Return the provider that the settings mean; a dry run needs none that could be reached."""
    try:
        return provider_of(get_settings())
    except InvalidInputError:
        return Provider(name=LOCAL, base_url="", api_key="")


def _finish(pipeline: Pipeline[Any, Any], run: Run, ended: ProviderJob) -> Done:
    """Register the fine-tuned model as a candidate. Raises RefusedError when the run ended otherwise."""
    if ended.state != "succeeded" or ended.fine_tuned_model is None or ended.provider_job_id is None:
        raise _failure(ended)
    folder = run.workdir / "model"
    folder.mkdir()
    described = ProviderModel(
        provider=ended.provider, model=ended.fine_tuned_model, base_model=ended.base_model,
        provider_job_id=ended.provider_job_id, training_file_sha256=ended.file_sha256, method=ended.method,
    )  # fmt: skip
    described.write(folder)
    parameters = {
        "provider": ended.provider, "base_model": ended.base_model, "provider_model": ended.fine_tuned_model,
        "method": ended.method, "seed": ended.seed, "hyperparameters": ended.hyperparameters,
    }  # fmt: skip
    facts: JsonObject = {
        "pipeline": pipeline.name, "surface": ended.surface, "dataset_id": ended.dataset_id, "parameters": parameters,
    }  # fmt: skip
    manifest = run.artifacts.put_folder(MODEL_KIND, folder, facts)
    with run.reading() as conn:
        metrics = _metrics(ended, provider_sweep.last_loss(conn, ended.id))
    draft = FinetuneResult(
        dry_run=False,
        sentence=f"{ended.provider} has trained {ended.fine_tuned_model}.",
        dataset_id=ended.dataset_id,
        provider=ended.provider,
        base_model=ended.base_model,
        model_id=ids.new_id(ids.MODEL),
        fine_tuned_model=ended.fine_tuned_model,
        manifest=manifest,
        metrics=metrics,
        cost_usd=ended.cost_usd,
        files=ResultFiles.model_validate(ended.files),
    )

    def record(conn: Connection) -> FinetuneResult:
        model = models.register(
            conn, model_id=str(draft.model_id), pipeline=pipeline.name, surface=ended.surface, manifest=manifest,
            dataset_id=ended.dataset_id, job_id=run.job_id, parameters=parameters,
            libraries=library_versions(pipeline), metrics={"train": {"rows": ended.row_count, "candidate": metrics}},
        )  # fmt: skip
        return draft.model_copy(update={"version": model.version})

    return Done(result=draft, record=record)


def _metrics(ended: ProviderJob, last: tuple[int, float] | None) -> JsonObject:
    figures: JsonObject = {"trained_tokens": ended.trained_tokens, "cost_usd": ended.cost_usd}
    return figures | ({"steps": last[0], "loss": last[1]} if last else {})


def _failure(ended: ProviderJob) -> RefusedError:
    error = ended.error or {}
    why = ": ".join(part for part in (str(error.get("code", "")), str(error.get("message", ""))) if part)
    what = _ENDS.get(ended.state, f"the fine-tune is {ended.state}")
    return RefusedError(
        f"{what} ({why})" if why else what,
        code=ended.state.replace("_", "-") if ended.provider_job_id else str(error.get("code", ended.state)),
        advice=str(error.get("advice", "")) or f"see tuneyard llm doctor --job-id {ended.provider_job_id or ended.id}",
    )
