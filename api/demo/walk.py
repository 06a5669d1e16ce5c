"""The loop as a user walks it: labels in, a model out, newer labels in, the next model, answers, feedback."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.console import Console

from api.commands.client import Api, path_of
from api.commands.errors import CommandError, JobError
from api.commands.following import follow
from api.commands.progress import reporter
from api.demo.asking import Answered, ask_all, wait_for_version
from api.demo.samples import Samples
from shared.contracts import JsonObject
from shared.pipelines.router.sample import SampleRow

PIPELINE = "router"
Announce = Callable[[str], AbstractContextManager[None]]
"""Opens a named step of the demo; an error inside it ends the demo with that name."""

_REACH_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Round:
    """One retraining: the flow's result, the frozen dataset, and the candidate with its metrics."""

    result: JsonObject
    ended_at: datetime
    dataset: JsonObject
    model: JsonObject


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that the demo's table shows."""

    rounds: Sequence[Round]
    active: JsonObject
    reached_after: timedelta | None
    """From the last promotion to the first answer of its model; None when the last round promoted nothing."""
    answered: Answered
    feedbacks: int
    lineage: JsonObject


class Walk:
    """Walks the loop through the public API; every step is announced and its jobs are shown."""

    def __init__(self, api: Api, console: Console, announce: Announce) -> None:
        self._api = api
        self._console = console
        self._announce = announce

    def whole_loop(self, samples: Samples) -> Findings:
        """Walk it once. Raises ``CommandError`` when a step fails."""
        first = self._learn(samples.older, "older labels")
        second = self._learn(samples.newer, "labels of the last days")
        asked = samples.asked
        with self._announce("Wait until the active model answers"):
            active = self._active_model()
            wait_for_version(self._api, active["version"], asked[0].query, seconds=_REACH_SECONDS)
            reached = datetime.now(UTC) - second.ended_at
        with self._announce(f"Ask {len(asked):,} queries"):
            answered = ask_all(self._api, [each.query for each in asked])
        with self._announce("Say what the uncertain ones truly were"):
            told = self._give_feedback(asked, answered)
        with self._announce("Trace an answer back to the people who labelled"):
            lineage = self._api.get(path_of("lineage", answered.answers[0]["queryId"]))
        return Findings(
            rounds=[first, second],
            active=active,
            reached_after=reached if second.result["promoted"] else None,
            answered=answered,
            feedbacks=told,
            lineage=lineage,
        )

    def _learn(self, labels: Sequence[SampleRow], what: str) -> Round:
        with self._announce(f"Import {len(labels):,} {what}"):
            self._import(labels)
        with self._announce("Retrain: freeze, train, evaluate, promote if the gates let it through"):
            job = self._finish(self._api.post(path_of(PIPELINE, "retrain"), {}))
            return self._round(job)

    def _import(self, labels: Iterable[SampleRow]) -> None:
        body = b"".join(_line(label) for label in labels)
        path = path_of(PIPELINE, "import")
        self._finish(self._api.upload(path, [body], content_type="application/x-ndjson"))

    def _round(self, job: JsonObject) -> Round:
        result = job["result"]
        return Round(
            result=result,
            ended_at=datetime.fromisoformat(job["finished_at"]),
            dataset=self._api.get(path_of("datasets", result["dataset_id"])),
            model=self._api.get(path_of("models", result["model_id"])),
        )

    def _active_model(self) -> JsonObject:
        found: list[JsonObject] = self._api.get("/v1/models", pipeline=PIPELINE, state="active")["items"]
        if not found:
            raise CommandError("no model is active: no candidate was let through")
        return found[0]

    def _give_feedback(self, asked: Sequence[SampleRow], answered: Answered) -> int:
        doubtful = [
            (answer["queryId"], truth.label)
            for truth, answer in zip(asked, answered.answers, strict=True)
            if answer["difficulty"] == "UNCERTAIN"
        ]
        for query_id, label in doubtful:
            self._api.post("/api/feedback", {"queryId": query_id, "label": label})
        return len(doubtful)

    def _finish(self, job: JsonObject) -> JsonObject:
        """Follow a job with its progress shown. Raises ``JobError`` unless it succeeds."""
        with reporter(self._console) as show:
            job = follow(self._api, job, show)
        if job["state"] != "succeeded":
            raise JobError(job)
        return job


def _line(label: SampleRow) -> bytes:
    row = {**label._asdict(), "labelled_at": label.labelled_at.isoformat()}
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"
