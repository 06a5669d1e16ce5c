"""What all benchmarks share: durable servers of their own, interleaved rounds, and one table at the end."""

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.db.migrate import migrate
from shared.logs import configure_logs
from shared.settings import get_settings
from shared.stack.postgres import Postgres
from tests.support.processes import Processes
from tests.support.servers import PostgresProcess, RedisProcess

ROUNDS = 5


class DurablePostgres(PostgresProcess):
    """As a deployment runs it: what is acknowledged is on the disk."""

    _OPTIONS = {"max_connections": "200"}  # noqa: RUF012


@dataclass
class Bench:
    """A running stack of servers, the environment that names them, and the rows measured so far."""

    folder: Path
    postgres: Postgres
    redis: RedisProcess
    env: dict[str, str]
    processes: Processes
    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    def compare(
        self, what: str, ours: Callable[[], float], bare: Callable[[], float], target: str, unit: str = "/s"
    ) -> float:
        """Measure bare and ours in turn, ``ROUNDS`` times after one warm-up; note the medians and their ratio."""
        bare(), ours()
        pairs = [(bare(), ours()) for _ in range(ROUNDS)]
        ratio = statistics.median(mine / theirs for theirs, mine in pairs)
        base, product = (statistics.median(column) for column in zip(*pairs, strict=True))
        self.note(what, f"{base:,.4g}{unit}", f"{product:,.4g}{unit}", f"{ratio:.2f}", target)
        return ratio

    def note(self, what: str, bare: str, product: str, ratio: str, target: str) -> None:
        """Add a row to the table, and show it at once."""
        self.rows.append((what, bare, product, ratio, target))
        print(f"  {what}: bare {bare}, Tuneyard {product}, ratio {ratio} (target {target})", flush=True)

    def table(self) -> str:
        """Return the rows as Markdown."""
        lines = ["| what | bare | Tuneyard | ratio | target |", "|---|---|---|---|---|"]
        return "\n".join(lines + [f"| {' | '.join(row)} |" for row in self.rows])


@contextmanager
def running_bench() -> Iterator[Bench]:
    """Start durable servers in a folder that is removed afterwards, and point this process's settings at them."""
    with tempfile.TemporaryDirectory(prefix="tuneyard-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server's own account must pass through
        postgres = DurablePostgres.create(folder / "postgres")
        redis = RedisProcess.create(folder / "redis")
        logs = folder / "logs"
        logs.mkdir()
        try:
            postgres.start()
            redis.start()
            migrate(postgres.server.dsn())
            env = {
                "DATABASE_URL": postgres.server.dsn(),
                "REDIS_URL": redis.url,
                "TUNEYARD_HOME": str(folder / "home"),
                "TUNEYARD_PIPELINES": "tests.support.probe",
                "LOG_LEVEL": "WARNING",
            }
            os.environ.update(env)
            configure_logs(get_settings())
            processes = Processes({**os.environ}, logs)
            try:
                yield Bench(folder=folder, postgres=postgres.server, redis=redis, env=env, processes=processes)
            finally:
                processes.stop_all()
        finally:
            redis.kill()
            postgres.kill()
