"""A training file of conversations as a dataset of the loop: what was learned from can be traced, compared and reused.

An example's input is what stands before the answer, its label is the answer: the last assistant message, or the
preferred one of a pair. Its id derives from both, so the same conversations give the same dataset on any machine.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from shared.artifacts import ArtifactStore, FileRef
from shared.contracts import JsonObject, Split
from shared.datasets import DatasetFacts, dataset_id, publish_dataset
from shared.ids import EXAMPLE, canonical_json, content_id
from shared.pipeline import SplitPolicy

PIPELINE: Final = "llm"
SURFACE: Final = "default"

# A training file does not say when somebody decided; the same lines shall give the same dataset whenever they come.
_AT: Final = "1970-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class Lines:
    """The conversations of a training file; may be walked through as often as an engine likes."""

    store: ArtifactStore
    file: FileRef

    def __iter__(self) -> Iterator[JsonObject]:
        with self.store.open(self.file) as lines:
            for line in lines:
                if line.strip():
                    yield orjson.loads(line)


@dataclass(frozen=True, kw_only=True)
class Conversations:
    """A published dataset of conversations."""

    id: str
    manifest: str
    facts: DatasetFacts


def publish(store: ArtifactStore, files: Mapping[Split, FileRef], folder: Path, *, seed: int) -> Conversations:
    """Publish the conversations of training files (which the validator has passed) as a dataset.

    A conversation that comes twice is one example; one that is in both files is held out. ``folder`` takes the lines
    while they are sorted: memory holds some 200 bytes an example, whatever its length.
    """
    path = folder / "examples.jsonl"
    places: dict[str, int] = {}
    splits: dict[str, int] = {"train": 0, "test": 0}
    with path.open("wb") as file:
        for split in ("test", "train"):  # what is held out comes first: it wins
            if split in files:
                splits[split] = _write(file, Lines(store, files[split]), split, places)
    with path.open("rb") as source, store.writer() as writer:
        for id_ in sorted(places):
            source.seek(places[id_])
            writer.write(source.readline())
    path.unlink()
    policy = SplitPolicy(test_share=0.0, seed=seed)
    facts = DatasetFacts(
        pipeline=PIPELINE, surface=SURFACE, seed=seed, test_share=policy.test_share, rows=len(places), splits=splits
    )
    return Conversations(
        id=dataset_id(PIPELINE, SURFACE, policy, writer.ref.sha256),
        manifest=publish_dataset(store, writer.ref, facts),
        facts=facts,
    )


def _write(file: BinaryIO, lines: Lines, split: Split, places: dict[str, int]) -> int:
    """Append the lines that are not there yet, note where each begins, and return how many they are."""
    before = len(places)
    for conversation in lines:
        asked, answer = example_of(conversation)
        id_ = content_id(EXAMPLE, canonical_json(asked).decode(), canonical_json(answer).decode())
        if id_ not in places:
            places[id_] = file.tell()
            row = {"id": id_, "group": id_, "input": asked, "label": answer, "at": _AT, "split": split}
            file.write(orjson.dumps(row) + b"\n")
    return len(places) - before


def example_of(conversation: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Return the input and the label of a line: of a pair, the preferred answer."""
    if "preferred_output" in conversation:
        asked = dict(conversation["input"])
        return asked, conversation["preferred_output"][-1]
    messages = conversation["messages"]
    last = max(place for place, message in enumerate(messages) if message["role"] == "assistant")
    asked = {key: value for key, value in conversation.items() if key != "messages"}
    return {**asked, "messages": messages[:last]}, messages[last]
