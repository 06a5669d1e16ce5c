"""All pages and actions of the site, in one list."""

from typing import Final

from fastapi import APIRouter

from api.review.actions import assigning, sign_in
from api.review.actions import jobs as jobs_actions
from api.review.actions import models as model_actions
from api.review.actions import review as review_actions
from api.review.actions import submit as submit_actions
from api.review.pages import (
    dataset,
    datasets,
    drift,
    flower,
    home,
    job,
    jobs,
    lineage,
    model,
    models,
    provider,
    review,
    static,
    submit,
    surface,
)

_PARTS: Final = (
    sign_in, assigning, dataset, datasets, drift, flower, home, job, jobs, jobs_actions, lineage, model, model_actions,
    models, provider, review, review_actions, static, submit, submit_actions, surface,
)  # fmt: skip


def routers() -> list[APIRouter]:
    """Return the routers of all pages."""
    return [router for part in _PARTS for router in part.ROUTERS]
