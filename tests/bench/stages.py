"""Datasets and diversity of the stages on 200,000 rows: over raw COPY, over reading JSON, and their memory.

``python -m tests.bench.stages FOLDER`` measures the files of a folder, and prints how much memory that added, in MiB.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg

from shared.contracts import Outcome
from shared.db.pool import get_database
from shared.db.stages import Chosen, lines
from shared.pipelines.stages.contracts import canonical
from shared.pipelines.stages.diversity import dataset_rows, gates, measure
from shared.pipelines.stages.policy import DiversityPolicy, policy
from shared.pipelines.stages.recipe import recipe
from shared.pipelines.stages.sample import sample_rows
from shared.pipelines.stages.versions import STAGES, SYNTHESIS
from shared.settings import get_settings
from tests.bench.harness import Bench
from tests.bench.steps import finish, resident

_BUSINESSES: Final = 400
_COPIES: Final = 100
_ROWS: Final = _BUSINESSES * _COPIES * len(STAGES)
_KIND: Final = "stages.build-datasets"
_STAGED: Final = "CREATE TEMPORARY TABLE made (stage text, industry text, business text, input jsonb, output jsonb)"
_FILL: Final = """
INSERT INTO stage_rows (id, stage, industry, group_key, input, output, source, approved, note, decided_by, decided_at)
SELECT 'ex_' || md5(stage || business || n), stage, industry, business, input, output, 'import', true, 'good',
       'bench', now()
FROM made, generate_series(1, %s) AS n
"""
_BARE: Final = """
COPY (SELECT row_to_json(line) FROM (
    SELECT id, stage, industry, group_key AS business, approved, input, output, decided_at AS at
    FROM stage_rows WHERE approved) AS line) TO STDOUT
"""


def run(bench: Bench) -> None:
    """Fill the table, write its rows as files, then measure those."""
    _fill()
    bench.compare(
        f"{_KIND}, {_ROWS:,} rows of five stages checked against their contracts, over bare COPY",
        _build, _bare_build, "≥ 0.2", unit=" rows/s",
    )  # fmt: skip
    bench.note(f"memory that {_KIND} adds", "-", f"{_added('tests.bench.steps', _KIND):.0f} MiB", "-", "≤ 64 MiB")
    folder = _files(bench.folder / "stages")
    bench.compare(
        f"diversity of {_ROWS:,} rows of five stages, over reading their JSON",
        partial(_diversity, folder), partial(_bare_diversity, folder), "≥ 0.5", unit=" rows/s",
    )  # fmt: skip
    added = _added("tests.bench.stages", str(folder))
    bench.note("memory that diversity adds", "-", f"{added:.0f} MiB", "-", "≤ 64 MiB")
    _recipe(bench, folder)


def _fill() -> None:
    with psycopg.connect(get_settings().dsn()) as conn:
        conn.execute(_STAGED)
        with conn.cursor().copy("COPY made FROM STDIN") as copy:
            for row in sample_rows(_BUSINESSES, seed=1):
                copy.write_row((row.stage, row.industry, row.business, canonical(row.input), canonical(row.output)))
        assert conn.execute(_FILL, [_COPIES]).rowcount == _ROWS
        conn.commit()
        conn.autocommit = True
        conn.execute("VACUUM ANALYZE stage_rows")  # as autovacuum does within a minute


def _files(folder: Path) -> Path:
    """Write the rows of each stage as the step does."""
    folder.mkdir()
    with get_database().transaction() as conn:
        for stage in STAGES:
            with (folder / stage).open("wb") as file:
                file.writelines(lines(conn, Chosen(stage=stage)))
    return folder


def _rate(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return _ROWS / (time.perf_counter() - started)


def _build() -> float:
    return _rate(partial(finish, _KIND))


def _bare_build() -> float:
    def read() -> None:
        with psycopg.connect(get_settings().dsn()) as conn, conn.cursor().copy(_BARE) as copy:
            assert sum(1 for _ in copy) == _ROWS

    return _rate(read)


def _measure(folder: Path) -> None:
    for stage in STAGES:
        with (folder / stage).open("rb") as file:
            found = measure(stage, dataset_rows(stage, file))
        assert found.rows == _BUSINESSES * _COPIES
        gates(found, policy().training_diversity, policy().live)


def _diversity(folder: Path) -> float:
    return _rate(partial(_measure, folder))


def _bare_diversity(folder: Path) -> float:
    def read() -> None:
        for stage in STAGES:
            with (folder / stage).open("rb") as file:
                for line in file:
                    orjson.loads(line)

    return _rate(read)


def _recipe(bench: Bench, folder: Path) -> None:
    """Note how long the recipe takes that reads the rows most often: most are of one industry, and actions repeat."""
    rules = DiversityPolicy(max_duplicate_actions_share=0.002)

    def read() -> Iterator[Any]:
        with (folder / SYNTHESIS).open("rb") as file:
            for place, row in enumerate(dataset_rows(SYNTHESIS, file)):
                yield row._replace(industry="plumbing") if place % 4 else row

    assert any(verdict.outcome is Outcome.FAIL for verdict in gates(measure(SYNTHESIS, read()), rules))
    started = time.perf_counter()
    found = recipe(SYNTHESIS, read, rules)
    took = time.perf_counter() - started
    ways = ", ".join(way.name for way in found.ways)
    bench.note(f"recipe for {_BUSINESSES * _COPIES:,} rows ({ways})", "-", f"{took:.1f} s", "-", "≤ 10 s")


def _added(module: str, argument: str) -> float:
    command = [sys.executable, "-m", module, argument]
    output = subprocess.check_output(command, cwd=Path(__file__).parents[2], text=True)
    return float(json.loads(output.splitlines()[-1])[1])


if __name__ == "__main__":
    before = resident(peak=False)
    _measure(Path(sys.argv[1]))
    print(json.dumps([resident(peak=True), resident(peak=True) - before]))
