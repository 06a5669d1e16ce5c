"""OpenAI's API as the fault-injecting provider speaks it when nothing goes wrong: files, jobs, completions, models."""

import base64
import hashlib
import json
import re
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, cast

from tests.support.fault_jobs import (
    FINAL,
    Ending,
    JsonObject,
    StoredFile,
    TrainingJob,
    new_file,
    new_job,
    number,
)
from tests.support.small_http import Reply, Request


class ProviderApi:
    """The operations, and what they work on."""

    def __init__(self, *, steps: int, auto: bool) -> None:
        self.steps = steps
        """How many training steps a job goes through."""
        self.auto = auto
        """Whether a job moves on by one stage each time that a list or a retrieve shows it."""
        self.ending: Ending = "succeeded"
        """How jobs created from now on end: ``safety`` is failed after training."""
        self.answer: Callable[[JsonObject], str] = lambda _: "ok"
        """From the body of a request for a completion to its text."""
        self.vector: Callable[[str], list[float]] = _vector
        """From a text to its embedding."""
        self.shutdown_dates: dict[str, str | None] = {
            "gpt-4o-mini-2024-07-18": "2027-01-14",
            "gpt-4.1-mini-2025-04-14": "2027-01-14",
            "gpt-6-mini": None,
        }
        """The models of the list of models, with the dates on which they end."""
        self.files: dict[str, StoredFile] = {}
        self._jobs: dict[str, TrainingJob] = {}
        self._lag = (0, 0.0)

    def _route(self, request: Request) -> tuple[str, Callable[..., Reply], Sequence[str]]:
        """Return the operation's name, what does it, and the parts of the path that it takes."""
        for operation, method, pattern, action in _ROUTES:
            if method == request.method and (match := pattern.fullmatch(request.path)):
                return operation, action.__get__(self), match.groups()
        return "unknown", lambda _: _missing(request.path), ()

    def _add(self, asked: JsonObject, status: str | None = None) -> str:
        job = new_job(asked, steps=self.steps, ending=self.ending)
        job.lag_lists, job.visible_at = self._lag[0], time.monotonic() + self._lag[1]
        self._jobs[job.id] = job
        if status:
            job.set(status)
        return job.id

    def _upload(self, request: Request) -> Reply:
        head = b"content-type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
        form = BytesParser(policy=HTTP).parsebytes(head + request.body)
        parts = {str(part.get_param("name", header="content-disposition")): part for part in form.iter_parts()}
        data = cast("bytes", parts["file"].get_payload(decode=True))
        file = new_file(data, parts["file"].get_filename() or "", parts["purpose"].get_content().strip())
        self.files[file.record["id"]] = file
        return Reply.json(file.record)

    def _files(self, _: Request) -> Reply:
        return Reply.json(_page([file.record for file in self.files.values()], has_more=False))

    def _file(self, _: Request, file_id: str) -> Reply:
        return Reply.json(self.files[file_id].record) if file_id in self.files else _missing(file_id)

    def _content(self, _: Request, file_id: str) -> Reply:
        if file_id not in self.files:
            return _missing(file_id)
        return Reply(body=self.files[file_id].data, content_type="application/octet-stream")

    def _delete_file(self, _: Request, file_id: str) -> Reply:
        gone = self.files.pop(file_id, None)
        return Reply.json({"id": file_id, "object": "file", "deleted": True}) if gone else _missing(file_id)

    def _create(self, request: Request) -> Reply:
        asked = json.loads(request.body)
        if asked.get("training_file") not in self.files:
            return refuse(400, "invalid_request_error", "There is no such training file.")
        return Reply.json(self._jobs[self._add(asked)].record)

    def _list(self, request: Request) -> Reply:
        after, limit, wanted = None, 20, {}
        for name, value in request.query:
            if name == "after":
                after = value
            elif name == "limit":
                limit = int(value)
            elif name.startswith("metadata["):
                wanted[name.removeprefix("metadata[").removesuffix("]")] = value
        newest = iter(reversed(self._jobs.values()))
        if after is not None:
            next((job for job in newest if job.id == after), None)
        page: list[TrainingJob] = []
        for job in newest:
            if (wanted and not wanted.items() <= job.metadata.items()) or not _shown(job):
                continue
            if len(page) == limit:
                return Reply.json(_page(self._looked_at(page), has_more=True))
            page.append(job)
        return Reply.json(_page(self._looked_at(page), has_more=False))

    def _looked_at(self, jobs: Iterable[TrainingJob]) -> list[JsonObject]:
        records = []
        for job in jobs:
            if self.auto:
                job.look()
            records.append(job.record)
        return records

    def _retrieve(self, _: Request, job_id: str) -> Reply:
        if job_id not in self._jobs:
            return _missing(job_id)
        return Reply.json(self._looked_at([self._jobs[job_id]])[0])

    def _change(self, request: Request, job_id: str, change: str) -> Reply:
        del request
        job = self._jobs.get(job_id)
        if job is None:
            return _missing(job_id)
        if job.status in FINAL:
            return refuse(400, "invalid_request_error", f"The job has already {job.status}.")
        if change == "cancel":
            job.set("cancelled")
        else:  # "paused" is no status of the schema: a paused job is shown as queued, and told in its events
            job.set("queued" if change == "pause" else "running")
            job.tell("The job is paused" if change == "pause" else "The job goes on")
        return Reply.json(job.record)

    def _told(self, request: Request, job_id: str, what: str) -> Reply:
        if job_id not in self._jobs:
            return _missing(job_id)
        job, query = self._jobs[job_id], dict(request.query)
        newest = list(reversed(job.events if what == "events" else job.checkpoints))
        start = next((n + 1 for n, one in enumerate(newest) if one["id"] == query.get("after")), 0)
        end = start + int(query.get("limit", 20))
        return Reply.json(_page(newest[start:end], has_more=end < len(newest)))

    def _chat(self, request: Request) -> Reply:
        asked = json.loads(request.body)
        text, prompt = self.answer(asked), json.dumps(asked["messages"])
        usage = {"prompt_tokens": len(prompt) // 4 + 1, "completion_tokens": len(text) // 4 + 1}
        usage["total_tokens"] = sum(usage.values())
        head = {"id": f"chatcmpl-{number()}", "created": int(time.time()), "model": asked["model"]}
        if asked.get("stream"):
            pieces = [text[n : n + 8] for n in range(0, len(text), 8)]
            return Reply(body=_stream(head, pieces), content_type="text/event-stream")
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return Reply.json(head | {"object": "chat.completion", "choices": [choice], "usage": usage})

    def _embeddings(self, request: Request) -> Reply:
        asked = json.loads(request.body)
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        vectors: list[Any] = [self.vector(str(text)) for text in texts]
        if asked.get("encoding_format") == "base64":
            vectors = [base64.b64encode(struct.pack(f"<{len(each)}f", *each)).decode() for each in vectors]
        data = [{"object": "embedding", "index": n, "embedding": each} for n, each in enumerate(vectors)]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return Reply.json({"object": "list", "model": asked["model"], "data": data, "usage": usage})

    def _models(self, _: Request) -> Reply:
        tuned = [job.record["fine_tuned_model"] for job in self._jobs.values() if job.status == "succeeded"]
        return Reply.json(
            {"object": "list", "data": [self._described(name) for name in (*self.shutdown_dates, *tuned)]}
        )

    def _model(self, _: Request, name: str) -> Reply:
        return (
            Reply.json(self._described(name))
            if name in self.shutdown_dates or name.startswith("ft:")
            else _missing(name)
        )

    def _described(self, name: str) -> JsonObject:
        ends = self.shutdown_dates.get(name)
        return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "faults", "shutdown_date": ends}


def refuse(status: int, code: str, message: str, retry_after: str | None = None) -> Reply:
    error = {"message": message, "type": code, "param": None, "code": code}
    reply = Reply.json({"error": error}, status)
    return replace(reply, headers={"retry-after": retry_after}) if retry_after else reply


def _missing(what: str) -> Reply:
    return refuse(404, "not_found", f"No such object: {what}")


def _shown(job: TrainingJob) -> bool:
    """Whether a list shows a job that it should; each list that does not brings the moment nearer."""
    if job.lag_lists:
        job.lag_lists -= 1
        return False
    return job.visible_at <= time.monotonic()


def _page(data: list[JsonObject], *, has_more: bool) -> JsonObject:
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return {"object": "list", "data": data, "has_more": has_more} | ends


def _stream(head: JsonObject, pieces: Iterable[str]) -> bytes:
    chunks: list[Any] = [{"content": piece} for piece in pieces]
    lines = [
        head | {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in [{"role": "assistant", "content": ""}, *chunks]
    ]
    lines[-1]["choices"][0]["finish_reason"] = "stop"
    return b"".join(b"data: " + json.dumps(line).encode() + b"\n\n" for line in lines) + b"data: [DONE]\n\n"


def _vector(text: str) -> list[float]:
    return [number / 2**31 - 1 for number in struct.unpack("8I", hashlib.sha256(text.encode()).digest())]


_ID = "([^/]+)"
_JOBS = "/v1/fine_tuning/jobs"
_ROUTES = tuple(
    (operation, method, re.compile(pattern), action)
    for operation, method, pattern, action in (
        ("upload", "POST", "/v1/files", ProviderApi._upload),
        ("files", "GET", "/v1/files", ProviderApi._files),
        ("file", "GET", f"/v1/files/{_ID}", ProviderApi._file),
        ("content", "GET", f"/v1/files/{_ID}/content", ProviderApi._content),
        ("delete-file", "DELETE", f"/v1/files/{_ID}", ProviderApi._delete_file),
        ("create", "POST", _JOBS, ProviderApi._create),
        ("list", "GET", _JOBS, ProviderApi._list),
        ("retrieve", "GET", f"{_JOBS}/{_ID}", ProviderApi._retrieve),
        ("cancel", "POST", f"{_JOBS}/{_ID}/(cancel)", ProviderApi._change),
        ("pause", "POST", f"{_JOBS}/{_ID}/(pause)", ProviderApi._change),
        ("resume", "POST", f"{_JOBS}/{_ID}/(resume)", ProviderApi._change),
        ("events", "GET", f"{_JOBS}/{_ID}/(events)", ProviderApi._told),
        ("checkpoints", "GET", f"{_JOBS}/{_ID}/(checkpoints)", ProviderApi._told),
        ("chat", "POST", "/v1/chat/completions", ProviderApi._chat),
        ("embeddings", "POST", "/v1/embeddings", ProviderApi._embeddings),
        ("models", "GET", "/v1/models", ProviderApi._models),
        ("model", "GET", f"/v1/models/{_ID}", ProviderApi._model),
    )
)
