"""Fixtures of the stages: their steps with this process as the worker."""

import pytest

from shared.db.pool import get_database
from shared.settings import Settings
from tests.shared.pipelines.stages.office import Office


@pytest.fixture
def office(settings: Settings) -> Office:
    """The stages on a database of the test's own."""
    return Office(get_database())
