"""All pages and actions of the site, in one list."""

from typing import Final

from fastapi import APIRouter

from api.review.actions import review as review_actions
from api.review.actions import sign_in
from api.review.pages import dataset, datasets, home, review, static

_PARTS: Final = (sign_in, dataset, datasets, home, review, review_actions, static)


def routers() -> list[APIRouter]:
    """Return the routers of all pages."""
    return [router for part in _PARTS for router in part.ROUTERS]
