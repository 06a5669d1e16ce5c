"""What a promotion leaves for people, whether it promoted or not: its report (JSON) and the model's card (Markdown)."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.contracts import JsonObject, Verdict
from shared.db.datasets import DatasetRecord
from shared.files import ResultFiles, publish_files
from shared.loop.canary_report import CanaryReport
from shared.loop.card import model_card
from shared.loop.promotable import Case
from shared.models import Model
from shared.pipeline import Run

Ending = Literal["promoted", "blocked", "dry-run"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a promotion was decided on, for its report. Without an evaluation there is no ``case``."""

    model: Model
    active: Model | None
    case: Case | None
    evaluated_on: DatasetRecord | None
    canary: CanaryReport | None
    reason: str
    dry_run: bool
    at: datetime


def report_name(evidence: Evidence) -> str:
    """Return the report's name with its folders."""
    return f"train/promotion/reports/{evidence.model.surface}/promotion_{evidence.at:%Y%m%dT%H%M%SZ}.json"


def card_of(run: Run, evidence: Evidence, ending: Ending, sentence: str) -> str | None:
    """Write the model's card, or return None for a model that has not been evaluated."""
    case = evidence.case
    if case is None or evidence.evaluated_on is None:
        return None
    waived = f" {_waiver(case, evidence.reason)}" if case.waived else ""
    promotion = {
        "promoted": f"Promoted by {run.actor} with job `{run.job_id}`, on evaluation `{case.evaluation.id}`.{waived}",
        "blocked": f"Not promoted: {sentence}",
        "dry-run": f"A dry run: {sentence}",
    }[ending]
    return model_card(
        evidence.model,
        evidence.evaluated_on,
        metrics=case.evaluation.metrics,
        verdicts=case.verdicts,
        promotion=promotion,
    )


def _waiver(case: Case, reason: str) -> str:
    return f"Forced ({reason}): {', '.join(verdict.gate for verdict in case.waived)} waived."


def promotion_files(run: Run, evidence: Evidence, ending: Ending, sentence: str, card: str | None) -> ResultFiles:
    """Store the report, and the card where there is one, under the names that people look for."""
    report = json.dumps(_report(run, evidence, ending, sentence), indent=2, ensure_ascii=False) + "\n"
    files = {report_name(evidence): report.encode()}
    if card is not None:
        files[f"train/model_cards/{evidence.model.surface}/{evidence.model.id}.md"] = card.encode()
    return publish_files(run.artifacts, files)


def _report(run: Run, evidence: Evidence, ending: Ending, sentence: str) -> JsonObject:
    case = evidence.case
    return {
        "outcome": ending,
        "dry_run": evidence.dry_run,
        "sentence": sentence,
        "at": evidence.at.isoformat(timespec="seconds"),
        "actor": run.actor,
        "reason": evidence.reason,
        "job_id": run.job_id,
        "pipeline": evidence.model.pipeline,
        "surface": evidence.model.surface,
        "model": _identity(evidence.model),
        "active": _identity(evidence.active) if evidence.active else None,
        "forced": bool(case and case.force),
        "waived": [verdict.gate for verdict in case.waived] if case else [],
        "evaluation": _evaluation(case) if case else None,
        "eligibility": _verdicts(case.eligibility) if case else [],
        "reports": _verdicts(case.reports) if case else [],
        "canary": evidence.canary.model_dump(mode="json") if evidence.canary else None,
    }


def _identity(model: Model) -> JsonObject:
    return {
        "id": model.id,
        "version": model.version,
        "manifest": model.manifest,
        "dataset_id": model.dataset_id,
        "provider_model": model.parameters.get("provider_model"),
    }


def _evaluation(case: Case) -> JsonObject:
    found = case.evaluation
    return {
        "id": found.id,
        "dataset_id": found.dataset_id,
        "active_id": found.active_id,
        "rows": case.evaluated_rows,
        "passed": found.passed,
        "metrics": found.metrics,
        "verdicts": _verdicts(found.verdicts),
    }


def _verdicts(verdicts: tuple[Verdict, ...]) -> list[JsonObject]:
    return [verdict.model_dump(mode="json") for verdict in verdicts]
