"""The page docs/adding-a-pipeline.md, done as it says: its SQL, its module, its steps."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared import registry
from shared.db.pool import Database
from shared.settings import Settings, get_settings
from tests.support.processes import ROOT
from tests.support.school import School

PAGE = (ROOT / "docs" / "adding-a-pipeline.md").read_text()
MODULE = "priority"


def block(language: str) -> str:
    (code,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(code)


@pytest.fixture
def page(database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    (tmp_path / f"{MODULE}.py").write_text(block("python"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TUNEYARD_PIPELINES", MODULE)
    caches = (get_settings, registry.pipelines, registry.steps)
    for cache in caches:
        cache.cache_clear()
    with database.transaction() as conn:
        conn.execute(block("sql").encode())
    yield School(database, MODULE)
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def _label(database: Database, tickets: int) -> None:
    now = datetime.now(UTC)
    rows = [
        (f"ex_{n:04}", f"customer {n % 40}", "the site is down" if n % 3 == 0 else "how do I pay", n % 3 == 0, now)
        for n in range(tickets)
    ]
    with database.transaction() as conn, conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tickets (id, customer, body, urgent, labelled_at, labelled_by)"
            " VALUES (%s, %s, %s, %s, %s, 'ana')",
            rows,
        )


def test_the_pipeline_of_the_page_goes_through_the_loop(page: School, database: Database) -> None:
    _label(database, 300)
    assert page.run("count")["labels"] == {"urgent": 100, "normal": 200}
    result = page.run("retrain")
    assert result["promoted"], result["sentence"]
    assert result["metrics"]["all"]["candidate"]["accuracy"] > 0.9
    assert page.active() == result["model_id"]
    again = page.run("retrain")
    assert not again["promoted"]
    assert "byte for byte" in again["sentence"]


def test_it_refuses_to_learn_from_too_little(page: School, database: Database) -> None:
    _label(database, 37)
    assert page.refusal("retrain")["message"] == "insufficient training data: 37 of 50"
