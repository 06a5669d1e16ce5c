"""Every setting of Tuneyard, in one class. ``docs/settings.md`` is generated from it.

What a deployment changes is here; thresholds of a pipeline are in its ``policy.toml``.
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from environment variables, which are the fields' names in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    # where things are
    tuneyard_home: Path = Field(Path(".tuneyard"), description="Folder of the embedded stack: data, logs, secrets.")
    database_url: SecretStr = Field(
        SecretStr(""), description="PostgreSQL 18 with pgvector. Empty: the embedded server."
    )
    redis_url: SecretStr = Field(SecretStr(""), description="Redis or Valkey. Empty: the embedded server.")
    artifacts_url: str = Field(
        "", description="`file:///folder` or `s3://bucket/prefix`. Empty: `artifacts` in the home folder."
    )
    tuneyard_pipelines: str = Field(
        "", description="Modules of further pipelines (each with a `PIPELINE`), separated by commas."
    )
    s3_endpoint_url: str = Field("", description="Endpoint of an S3 that is not AWS (MinIO, Supabase Storage).")

    # the front
    api_host: str = Field("127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Its port; `tuneyard up` takes the next free one.")
    flower_port: int = Field(5555, ge=0, le=65535, description="Flower's port; likewise.")
    flower_url: str = Field("", description="Where the front finds Flower, whose pages it shows under `/flower/`.")
    flower_password: SecretStr = Field(SecretStr(""), description="What Flower wants from the front.")
    tuneyard_url: str = Field("", description="Where the command line finds the API.")
    tuneyard_key: SecretStr = Field(SecretStr(""), description="The API key that the command line sends.")
    max_body_bytes: int = Field(1_000_000, gt=0, description="Largest JSON body that the API takes.")
    max_upload_bytes: int = Field(2_000_000_000, gt=0, description="Largest file that the API takes.")
    max_json_depth: int = Field(32, gt=0, description="Deepest nesting of a JSON body.")
    max_wait_seconds: float = Field(60, gt=0, description="Longest `Prefer: wait`.")
    call_timeout_seconds: float = Field(
        2, gt=0, description="How long the front waits for a prediction before it answers with the fallback."
    )
    session_hours: float = Field(12, gt=0, description="A sign-in to the review site ends when unused for this long.")
    session_days: float = Field(7, gt=0, description="It ends after this long in any case.")
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description="Addresses or networks of reverse proxies, separated by commas, whose `X-Forwarded-Proto` and"
        " `X-Forwarded-For` are believed: behind https cookies are `Secure`.",
    )
    database_pool_size: int = Field(10, gt=0, description="Connections that one process keeps at most.")

    # jobs
    lease_seconds: float = Field(30, gt=0, description="A running job not heard of for this long is rescued.")
    heartbeat_seconds: float = Field(5, gt=0, description="How often a running job renews its lease.")
    sweep_seconds: float = Field(5, gt=0, description="How often lost, due and unsent jobs are looked for.")
    resend_after_seconds: float = Field(
        10, gt=0, description="A wake-up that an empty queue no longer holds is sent again after this."
    )
    queue_late_seconds: float = Field(
        300, gt=0, description="A due job that no worker has taken for this long is told on the home page."
    )
    event_retention_days: int = Field(90, gt=0, description="Progress events of finished jobs are kept this long.")
    upload_retention_days: float = Field(
        7, gt=0, description="Uploaded files are kept this long after they were sent, and while a job wants them."
    )
    idempotency_hours: int = Field(24, gt=0, description="How long an `Idempotency-Key` is remembered.")

    ready_file: Path | None = Field(
        None, description="A worker, or beat, creates this file when it has started: for whoever supervises it."
    )

    # the provider of fine-tunes and completions: OpenAI, or any server that speaks its API
    openai_base_url: str = Field(
        "", description="Its address. Empty: OpenAI's if there is an `OPENAI_API_KEY`, else our own `/openai/v1`."
    )
    openai_api_key: SecretStr = Field(SecretStr(""), description="Its key. Our own API takes `TUNEYARD_KEY` instead.")
    openai_org_id: str = Field("", description="Organisation that requests are counted for.")
    openai_project_id: str = Field("", description="Project, likewise.")
    openai_webhook_secret: SecretStr = Field(
        SecretStr(""), description="Signs the provider's webhooks (`/v1/webhooks/openai`). Empty: none are taken."
    )
    llm_sweep_seconds: float = Field(
        15, gt=0, description="How often the provider is asked for all open fine-tunes, while there are any."
    )
    llm_monthly_budget_usd: float = Field(
        100, ge=0, description="What fine-tunes and completions of a calendar month (UTC) may cost together."
    )
    llm_job_budget_usd: float = Field(25, ge=0, description="What one fine-tune may cost, by the estimate before it.")
    llm_concurrency: int = Field(8, gt=0, description="Completions that are asked for at once, over all processes.")
    llm_requests_per_minute: int = Field(
        600,
        gt=0,
        description="Requests for completions a minute, over all processes; our own trainer has no such limit.",
    )
    llm_timeout_seconds: float = Field(
        20, gt=0, le=24, description="The longest that one completion may take, with its waits and second tries."
    )

    # how pictures are scored (seed 003)
    ai_scoring_mode: Literal["", "baseline", "onnx"] = Field(
        "", description="`baseline`: no model scores. `onnx`, or empty: a model does, else the baseline."
    )
    ai_model_version: str = Field(
        "", description="Which model scores: a version of the registry, or what `AI_ONNX_MODEL_PATH` is called."
    )
    ai_onnx_model_path: str = Field(
        "",
        description="An ONNX file, `model.meta.json` beside it, that scores in place of the registry's active model.",
    )

    # what users' own addresses may lead to
    fetch_private_addresses: bool = Field(
        default=False,
        description="Fetch pictures of a manifest from private addresses and over plain http too: for closed networks.",
    )

    embedding_model: str = Field(
        "",
        description="The model that makes vectors. Empty: `local-minilm` where it is installed, else"
        " `local-embedding`; OpenAI's `text-embedding-3-small` with a provider that is not ours.",
    )

    # logs
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged.")
    log_format: Literal["console", "json"] = Field("json", description="`json` for machines, `console` for people.")

    def dsn(self) -> str:
        """Return the database's address. Raises ValueError when there is none."""
        return _required(self.database_url, "DATABASE_URL")

    def broker(self) -> str:
        """Return Redis's address. Raises ValueError when there is none."""
        return _required(self.redis_url, "REDIS_URL")

    def artifacts(self) -> str:
        """Return the artifact store's address."""
        return self.artifacts_url or (self.tuneyard_home.resolve() / "artifacts").as_uri()


def _required(value: SecretStr, name: str) -> str:
    text = value.get_secret_value()
    if not text:
        raise ValueError(f'{name} is not set: start the stack with "make up", or run eval "$(tuneyard env)"')
    return text


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process, read once."""
    return Settings()
