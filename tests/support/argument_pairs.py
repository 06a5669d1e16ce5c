"""Real pairs of statements with people's judgement (``argkp-pairs``), learned and asked as dedup does.

``python -m tests.support.argument_pairs`` prints the figures of all folds: whole topics are held out, so nothing was
learned of what is asked about.
"""

import csv
import gzip
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score

from shared.contracts import JsonObject
from shared.contracts import Path as AnswerPath
from shared.llm.chat import Completion
from shared.llm.engines import NEAREST, engine_for
from shared.llm.local_models import Address, LocalModels
from shared.llm.probabilities import shares_of
from shared.llm.replies import Reply
from shared.pipelines.dedup.prompt import line, question
from tests.support.encoder import encoder
from tests.support.shared_data import shared_data

FILE: Final = shared_data("argkp-pairs", "pairs.csv.gz")
FOLDS: Final = 6
_AT_ONCE: Final = 32


@dataclass(frozen=True)
class Pair:
    """Two statements on one topic, and whether people said that they make the same point."""

    topic: str
    a: str
    b: str
    same: bool


def read() -> list[Pair]:
    """Return all pairs."""
    with gzip.open(FILE, "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return [Pair(row["topic_id"], row["text_a"], row["text_b"], row["label"] == "1") for row in rows]


def fold(pairs: Sequence[Pair], number: int) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs that are learned, and those of the topics that are held out."""
    held_out = set(sorted({pair.topic for pair in pairs})[number::FOLDS])
    return [p for p in pairs if p.topic not in held_out], [p for p in pairs if p.topic in held_out]


def some(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Return so many of them, evenly."""
    return [pairs[place] for place in np.linspace(0, len(pairs) - 1, count).astype(int).tolist()]


def learn(pairs: Sequence[Pair], folder: Path) -> None:
    """Train a model on the lines that dedup writes for these pairs."""
    lines = [line(pair.a, pair.b, "merge" if pair.same else "separate") for pair in pairs]
    engine_for(NEAREST).train(lines, folder, lambda *_, **__: None)


def ask(pairs: Sequence[Pair], folder: Path) -> NDArray[np.float64]:
    """Return the probability of ``merge`` that the model's tokens tell, as a caller of the chat API reads it."""
    models = LocalModels(_Lying(folder))
    found: list[float] = []
    for start in range(0, len(pairs), _AT_ONCE):
        inputs = [{"messages": question(p.a, p.b), "top_logprobs": 5} for p in pairs[start : start + _AT_ONCE]]
        found += [_probability(answer) for answer in models.answer(str(Address(NEAREST, "model")), inputs)]
    return np.array(found)


def _probability(answer: JsonObject) -> float:
    choice = {"message": {"content": answer["text"]}, "logprobs": {"content": answer["tokens"]}}
    reply = Reply.model_validate({"choices": [choice]})
    shares = shares_of(
        Completion(
            text=reply.text, path=AnswerPath.MODEL, model=NEAREST, finish_reason="stop", prompt_tokens=0,
            completion_tokens=0, cost_usd=0, calls=1, tokens=reply.likelihoods,
        ),
        ("merge", "separate"),
    )  # fmt: skip
    assert shares is not None
    return shares["merge"]


class _Lying:
    """A model's files, where they lie."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, manifest: str) -> Path:  # noqa: ARG002
        return self._folder

    def forget(self, manifest: str) -> None:
        """Keep them."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How well some scores tell the pairs apart. ``recall`` is at 90 % precision, the highest that there is."""

    auc: float
    recall: float

    @classmethod
    def of(cls, scores: NDArray[np.float64], pairs: Sequence[Pair]) -> "Figures":
        """Measure."""
        same = np.array([pair.same for pair in pairs])
        ordered = same[np.argsort(-scores, kind="stable")]
        hits = np.cumsum(ordered)
        good = np.flatnonzero(hits / np.arange(1, len(hits) + 1) >= 0.9)
        recall = float(hits[good[-1]] / hits[-1]) if len(good) else 0.0
        return cls(auc=float(roc_auc_score(same, scores)), recall=recall)


def word_cosines(pairs: Sequence[Pair], learned: Sequence[Pair]) -> NDArray[np.float64]:
    """Return the cosines of TF-IDF words, the README's baseline; how rare a word is, is learned too.

    Learned from the pairs that are asked about, it tells which words all statements of a topic share: what nobody knows
    who sees two statements, but whoever has all of them.
    """
    words = TfidfVectorizer().fit(sorted({text for pair in learned for text in (pair.a, pair.b)}))
    one, other = words.transform([p.a for p in pairs]), words.transform([p.b for p in pairs])
    return np.asarray(one.multiply(other).sum(axis=1)).ravel().astype(np.float64)


def sense_cosines(pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """Return the cosines of the sentence encoder's vectors."""
    texts = sorted({text for pair in pairs for text in (pair.a, pair.b)})
    vectors = dict(zip(texts, encoder().vectors(texts), strict=True))
    return np.array([float(vectors[p.a] @ vectors[p.b]) for p in pairs])


def main() -> None:
    """Print the figures of every fold."""
    from shared.llm.engines import minilm

    minilm.encoder = encoder  # this machine's own is left alone
    pairs = read()
    for number in range(FOLDS):
        learned, asked = fold(pairs, number)
        with TemporaryDirectory() as folder:
            learn(learned, Path(folder))
            merge = ask(asked, Path(folder))
        same = np.array([pair.same for pair in asked])
        told = [
            f"{name}: AUC {figures.auc:.3f}, recall at 90 % precision {figures.recall:.3f}"
            for name, figures in (
                ("words", Figures.of(word_cosines(asked, learned), asked)),
                ("words weighed by the asked", Figures.of(word_cosines(asked, asked), asked)),
                ("encoder", Figures.of(sense_cosines(asked), asked)),
                ("local-nearest", Figures.of(merge, asked)),
            )
        ]
        sure = merge >= 0.9
        right = f"{int(same[sure].sum())} of {int(sure.sum())} right at 0.90"
        missed = f"recall there {same[sure].sum() / same.sum():.3f}"
        sys.stdout.write(f"fold {number} ({len(learned)} -> {len(asked)}): {'; '.join(told)}; {right}, {missed}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
