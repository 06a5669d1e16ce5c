"""The model registry: candidates come in, at most one model of a surface is active, and every change is recorded.

Functions take an open transaction and leave the commit to the caller, so that what they write together is there
together or not at all.
"""

from dataclasses import dataclass

from psycopg import Connection

from shared import ids
from shared.artifacts import ArtifactStore, FileRef, Manifest
from shared.contracts import JsonObject, ModelState, Verdict
from shared.db import canaries, promotions
from shared.db import models as rows
from shared.db.evaluations import Evaluation
from shared.db.models import Model, active, find, get, list_models, set_evaluated
from shared.db.promotions import Promotion, PromotionKind
from shared.errors import CorruptError, NotFoundError
from shared.ids import canonical_json

__all__ = [
    "Change", "Model", "active", "find", "get", "hold", "list_models", "read_card", "read_report", "register",
    "set_evaluated", "store_card", "store_report", "switch",
]  # fmt: skip

_REPORT_FILE = "report.json"
_CARD_FILE = "card.md"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is to become of a surface: the model that becomes active (None: none), by whom and why.

    ``card`` is the hash of the model's new card, if it gets one; ``evaluation`` is what the change rests on, if any.
    ``verdicts`` are all that were asked for; None: those of the evaluation.
    """

    pipeline: str
    surface: str
    kind: PromotionKind
    to_model: str | None
    actor: str
    reason: str
    job_id: str | None
    evaluation: Evaluation | None = None
    verdicts: tuple[Verdict, ...] | None = None
    card: str | None = None


def register(
    conn: Connection,
    *,
    model_id: str,
    pipeline: str,
    surface: str,
    manifest: str,
    dataset_id: str,
    job_id: str | None,
    parameters: JsonObject,
    libraries: dict[str, str],
    metrics: JsonObject,
) -> Model:
    """Record a trained model as a candidate; return it with its version, as ``v20260101_120000``."""
    rows.lock_surface(conn, pipeline, surface)
    return rows.insert(
        conn, model_id=model_id, pipeline=pipeline, surface=surface, manifest=manifest, dataset_id=dataset_id,
        job_id=job_id, parameters=parameters, libraries=libraries, metrics=metrics,
    )  # fmt: skip


def hold(conn: Connection, pipeline: str, surface: str) -> Model | None:
    """Hold a surface until the transaction ends, and return its active model: it cannot change meanwhile."""
    rows.lock_surface(conn, pipeline, surface)
    return active(conn, pipeline, surface)


def switch(conn: Connection, change: Change) -> Promotion:
    """Move the pointer of a surface: retire what is active, activate the other, set its card, add to the history.

    A canary of the surface ends: it was compared with the model that was active, or is that model now.
    """
    before = hold(conn, change.pipeline, change.surface)
    canaries.end(conn, pipeline=change.pipeline, surface=change.surface, actor=change.actor, why=change.kind)
    if before:
        rows.set_state(conn, before.id, ModelState.RETIRED)
    if change.to_model:
        rows.set_state(conn, change.to_model, ModelState.ACTIVE)
        if change.card:
            rows.set_card(conn, change.to_model, change.card)
    promotion_id = ids.new_id(ids.PROMOTION)
    promotions.insert(
        conn,
        promotion_id=promotion_id,
        pipeline=change.pipeline,
        surface=change.surface,
        kind=change.kind,
        from_model=before.id if before else None,
        to_model=change.to_model,
        evaluation_id=change.evaluation.id if change.evaluation else None,
        verdicts=_verdicts(change),
        actor=change.actor,
        reason=change.reason,
        job_id=change.job_id,
    )
    return promotions.get(conn, promotion_id)


def _verdicts(change: Change) -> tuple[Verdict, ...]:
    if change.verdicts is not None:
        return change.verdicts
    return change.evaluation.verdicts if change.evaluation else ()


# --- reports and cards ----------------------------------------------------------------------------------------------


def store_report(store: ArtifactStore, report: JsonObject) -> str:
    """Store an evaluation's report; return the hash of its artifact."""
    return _store(store, "report", _REPORT_FILE, canonical_json(report))


def store_card(store: ArtifactStore, markdown: str) -> str:
    """Store a model card; return the hash of its artifact."""
    return _store(store, "card", _CARD_FILE, markdown.encode())


def read_report(store: ArtifactStore, evaluation: Evaluation) -> bytes:
    """Return an evaluation's report (JSON). Raises NotFoundError or CorruptError."""
    return _read(store, evaluation.report, _REPORT_FILE)


def read_card(store: ArtifactStore, model: Model) -> str:
    """Return a model's card (Markdown). Raises NotFoundError when it has none yet, or CorruptError."""
    if model.card is None:
        raise NotFoundError(f"model {model.id} has no card yet", advice=f"run {model.pipeline}.evaluate on it")
    return _read(store, model.card, _CARD_FILE).decode()


def _store(store: ArtifactStore, kind: str, name: str, data: bytes) -> str:
    files: dict[str, FileRef] = {name: store.put(data)}
    return store.publish(Manifest(kind=kind, files=files))


def _read(store: ArtifactStore, sha256: str, name: str) -> bytes:
    manifest = store.manifest(sha256)
    if name not in manifest.files:
        raise CorruptError(f"the artifact {sha256} has no {name}")
    with store.open(manifest.files[name]) as file:
        return file.read()
