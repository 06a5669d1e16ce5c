"""Moving the pointer of a surface to another model, and what is said about it. For promote, activate and rollback."""

from psycopg import Connection

from shared import models
from shared.contracts import Contract, Verdict
from shared.files import ResultFiles
from shared.models import Change, Model


class PromotionResult(Contract):
    """What became of a surface. Not promoted: nothing changed, and the sentence says why.

    ``model_id`` and ``version`` name the model that it was about, ``previous_id`` the one that was active before.
    ``files`` are a promotion's report and the model's card, and ``advice`` says what to look at.
    """

    promoted: bool
    sentence: str
    surface: str
    model_id: str | None
    version: str | None
    previous_id: str | None = None
    promotion_id: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    dry_run: bool = False
    forced: bool = False
    advice: str = ""
    files: ResultFiles | None = None


def not_promoted(
    surface: str, sentence: str, model: Model | None, verdicts: tuple[Verdict, ...] = ()
) -> PromotionResult:
    """Say that nothing changed, and why."""
    return PromotionResult(
        promoted=False,
        sentence=sentence,
        surface=surface,
        model_id=model.id if model else None,
        version=model.version if model else None,
        verdicts=verdicts,
    )


def make_active(conn: Connection, model: Model, change: Change) -> PromotionResult:
    """Make a model the active one, in the caller's transaction, and say so. Hold the surface before deciding this."""
    promotion = models.switch(conn, change)
    if promotion.from_model:
        instead = f"in the place of {models.get(conn, promotion.from_model).version}"
    else:
        instead = "where none was active before"
    return PromotionResult(
        promoted=True,
        sentence=f"{model.pipeline} {model.version} is active now, {instead}.",
        surface=model.surface,
        model_id=model.id,
        version=model.version,
        previous_id=promotion.from_model,
        promotion_id=promotion.id,
        verdicts=promotion.verdicts,
    )
