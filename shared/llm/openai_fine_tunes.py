"""Fine-tunes over the official SDK. It is imported where it is used: its import takes about a second.

Answers are read as the JSON that they are: the SDK's own models check nothing, and cost six times as much as all else
of a list of a hundred jobs.

What a provider says in words is kept short, and what it says to a refused request is not kept at all: it may quote the
training file.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self, TypeVar

import orjson

from shared.contracts import JsonObject
from shared.llm.connection import Provider, client_of
from shared.llm.fine_tunes import (
    PAGE,
    RUN_KEY,
    WAYS_ON,
    Ambiguous,
    Busy,
    Closed,
    CreateRequest,
    Rejected,
    RemoteEvent,
    RemoteJob,
    Unreachable,
    moment,
    oldest_first,
)

if TYPE_CHECKING:
    from openai import APIStatusError

T = TypeVar("T")

_MAX_TEXT: Final = 300
_FIND_PAGES: Final = 10
_BUSY: Final = 429
_FORBIDDEN: Final = 403
_UNCLEAR: Final = frozenset({408, 409})  # after a create: neither says that nothing was accepted
_SERVER_ERROR: Final = 500
_UNKEYED: Final = 401
_NO_MODEL: Final = "model_not_found"


class OpenAIFineTunes:
    """One provider, one client, closed where a ``with`` ends. Not for threads that wait for each other."""

    def __init__(
        self,
        provider: Provider,
        *,
        timeout: timedelta = timedelta(seconds=8),
        upload_timeout: timedelta = timedelta(seconds=20),
    ) -> None:
        self._provider = provider
        self._client = client_of(provider, timeout_s=timeout.total_seconds())
        self._jobs = self._client.fine_tuning.jobs.with_raw_response
        self._files = self._client.with_options(timeout=upload_timeout.total_seconds()).files.with_raw_response

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def upload(self, file: BinaryIO, name: str) -> str:
        """Send a training file."""
        with self._errors("take the training file", trains=True):
            sent = self._files.create(file=(name, file, "application/jsonl"), purpose="fine-tune")
            return _text(_json(sent.content).get("id"))

    def create(self, request: CreateRequest) -> RemoteJob:
        """Ask for a fine-tune, once: the client sends nothing twice, and whatever is unclear is Ambiguous."""
        options: JsonObject = {"seed": request.seed} if request.seed is not None else {}
        hyper = {"hyperparameters": request.hyperparameters} if request.hyperparameters else {}
        options["method"] = {"type": request.method, request.method: hyper}
        with self._errors("start the fine-tune", trains=True, creates=True):
            created = self._jobs.create(
                model=request.model,
                training_file=request.training_file,
                suffix=request.suffix,
                metadata=dict(request.metadata),
                **options,
            )
            return _job(_json(created.content))

    def find(self, run_id: str, file_id: str | None = None) -> list[RemoteJob]:
        """Ask with the filter, and check the answers. A server that does not filter is read page by page, for a while.

        The newest come first, so a run of the last hours is on the first pages.
        """
        found, after = [], None
        for _ in range(_FIND_PAGES):
            page, more = self._page(after, PAGE, {RUN_KEY: run_id})
            ours = [job for job in page if job.run_id == run_id or (file_id and job.training_file == file_id)]
            found += ours
            if not more or not page:
                break
            after = page[-1].id
        return oldest_first(found)

    def page(self, after: str | None = None, limit: int = PAGE) -> tuple[list[RemoteJob], bool]:
        """Ask for a page of all jobs."""
        return self._page(after, limit, None)

    def retrieve(self, job_id: str) -> RemoteJob:
        """Ask for one job."""
        with self._errors("show the fine-tune"):
            return _job(_json(self._jobs.retrieve(job_id).content))

    def cancel(self, job_id: str) -> RemoteJob:
        """Cancel a job."""
        with self._errors("cancel the fine-tune"):
            return _job(_json(self._jobs.cancel(job_id).content))

    def events(self, job_id: str, after: str | None = None, limit: int = PAGE) -> list[RemoteEvent]:
        """Ask for a page of a job's events."""
        with self._errors("list the fine-tune's events"):
            options: JsonObject = {"after": after} if after else {}
            answer = _json(self._jobs.list_events(job_id, limit=limit, **options).content)
            return [_event(event) for event in _list(answer)]

    def _page(self, after: str | None, limit: int, metadata: dict[str, str] | None) -> tuple[list[RemoteJob], bool]:
        options: JsonObject = {"after": after} if after else {}
        if metadata:
            options["metadata"] = metadata
        with self._errors("list the fine-tunes"):
            answer = _json(self._jobs.list(limit=limit, **options).content)
            page = [_job(job) for job in _list(answer)]
            more = answer.get("has_more")
            return page, more if isinstance(more, bool) else len(page) >= limit  # some servers do not say

    @contextmanager
    def _errors(self, what: str, *, trains: bool = False, creates: bool = False) -> Iterator[None]:
        """Turn the SDK's errors into ours; the one place that knows them."""
        from openai import APIStatusError

        name = self._provider.name
        try:
            yield
        except APIStatusError as error:
            raise _refusal(error, f"{name} did not {what}", trains=trains, creates=creates) from error
        except Exception as error:
            # Connection lost, timed out, or an answer that is none: after a create all of them leave it open.
            kind = type(error).__name__
            if creates:
                raise Ambiguous(f"{name} did not say whether it started the fine-tune ({kind})") from error
            raise Unreachable(
                f"{name} did not {what} ({kind})", advice="check OPENAI_BASE_URL and that the server answers"
            ) from error


def _refusal(error: "APIStatusError", what: str, *, trains: bool, creates: bool) -> Exception:
    status = error.status_code
    said = f"{what} (HTTP {status}{f', {error.code}' if _plain(error.code) else ''})"
    if status == _BUSY:
        return Busy(said, retry_after=_retry_after(error.response.headers.get("retry-after")))
    if status >= _SERVER_ERROR or status in _UNCLEAR:
        return Ambiguous(said) if creates else Unreachable(said, advice="it is asked again by itself")
    if status == _FORBIDDEN and trains:
        return Closed(f"{said}: this account may not train there", advice=WAYS_ON)
    if status in {_UNKEYED, _FORBIDDEN}:
        advice = "check OPENAI_API_KEY (TUNEYARD_KEY for our own trainer)"
    elif creates and error.code == _NO_MODEL:
        advice = "it does not train this base model: name another with --base-model (our own trainer: local-nearest)"
    else:
        advice = "see what the server's log or page says about the request"
    return Rejected(said, status=status, advice=advice)


def _plain(code: Any) -> bool:
    """Whether an error's code is a word of the API: no server may put text of ours into our errors."""
    return isinstance(code, str) and len(code) < 64 and code.replace("_", "").replace("-", "").isalnum()  # noqa: PLR2004


def _retry_after(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:  # a date: rare, and the policy's pause does as well
        return None


# --- answers: every field may be missing or of another type -----------------------------------------------------------


def _json(content: bytes) -> JsonObject:
    """Return an answer's JSON. Raises ValueError or TypeError when it is no JSON object: then it is no answer."""
    answer = orjson.loads(content)
    if not isinstance(answer, dict):
        raise TypeError("the answer is no JSON object")
    return answer


def _list(answer: JsonObject) -> list[JsonObject]:
    items = answer.get("data")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("the answer is no list")
    return items


def _job(job: JsonObject) -> RemoteJob:
    metadata, error = _object(job.get("metadata")), _object(job.get("error"))
    return RemoteJob(
        id=_text(job.get("id")),
        status=_text(job.get("status")),
        model=_optional(job.get("model")) or "",
        training_file=_optional(job.get("training_file")) or "",
        created_at=moment(job.get("created_at")),
        run_id=_optional(metadata.get(RUN_KEY)),
        fine_tuned_model=_optional(job.get("fine_tuned_model")),
        trained_tokens=_or_none(int, job.get("trained_tokens")),
        error_code=_optional(error.get("code")),
        error_message=_optional(error.get("message")),
        organization=_optional(job.get("organization_id")),
    )


def _event(event: JsonObject) -> RemoteEvent:
    data = {k: v for k, v in _object(event.get("data")).items() if _is_figure(v)}
    return RemoteEvent(
        id=_text(event.get("id")),
        at=moment(event.get("created_at")),
        level=(_optional(event.get("level")) or "info")[:20],
        message=_optional(event.get("message")) or "",
        step=_or_none(int, data.get("step")),
        loss=_or_none(float, data.get("train_loss", data.get("loss"))),
        data=data,
    )


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _is_figure(value: Any) -> bool:
    finite = isinstance(value, float) and value - value == 0
    return finite or (isinstance(value, int) and not isinstance(value, bool))


def _text(value: Any) -> str:
    """Return a text that must be there. Raises ValueError when it is not."""
    if not isinstance(value, str) or not value:
        raise ValueError("a text is missing in the answer")
    return value


def _optional(value: Any) -> str | None:
    return value[:_MAX_TEXT] if isinstance(value, str) and value else None


def _or_none(convert: Callable[[Any], T], value: Any) -> T | None:
    return convert(value) if _is_figure(value) else None
