"""Query parameters that all lists share, and ids in paths."""

from typing import Annotated, Final

from fastapi import Path, Query

_ID: Final = r"^{prefix}_[0-9a-f]{{32}}$"

Limit = Annotated[int, Query(ge=1, le=200, description="How many items a page has at most.")]
Cursor = Annotated[
    str | None, Query(pattern=r"^[a-z0-9_]{1,64}$", description="`next_cursor` of the page before; none: the first.")
]
PipelineFilter = Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_-]{0,62}$", alias="pipeline")]
SurfaceFilter = Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,62}$", alias="surface")]

JobId = Annotated[str, Path(pattern=_ID.format(prefix="job"), description="`job_…`")]
ModelId = Annotated[str, Path(pattern=_ID.format(prefix="mdl"), description="`mdl_…`")]
DatasetId = Annotated[str, Path(pattern=_ID.format(prefix="ds"), description="`ds_…`")]
PredictionId = Annotated[str, Path(pattern=_ID.format(prefix="pred"), description="`pred_…`")]
KeyId = Annotated[str, Path(pattern=_ID.format(prefix="key"), description="`key_…`")]
AnyId = Annotated[
    str,
    Path(
        pattern=r"^(job|ds|mdl|pred|promo|eval|ex|img)_[0-9a-f]{32}$",
        description="An id of a prediction, model, promotion, evaluation, job, dataset or example.",
    ),
]
