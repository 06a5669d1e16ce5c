"""Fixtures of the loop's tests."""

from collections.abc import Callable, Iterator

import pytest

from shared import registry
from shared.db.pool import get_database
from shared.settings import Settings, get_settings
from tests.support.school import STUDENT, School


@pytest.fixture
def school(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    """The loop over the student pipeline; this process is its worker."""
    monkeypatch.setenv("TUNEYARD_PIPELINES", STUDENT)
    monkeypatch.setenv("STUDENT_SKILL", "70")
    _forget()
    yield School(get_database())
    monkeypatch.undo()
    _forget()


@pytest.fixture
def skill(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set how many of a hundred questions the next student will know."""
    return lambda share: monkeypatch.setenv("STUDENT_SKILL", str(share))


def _forget() -> None:
    for remembered in (get_settings, registry.pipelines, registry.steps):
        remembered.cache_clear()
