"""What a job wants to have fine-tuned, and what a run asks the provider for."""

import hashlib
from dataclasses import dataclass
from typing import Final, Literal

from shared import ids
from shared.contracts import JsonObject
from shared.db.provider_jobs import NewRun, ProviderJob
from shared.files import ResultFiles
from shared.llm.connection import LOCAL, OPENAI, Provider
from shared.llm.fine_tunes import RUN_KEY, CreateRequest

TRAINING_FILE: Final = "train_openai.jsonl"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a job wants to have fine-tuned. Equal wishes at the same server are one run, whoever has them."""

    pipeline: str
    surface: str
    dataset_id: str
    provider: str
    server: str
    base_model: str
    method: Literal["supervised", "dpo"]
    suffix: str
    seed: int | None
    hyperparameters: JsonObject
    files: ResultFiles
    file_sha256: str
    row_count: int
    tokens: int
    estimated_usd: float

    def hash(self) -> str:
        """Return the hash of all that decides what is trained."""
        parts = [
            self.server, self.base_model, self.method, self.suffix, self.seed, self.hyperparameters, self.file_sha256,
        ]  # fmt: skip
        return hashlib.sha256(ids.canonical_json(parts)).hexdigest()

    def new_run(self, job_id: str) -> NewRun:
        """Return the run that a job begins with this wish."""
        return NewRun(
            id=ids.new_id(ids.PROVIDER_JOB),
            job_id=job_id,
            request_hash=self.hash(),
            files=self.files.model_dump(mode="json"),
            **{name: value for name, value in vars(self).items() if name != "files"},
        )


def training_file_of(files: ResultFiles) -> str:
    """Return the name of the training file among a run's files, with its folders."""
    return next(name for name in files.sizes if name.rpartition("/")[2] == TRAINING_FILE)


def server_of(provider: Provider) -> str:
    """Return what tells a provider from others: its name, and its address too where one host may have several.

    Our own trainer is the same one wherever its front listens today.
    """
    return provider.name if provider.name in (OPENAI, LOCAL) else provider.base_url.rpartition("@")[2]


def create_request(run: ProviderJob) -> CreateRequest:
    """Return what is sent to create a run's job. Raises TypeError before its file is uploaded."""
    if run.file_id is None:
        raise TypeError("a fine-tune is created before its file is uploaded")
    return CreateRequest(
        model=run.base_model,
        training_file=run.file_id,
        suffix=run.suffix,
        method=run.method,
        seed=run.seed,
        hyperparameters=run.hyperparameters,
        metadata={RUN_KEY: run.id, "tuneyard_dataset": run.dataset_id, "tuneyard_pipeline": run.pipeline},
    )
