"""Fine-tunes over the official SDK. It is imported where it is used: its import takes about a second.

What a provider says in words is kept short, and what it says to a refused request is not kept at all: it may quote the
training file.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar

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


class OpenAIFineTunes:
    """One provider, one client. Not to be shared between threads that wait for each other."""

    def __init__(
        self,
        provider: Provider,
        *,
        timeout: timedelta = timedelta(seconds=8),
        upload_timeout: timedelta = timedelta(seconds=20),
    ) -> None:
        self._provider = provider
        self._client = client_of(provider, timeout_s=timeout.total_seconds())
        self._uploads = self._client.with_options(timeout=upload_timeout.total_seconds())

    def upload(self, file: BinaryIO, name: str) -> str:
        """Send a training file."""
        with self._errors("take the training file", trains=True):
            sent = self._uploads.files.create(file=(name, file, "application/jsonl"), purpose="fine-tune")
            return _text(sent.id)

    def create(self, request: CreateRequest) -> RemoteJob:
        """Ask for a fine-tune, once: the client sends nothing twice, and whatever is unclear is Ambiguous."""
        options: JsonObject = {"seed": request.seed} if request.seed is not None else {}
        hyper = {"hyperparameters": request.hyperparameters} if request.hyperparameters else {}
        options["method"] = {"type": request.method, request.method: hyper}
        with self._errors("start the fine-tune", trains=True, creates=True):
            return _job(
                self._client.fine_tuning.jobs.create(
                    model=request.model,
                    training_file=request.training_file,
                    suffix=request.suffix,
                    metadata=dict(request.metadata),
                    **options,
                )
            )

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
            return _job(self._client.fine_tuning.jobs.retrieve(job_id))

    def cancel(self, job_id: str) -> RemoteJob:
        """Cancel a job."""
        with self._errors("cancel the fine-tune"):
            return _job(self._client.fine_tuning.jobs.cancel(job_id))

    def events(self, job_id: str, after: str | None = None, limit: int = PAGE) -> list[RemoteEvent]:
        """Ask for a page of a job's events."""
        with self._errors("list the fine-tune's events"):
            options: JsonObject = {"after": after} if after else {}
            return [_event(e) for e in self._client.fine_tuning.jobs.list_events(job_id, limit=limit, **options).data]

    def _page(self, after: str | None, limit: int, metadata: dict[str, str] | None) -> tuple[list[RemoteJob], bool]:
        options: JsonObject = {"after": after} if after else {}
        if metadata:
            options["metadata"] = metadata
        with self._errors("list the fine-tunes"):
            answer = self._client.fine_tuning.jobs.list(limit=limit, **options)
            return [_job(job) for job in answer.data], bool(answer.has_more)

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
    advice = "check OPENAI_API_KEY (TUNEYARD_KEY for our own trainer)" if status in (_UNKEYED, _FORBIDDEN) else ""
    return Rejected(said, status=status, advice=advice or "see what the server's log or page says about the request")


def _plain(code: Any) -> bool:
    """Whether an error's code is a word of the API: no server may put text of ours into our errors."""
    return isinstance(code, str) and len(code) < 64 and code.replace("_", "").replace("-", "").isalnum()  # noqa: PLR2004


def _retry_after(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:  # a date: rare, and the policy's pause does as well
        return None


# --- answers: the SDK checks nothing, so that every field may be missing or of another type ---------------------------


def _job(job: Any) -> RemoteJob:
    metadata = job.metadata if isinstance(job.metadata, dict) else {}
    error = getattr(job, "error", None)
    return RemoteJob(
        id=_text(job.id),
        status=_text(job.status),
        model=_text(job.model),
        training_file=str(getattr(job, "training_file", "") or ""),
        created_at=moment(job.created_at),
        run_id=_optional(metadata.get(RUN_KEY)),
        fine_tuned_model=_optional(getattr(job, "fine_tuned_model", None)),
        trained_tokens=_or_none(int, getattr(job, "trained_tokens", None)),
        error_code=_optional(getattr(error, "code", None)),
        error_message=_optional(getattr(error, "message", None)),
        organization=_optional(getattr(job, "organization_id", None)),
    )


def _event(event: Any) -> RemoteEvent:
    data = {k: v for k, v in event.data.items() if _is_figure(v)} if isinstance(event.data, dict) else {}
    loss = data.get("train_loss", data.get("loss"))
    return RemoteEvent(
        id=_text(event.id),
        at=moment(event.created_at),
        level=str(event.level)[:20],
        message=str(event.message)[:_MAX_TEXT],
        step=_or_none(int, data.get("step")),
        loss=_or_none(float, loss),
        data=data,
    )


def _is_figure(value: Any) -> bool:
    finite = isinstance(value, float) and value - value == 0
    return finite or (isinstance(value, int) and not isinstance(value, bool))


def _text(value: Any) -> str:
    """Return a text that must be there. Raises ValueError when it is not: then the answer is none."""
    if not isinstance(value, str) or not value:
        raise ValueError("a text is missing in the answer")
    return value


def _optional(value: Any) -> str | None:
    return value[:_MAX_TEXT] if isinstance(value, str) and value else None


def _or_none(convert: Callable[[Any], T], value: Any) -> T | None:
    return convert(value) if _is_figure(value) else None
