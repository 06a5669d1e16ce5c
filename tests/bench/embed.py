"""Vectors of texts by ``local-minilm``: over its bare graph on texts that are numbers already, and over one by one.

``python -m tests.bench.embed COUNT`` trains ``local-nearest`` on so many pairs of texts, and prints the seconds.
"""

import random
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from shared.llm.engines import NEAREST, engine_for, minilm
from shared.pipelines.dedup.prompt import line
from tests.bench.harness import Bench
from tests.support.encoder import encoder

_TEXTS: Final = 512
_PAIRS: Final = 10_000
_AT_ONCE: Final = 64
_TARGET_S: Final = 90
_WORDS: Final = (
    "we", "they", "people", "often", "always", "trains", "nurses", "invoices", "wait", "cost", "help", "late", "more",
    "less", "than", "last", "year",
)  # fmt: skip


def run(bench: Bench) -> None:
    """Compare the encoder with its graph, then time a training."""
    texts = _made(_TEXTS, seed=0)
    bench.compare(
        f"{_TEXTS} texts of 6 to 24 words to vectors, over the bare graph on tokens of like length",
        partial(_rate, partial(encoder().vectors, texts)), partial(_rate, partial(_bare, _tokens(texts))), "≥ 0.85",
        unit=" texts/s",
    )  # fmt: skip
    bench.compare(
        f"{_TEXTS} texts to vectors, over one by one",
        partial(_rate, partial(encoder().vectors, texts)), partial(_rate, partial(_one_by_one, texts)), "≥ 1.2",
        unit=" texts/s",
    )  # fmt: skip
    command = [sys.executable, "-m", "tests.bench.embed", str(_PAIRS)]
    seconds = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
    told = f"{_PAIRS:,} pairs of texts, each text new, learned by local-nearest"
    bench.note(told, "-", f"{seconds:.0f} s", "-", f"≤ {_TARGET_S} s")


def _made(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)  # noqa: S311
    return [" ".join(draw.choices(_WORDS, k=draw.randint(6, 24))) for _ in range(count)]


def _rate(work: Any) -> float:
    began = time.perf_counter()
    work()
    return _TEXTS / (time.perf_counter() - began)


def _tokens(texts: list[str]) -> list[Any]:
    """Return the graph's inputs, those of like length together."""
    encoded = sorted((found.ids for found in encoder()._tokenizer.encode_batch(texts)), key=len)
    batches = []
    for start in range(0, len(encoded), _AT_ONCE):
        part = encoded[start : start + _AT_ONCE]
        mask = np.array([[1] * len(ids) + [0] * (len(part[-1]) - len(ids)) for ids in part], dtype=np.int64)
        padded = np.array([ids + [0] * (len(part[-1]) - len(ids)) for ids in part], dtype=np.int64)
        batches.append({"ids": padded, "mask": mask})
    return batches


def _bare(batches: list[Any]) -> None:
    for batch in batches:
        encoder()._session.run(["vectors"], batch)


def _one_by_one(texts: list[str]) -> None:
    for text in texts:
        encoder().vectors([text])


def _train(count: int) -> float:
    """Train on pairs, none of whose texts comes twice: the most that so many pairs can cost."""
    minilm.encoder = encoder  # this machine's own is left alone
    texts = _made(2 * count, seed=1)
    lines = [
        line(a, b, "merge" if n % 2 else "separate")
        for n, (a, b) in enumerate(zip(texts[::2], texts[1::2], strict=True))
    ]
    encoder()
    began = time.perf_counter()
    with TemporaryDirectory() as folder:
        engine_for(NEAREST).train(lines, Path(folder), lambda *_, **__: None)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.stdout.write(f"{_train(int(sys.argv[1])):.1f}\n")
