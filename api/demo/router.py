"""The router's loop as a user walks it: labels in, a model out, newer labels in, the next model, answers, feedback."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.commands.client import path_of
from api.commands.errors import CommandError
from api.demo.asking import Answered, ask_all, wait_for_version
from api.demo.samples import Samples
from api.demo.walker import Walker
from shared.contracts import JsonObject
from shared.pipelines.router.sample import SampleRow

PIPELINE = "router"
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


class RouterWalk(Walker):
    """From labels to answers and feedback, twice."""

    pipeline = PIPELINE

    def whole_loop(self, samples: Samples) -> Findings:
        """Walk it once. Raises ``CommandError`` when a step fails."""
        first = self._learn(samples.older, "older labels")
        second = self._learn(samples.newer, "labels of the last days")
        asked = samples.asked
        with self.announce("Wait until the active model answers"):
            active = self._active_model()
            wait_for_version(self.api, active["version"], asked[0].query, seconds=_REACH_SECONDS)
            reached = datetime.now(UTC) - second.ended_at
        with self.announce(f"Ask {len(asked):,} queries"):
            answered = ask_all(self.api, [each.query for each in asked])
        with self.announce("Say what the uncertain ones truly were"):
            told = self._give_feedback(asked, answered)
        with self.announce("Trace an answer back to the people who labelled"):
            lineage = self.api.get(path_of("lineage", answered.answers[0]["queryId"]))
        return Findings(
            rounds=[first, second],
            active=active,
            reached_after=reached if second.result["promoted"] else None,
            answered=answered,
            feedbacks=told,
            lineage=lineage,
        )

    def _learn(self, labels: Sequence[SampleRow], what: str) -> Round:
        with self.announce(f"Import {len(labels):,} {what}"):
            self._import(labels)
        with self.announce("Retrain: freeze, train, evaluate, promote if the gates let it through"):
            job = self.run("retrain")
            return self._round(job)

    def _import(self, labels: Iterable[SampleRow]) -> None:
        body = b"".join(_line(label) for label in labels)
        path = path_of(PIPELINE, "import")
        self.finish(self.api.upload(path, [body], content_type="application/x-ndjson"))

    def _round(self, job: JsonObject) -> Round:
        result = job["result"]
        return Round(
            result=result,
            ended_at=datetime.fromisoformat(job["finished_at"]),
            dataset=self.api.get(path_of("datasets", result["dataset_id"])),
            model=self.api.get(path_of("models", result["model_id"])),
        )

    def _active_model(self) -> JsonObject:
        found: list[JsonObject] = self.api.get("/v1/models", pipeline=PIPELINE, state="active")["items"]
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
            self.api.post("/api/feedback", {"queryId": query_id, "label": label})
        return len(doubtful)


def _line(label: SampleRow) -> bytes:
    row = {**label._asdict(), "labelled_at": label.labelled_at.isoformat()}
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"
