"""One prediction over onnxruntime and over scikit-learn's pipeline; features of a query; importing the front."""

import json
import statistics
import subprocess
import sys
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from shared.pipeline import Row
from shared.pipelines.router import sample
from shared.pipelines.router import train as training
from shared.pipelines.router.contracts import group_of
from shared.pipelines.router.features import FeatureRow
from shared.pipelines.router.model import RouterModel, load
from tests.bench.harness import ROUNDS, Bench
from tests.bench.onnx_file import router_graph

_ROWS: Final = 2000
_CALLS: Final = 1000
_QUERY: Final = "Compare the two approaches and prove which of them needs fewer steps when n = 12, and say why at all."
_IMPORT: Final = """
import json, time
started = time.perf_counter()
import api.app
took = time.perf_counter() - started
status = open("/proc/self/status").read()
print(json.dumps([took, int(status.split("VmHWM:")[1].split()[0]) / 1024]))
"""


def run(bench: Bench) -> None:
    """Train on the sample in this process, then measure single calls."""
    folder = bench.folder / "model"
    folder.mkdir()
    rows = _rows()
    training.train(rows, folder, lambda *_: None)
    model = load(folder)
    computed = model._features.row(_QUERY)
    one = _microseconds(lambda: model.probabilities(computed))
    bench.compare(
        "one prediction, features computed, over onnxruntime on the same product",
        one, _microseconds(_onnxruntime(model, computed)), "≤ 2", unit=" µs",
    )  # fmt: skip
    bench.compare(
        "one prediction, features computed, over scikit-learn's pipeline",
        one, _microseconds(_sklearn(model, rows, computed)), "≤ 0.05", unit=" µs",
    )  # fmt: skip
    _note_features(bench, model, rows)
    _note_import(bench)


def _rows() -> list[Row]:
    made = sample.make(rows=_ROWS, seed=1, now=datetime.now(UTC))
    return [
        Row(id=f"ex_{n}", group=group_of(r.query), split="train", input=r.query, label=r.label, at=r.labelled_at)
        for n, r in enumerate(made)
    ]


def _microseconds(action: Callable[[], Any]) -> Callable[[], float]:
    return lambda: timeit.timeit(action, number=_CALLS) / _CALLS * 1e6


def _onnxruntime(model: RouterModel, row: FeatureRow) -> Callable[[], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    graph = router_graph(model._weights.astype(np.float32), model._bias.astype(np.float32))
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    inputs = {"places": row.places, "values": row.values.astype(np.float32)[None]}
    assert np.allclose(session.run(None, inputs)[0][0], model.probabilities(row), atol=1e-5)
    return lambda: session.run(None, inputs)


def _sklearn(model: RouterModel, rows: list[Row], row: FeatureRow) -> Callable[[], Any]:
    """Return the call of a pipeline over the same features, scaling and logistic regression, as its users write it."""
    from scipy.sparse import csr_matrix, vstack
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler

    def matrix(features: FeatureRow) -> Any:
        shape = (1, model._features.size)
        return csr_matrix((features.values, (np.zeros(len(features.places), np.int64), features.places)), shape)

    few = list(islice(rows, 300))
    pipeline = make_pipeline(MaxAbsScaler(), LogisticRegression(max_iter=20, tol=0.1))
    pipeline.fit(vstack([matrix(model._features.row(r.input)) for r in few]), [r.label for r in few])
    inputs = matrix(row)
    return lambda: pipeline.predict_proba(inputs)


def _note_features(bench: Bench, model: RouterModel, rows: list[Row]) -> None:
    """Note the time of features: of a text whose words are known, and of texts that come one after another."""
    row = model._features.row
    known = statistics.median(_microseconds(lambda: row(_QUERY))() for _ in range(ROUNDS))
    bench.note(f"features of a query of {len(_QUERY)} characters, cached", "-", f"{known:.1f} µs", "-", "≤ 120 µs")
    texts = [r.input for r in rows]
    mixed = min(timeit.repeat(lambda: [row(text) for text in texts], number=1, repeat=ROUNDS)) / len(texts) * 1e6
    mean = statistics.mean(map(len, texts))
    bench.note(f"features, {len(texts):,} queries of {mean:.0f} characters", "-", f"{mixed:.1f} µs", "-", "≤ 120 µs")


def _note_import(bench: Bench) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", _IMPORT]
    figures = [json.loads(subprocess.check_output(command, cwd=root, text=True)) for _ in range(ROUNDS)]
    seconds, mib = (statistics.median(column) for column in zip(*figures, strict=True))
    bench.note("import of api.app", "-", f"{seconds:.2f} s, {mib:.0f} MiB", "-", "≤ 1 s, ≤ 120 MiB")
