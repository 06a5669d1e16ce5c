"""A pipeline for tests of serving: a model says its word after each input; some inputs and some models are broken."""

import json
from collections.abc import Sequence
from pathlib import Path

from psycopg import Connection

from shared import ids
from shared.artifacts import ArtifactStore
from shared.contracts import Queue
from shared.errors import InvalidInputError, RefusedError
from shared.pipeline import Answer, Loaded, Pipeline, SplitPolicy

POISON = "poison"
FEATURES = 1
FALLBACK = "nothing"


class _Parrot:
    def __init__(self, word: str) -> None:
        self._word = word

    def predict(self, inputs: Sequence[str]) -> Sequence[Answer[str]]:
        if POISON in inputs:
            raise ArithmeticError("this input breaks the model")
        return [Answer(output=f"{text} {self._word}", confidence=0.9) for text in inputs]


def _parse(raw: object) -> str:
    if not isinstance(raw, str):
        raise InvalidInputError("not text")
    return raw


def _load(folder: Path) -> Loaded[str, str]:
    model = json.loads((folder / "model.json").read_text())
    if model["features"] != FEATURES:
        raise RefusedError("the model wants features that this process cannot compute")
    return _Parrot(model["word"])


def _never(*_: object) -> None:
    raise NotImplementedError("the parrot is only served")


PIPELINE: Pipeline[str, str] = Pipeline(
    name="parrot",
    summary="Tests serving.",
    source="router_examples",
    train_queue=Queue.DB,
    split=SplitPolicy(test_share=0.2, seed=1),
    min_samples=1,
    windows={"all": None},
    parse_input=_parse,
    train=_never,  # type: ignore[arg-type]
    load=_load,
    score=_never,  # type: ignore[arg-type]
    gates=_never,  # type: ignore[arg-type]
    fallback=lambda _: Answer(output=FALLBACK, confidence=0.0),
    dump_output=lambda output: {"text": output},
)


def add_model(conn: Connection, store: ArtifactStore, folder: Path, word: str, *, features: int = FEATURES) -> str:
    """Store a model that says ``word``, which is its version too; return its id."""
    files = folder / word
    files.mkdir(parents=True)
    (files / "model.json").write_text(json.dumps({"word": word, "features": features}))
    return register(conn, store.put_folder("model", files, {}), word)


def register(conn: Connection, manifest: str, version: str) -> str:
    """Write a model's row, whatever its manifest; return its id."""
    conn.execute(
        "INSERT INTO datasets (id, pipeline, surface, manifest, row_count, split_counts, seed)"
        " VALUES ('ds_parrot', 'parrot', 'default', '', 0, '{}', 1) ON CONFLICT DO NOTHING"
    )
    model_id = ids.new_id(ids.MODEL)
    conn.execute(
        "INSERT INTO models (id, pipeline, surface, version, manifest, dataset_id, parameters, libraries)"
        " VALUES (%s, 'parrot', 'default', %s, %s, 'ds_parrot', '{}', '{}')",
        [model_id, version, manifest],
    )
    return model_id


def activate(conn: Connection, model_id: str | None) -> None:
    """Make a model the active one; None: let no model be active."""
    conn.execute("UPDATE models SET state = 'retired' WHERE pipeline = 'parrot' AND state = 'active'")
    conn.execute("UPDATE models SET state = 'active' WHERE id = %s", [model_id])
