"""Fixtures of dedup: its people and steps, with this process as the worker."""

import pytest

from shared.db.pool import get_database
from shared.settings import Settings
from tests.shared.pipelines.dedup.desk import Desk


@pytest.fixture
def desk(settings: Settings) -> Desk:
    """Dedup on a database of the test's own."""
    return Desk(get_database())
