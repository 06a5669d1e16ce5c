"""The API as the commands see it: JSON in, JSON out, errors as exceptions, a job's events as an iterator."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from api.commands.errors import ProblemError, UnreachableError
from api.commands.place import Place, find_place
from shared.contracts import FINAL_STATES, JsonObject

_TIMEOUT = httpx.Timeout(30, connect=5)
_UPLOAD_TIMEOUT = httpx.Timeout(600, connect=5)  # the answer comes after the last byte is stored
_QUIET = httpx.Timeout(60, connect=5)  # the stream sends a heartbeat more often than this


@dataclass(frozen=True, kw_only=True)
class Event:
    """One change of a job: ``seq`` grows within the job, ``type`` is a state, ``progress``, ``retry`` and the like."""

    seq: int
    type: str
    message: str
    data: JsonObject


class Api:
    """A connection to the API. Use it as a context manager.

    Every method raises ``ProblemError`` when the API says no, and ``UnreachableError`` when it does not answer.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._http = httpx.Client(
            base_url=place.url,
            headers={"Authorization": f"Bearer {place.key}", "User-Agent": "tuneyard"},
            timeout=_TIMEOUT,
            trust_env=not place.is_local,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> JsonObject:
        """Read a resource; parameters that are None are left out."""
        known = {name: value for name, value in query.items() if value is not None}
        return _json(self._send("GET", path, params=known))

    def text(self, path: str) -> str:
        """Read a resource that is a text."""
        return self._send("GET", path).text

    def post(
        self,
        path: str,
        body: JsonObject | None = None,
        *,
        idempotency_key: str | None = None,
        once: bool = True,
    ) -> JsonObject:
        """Send a JSON object. A lost answer is asked for once more: the idempotency key makes that harmless.

        Without ``once`` no key is sent, for what does no harm when it is done twice: the API need not remember it.
        """
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex} if once else {}
        return _json(self._send("POST", path, json={} if body is None else body, headers=headers))

    def upload(
        self, path: str, chunks: Iterable[bytes], *, content_type: str, idempotency_key: str | None = None
    ) -> JsonObject:
        """Stream a file in constant memory; it is sent once only."""
        headers = {"Content-Type": content_type, "Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        with _reaching(self.place):
            response = self._http.post(path, content=chunks, headers=headers, timeout=_UPLOAD_TIMEOUT)
        return _json(_checked(response))

    def download(self, path: str, target: Path) -> None:
        """Write a resource's bytes into a file, in constant memory. Raises OSError when it cannot be written."""
        with (
            _reaching(self.place),
            target.open("wb") as file,
            self._http.stream("GET", path, timeout=_UPLOAD_TIMEOUT) as response,
        ):
            if response.is_error:
                response.read()
            for block in _checked(response).iter_bytes():
                file.write(block)

    def job(self, job_id: str) -> JsonObject:
        """Read a job."""
        return self.get(path_of("jobs", job_id))

    def events(self, job_id: str, after: int = 0) -> Iterator[Event]:
        """Yield the job's events after a sequence number, until its last one or until the stream breaks off.

        A broken stream raises ``UnreachableError``: go on with the last ``seq`` that was seen.
        """
        headers = {"Accept": "text/event-stream"}
        if after:
            headers["Last-Event-ID"] = str(after)
        path = path_of("jobs", job_id, "events")
        with (
            _reaching(self.place),
            self._http.stream("GET", path, headers=headers, timeout=_QUIET) as response,
        ):
            if response.is_error:
                response.read()
            yield from parse_events(_checked(response).iter_lines())

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise unreachable(self.place, error) from error
        except httpx.TransportError:
            with _reaching(self.place):
                response = self._http.request(method, path, **options)
        return _checked(response)


def open_api() -> Api:
    """Connect to the API that the settings or the running local stack name."""
    return Api(find_place())


def path_of(*parts: str) -> str:
    """Build a path under ``/v1`` from parts that may come from a user."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def is_final(job: Mapping[str, Any]) -> bool:
    """Whether the job has ended."""
    return job["state"] in FINAL_STATES


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
    """Read server-sent events. Comments (heartbeats) and events without data are skipped."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield _event(fields)
            fields = {}


def _event(fields: Mapping[str, str]) -> Event:
    body = json.loads(fields["data"])
    return Event(
        seq=int(fields.get("id") or body["seq"]),
        type=fields.get("event") or body["type"],
        message=body.get("message") or "",
        data=body.get("data") or {},
    )


def unreachable(place: Place, error: Exception) -> UnreachableError:
    """Say that the API at this place does not answer, and why."""
    reason = str(error) or type(error).__name__
    return UnreachableError(
        f"cannot reach the API at {place.url}: {reason}",
        advice="`tuneyard status` says how the local stack is; TUNEYARD_URL names another one",
    )


@contextmanager
def _reaching(place: Place) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise unreachable(place, error) from error


def _checked(response: httpx.Response) -> httpx.Response:
    if not response.is_error:
        return response
    try:
        problem = response.json()
    except ValueError:  # a proxy's page, not our problem document
        problem = {}
    raise ProblemError(response.status_code, problem if isinstance(problem, dict) else {})


def _json(response: httpx.Response) -> JsonObject:
    content: JsonObject = response.json()
    return content
