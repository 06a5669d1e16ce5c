"""Fixtures of the stages: their steps with this process as the worker."""

from collections.abc import Iterator

import pytest

from shared import registry
from shared.db.pool import get_database
from shared.settings import Settings, get_settings
from tests.shared.pipelines.stages.office import Office

_REMEMBERED = (get_settings, registry.pipelines, registry.steps)


@pytest.fixture
def office(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """The stages on a database of the test's own."""
    monkeypatch.setenv("TUNEYARD_PIPELINES", "tests.shared.pipelines.stages.alone")
    for remembered in _REMEMBERED:
        remembered.cache_clear()
    yield Office(get_database())
    monkeypatch.undo()
    for remembered in _REMEMBERED:
        remembered.cache_clear()
