"""Gold on real processes, with our own trainer as the provider: from Jobber's reports to a second fine-tune."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from shared.artifact_stores import open_store
from shared.db.pool import Database
from shared.files import uploads_of
from shared.pipelines.gold import sample, sample_expert
from shared.settings import Settings
from shared.stack.process import ChildProcess
from tests.support.leaks import in_blobs, in_logs, in_redis, in_tables
from tests.support.processes import ApiServer
from tests.support.waiting import wait_until

PEOPLE = re.compile(r"Abernathy|Brandvold|Castellano|Dragomir|mail\.example|555-0|Larch Lane|gate code")
ENDED = {"succeeded", "failed", "cancelled"}


@dataclass(frozen=True)
class Desk:
    """Who works with gold over HTTP."""

    client: httpx.Client

    def run(self, step: str, **params: Any) -> dict[str, Any]:
        """Run a step to its success; return its result."""
        job = self.end(step, **params)
        assert job["state"] == "succeeded", job["error"]
        result: dict[str, Any] = job["result"]
        return result

    def end(self, step: str, **params: Any) -> dict[str, Any]:
        """Run a step to its end; return the job."""
        answer = self.client.post(f"/v1/gold/{step}", json=params)
        assert answer.is_success, answer.text
        where = f"/v1/jobs/{answer.json()['id']}"
        return wait_until(lambda: self._ended(where), timeout=90, message=f"gold.{step} did not end")

    def _ended(self, where: str) -> dict[str, Any] | None:
        job: dict[str, Any] = self.client.get(where).raise_for_status().json()
        return job if job["state"] in ENDED else None

    def upload(self, path: Path) -> str:
        answer = self.client.post("/v1/uploads", content=path.read_bytes())
        assert answer.is_success, answer.text
        return str(answer.json()["upload"])

    def file(self, job: dict[str, Any], name: str, folder: Path) -> Path:
        path = folder / name
        path.write_bytes(self.client.get(f"/v1/jobs/{job['id']}/files/{name}").raise_for_status().content)
        return path


@pytest.fixture
def desk(
    api_server: Callable[..., ApiServer], workers: Callable[..., list[ChildProcess]], api_key: str
) -> Callable[[], ApiServer]:
    """Start a front and all workers; the finetune worker's provider is the front's own API."""

    def start() -> ApiServer:
        server = api_server(LOG_LEVEL="DEBUG")
        settings = {"SWEEP_SECONDS": "0.5", "LOG_LEVEL": "DEBUG", "TUNEYARD_URL": server.url, "TUNEYARD_KEY": api_key}
        workers("db", "gpu", "inference", "sweeps", "beat", "finetune", **settings)
        return server

    return start


@pytest.mark.slow(33)
@pytest.mark.timeout(240)
def test_gold_goes_from_reports_to_a_second_fine_tune_that_errs_less(
    desk: Callable[[], ApiServer], database: Database, redis_url: str, settings: Settings, tmp_path: Path
) -> None:
    with desk().client() as client:
        at = Desk(client)
        uploads = _curate(at, tmp_path)
        first = _first_model(at)
        answered = _answers(at, first, database)
        pages = _second_model(at, first, tmp_path)
    places = {"what people were shown": json.dumps(answered) + pages, "redis": in_redis(redis_url)}
    places |= in_tables(database) | in_logs(tmp_path / "logs") | _in_artifacts(settings, uploads)
    assert {place: found[0] for place, text in places.items() if (found := PEOPLE.search(text))} == {}
    assert len(places) > 60


def _in_artifacts(settings: Settings, uploads: set[str]) -> dict[str, str]:
    """Return all that is stored but for the reports themselves, as they were sent."""
    url = settings.artifacts()
    return in_blobs(uploads_of(open_store(url, settings)), Path(urlsplit(url).path), besides=uploads)


def _curate(at: Desk, folder: Path) -> set[str]:
    """Bring reports in, and let a person decide about most of the drafts. Returns the reports' uploads."""
    sample.write_reports(folder)
    reports = {name: at.upload(folder / f"{name}.csv") for name in ("quotes", "invoices", "jobs")}
    at.run("reseed", **reports)
    drafts = at.file(at.end("export-drafts"), "drafts.json", folder)
    sample_expert.answer_file(drafts, share=0.6)
    at.run("import-gold", file=at.upload(drafts), skip_untouched=True)
    return set(reports.values())


def _first_model(at: Desk) -> dict[str, Any]:
    """Train the first model; the untuned base breaks rules whatever it is asked."""
    first = at.run("retrain", live=True)
    assert first["promoted"], first["sentence"]
    assert {v["gate"]: v["outcome"] for v in first["verdicts"]} == {
        "agreement": "pass",
        "no_regression": "pass",
        "offenders": "pass",
    }
    base = at.run("smoke-test", model="local-nearest", only="held-out")
    assert base["held_out"]["offender_rate"] == 1.0
    return first


def _answers(at: Desk, first: dict[str, Any], database: Database) -> list[dict[str, Any]]:
    """Ask about a snapshot: the active model answers, grounded; the untuned base ends in the fallback."""
    with database.reading() as conn:
        (snapshot,) = conn.execute("SELECT snapshot FROM ml.examples ORDER BY window_to DESC, id LIMIT 1").fetchone()  # type: ignore[misc]
    guarded = at.run("infer", snapshot=snapshot)
    assert guarded["path"] in ("model", "cache", "rewrite")
    assert guarded["model_id"] == first["model_id"]
    assert guarded["answer"]["evidence"]
    untuned = at.run("infer", snapshot=snapshot, model="local-nearest")
    assert (untuned["path"], untuned["reason"], untuned["model_id"]) == ("fallback", "broken-rules", None)
    assert untuned["answer"]["decision"].startswith("Insufficient evidence")
    shown = at.client.get(f"/v1/predictions/{guarded['prediction_id']}").raise_for_status().json()
    assert shown["output"] == guarded["answer"]
    refused = at.client.post("/v1/gold/infer", json={"snapshot": {"signals": {"name": "canary"}}})
    assert refused.status_code == 422
    assert "canary" not in refused.text
    return [guarded, untuned]


def _second_model(at: Desk, first: dict[str, Any], folder: Path) -> str:
    """Correct what broke rules, and train again; return all that was shown to people on the way."""
    smoked = at.run("smoke-test")
    assert smoked["model_id"] == first["model_id"]
    assert smoked["all"]["offenders"] > 0
    at.run("extract-offenders")
    report = at.end("smoke-report")
    page = at.file(report, "smoke_report.html", folder).read_text(encoding="utf-8")
    assert page.count("<article>") == report["result"]["all"]["offenders"]
    nothing_yet = at.run("finetune-v2", live=True)
    assert not nothing_yet["promoted"]
    assert "gold.approve-negatives" in nothing_yet["sentence"]
    negatives = at.file(at.end("gen-negatives"), "negatives.json", folder)
    sample_expert.answer_file(negatives)
    approved = at.run("approve-negatives", file=at.upload(negatives))
    assert approved["approved"] == approved["rewritten"] > 0
    second = at.run("finetune-v2", live=True)
    assert second["promoted"], second["sentence"]
    assert second["after"]["offender_rate"] < second["before"]["offender_rate"]
    assert second["after"]["rows"] == second["before"]["rows"]
    assert "fewer_offenders" in {v["gate"] for v in second["verdicts"]}
    return page + json.dumps([smoked, report, second]) + negatives.read_text(encoding="utf-8")
