"""Fixtures of images: their steps with this process as the worker."""

import pytest

from shared.db.pool import get_database
from shared.settings import Settings
from tests.shared.pipelines.images.studio import Studio


@pytest.fixture
def studio(settings: Settings) -> Studio:
    """The pipeline images on a database of the test's own."""
    return Studio(get_database())
