"""Pairs of statements that wait for people in dedup's queue, and what a queue's page shows of them."""

from typing import Final

from playwright.sync_api import Locator, Page, expect

from shared.db.pool import Database
from tests.shared.pipelines.dedup.desk import Desk

PATH: Final = "/review/dedup/clusters"
_EMPTY: Final = (
    "TRUNCATE review_responses, review_reveals, review_skips, review_reworks, review_assignments, clusters, pairs,"
    " insights, merged_statements CASCADE"
)


def empty_desk(database: Database) -> Desk:
    """Return a desk on which nothing lies, and nobody has said anything."""
    desk = Desk(database)
    desk.change(_EMPTY)
    return desk


def put_pairs(desk: Desk, count: int = 12) -> list[str]:
    """Let pairs wait; returns them in the order in which they come."""
    for number in range(count):
        desk.cluster(f"Tea before {number}.", f"Coffee before {number}.", similarity=0.86 + number / 1000)
    return [item.id for item in desk.waiting(count, by="tester")]


def shown(page: Page) -> Locator:
    """Return the item that is shown."""
    return page.locator("#deck article:not([hidden])")


def shows(page: Page, item: str) -> None:
    """Wait until this item is shown."""
    expect(shown(page)).to_have_attribute("data-item", item)


def standing(desk: Desk) -> dict[str, str]:
    """Return what stands: the item, and what was said."""
    found = desk.rows("SELECT item_id, decision ->> 'decision' FROM review_responses WHERE retracted_at IS NULL")
    return dict(found)
