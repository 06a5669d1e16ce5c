"""``python -m tests.bench [SECTION ...]``: run the benchmarks and print one table of ratios."""

import os
import sys
from importlib import import_module

from tests.bench.harness import running_bench

SECTIONS = (
    "queue_jobs",
    "submit",
    "query",
    "data",
    "models",
    "local",
    "sweep",
    "validator",
    "stages",
    "packs",
    "decode",
    "score_images",
    "train_images",
    "cluster",
    "ingest",
    "embed",
    "predict",
    "next_item",
    "review_page",
)


def main(names: list[str]) -> None:
    """Run the named sections, or all."""
    unknown = set(names) - set(SECTIONS)
    if unknown:
        raise SystemExit(f"no such section: {', '.join(sorted(unknown))}; choose from {', '.join(SECTIONS)}")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as workers run; read when the libraries load
    with running_bench() as bench:
        for name in names or SECTIONS:
            print(name, flush=True)
            import_module(f"tests.bench.{name}").run(bench)
        print(f"\n{bench.table()}")


if __name__ == "__main__":
    main(sys.argv[1:])
