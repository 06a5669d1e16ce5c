"""Fixtures of images: their steps with this process as the worker."""

import os

import pytest

from shared.db.pool import get_database
from shared.settings import Settings
from tests.shared.pipelines.images.studio import Studio

# Many test processes share the machine: threads that wait for each other would wait for its cores as well.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def studio(settings: Settings) -> Studio:
    """The pipeline images on a database of the test's own."""
    return Studio(get_database())
