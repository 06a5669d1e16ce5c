"""Fixtures of gold's data: sample reports, written once, and gold's steps with this process as the worker."""

from pathlib import Path

import pytest

from shared.db.pool import get_database
from shared.pipelines.gold.sample import write_reports
from shared.settings import Settings
from tests.shared.pipelines.gold.firm import Gold


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with quotes.csv, invoices.csv and jobs.csv."""
    folder = tmp_path_factory.mktemp("reports")
    write_reports(folder)
    return folder


@pytest.fixture
def gold(settings: Settings, reports: Path) -> Gold:
    return Gold(get_database(), "gold", reports)
