"""Vectors of texts, from the provider of the settings: each text is asked for once, in batches, within the budget.

What is known of a text's vector is kept by the text's hash (``llm_embeddings``), so work that is begun again goes on
where it was. A model's name here is ``name@version``: vectors of different versions are never compared.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from psycopg import Connection

from shared.db import embeddings as rows
from shared.db.pool import Database, get_database
from shared.errors import UnavailableError
from shared.llm.asking import Line, NoAnswerError
from shared.llm.chat import CallPolicy
from shared.llm.connection import Provider, provider_of
from shared.llm.engines import base_models, default_embedding
from shared.llm.limits import Limiter
from shared.llm.policy import EmbeddingsPolicy, llm_policy
from shared.llm.structured import storable
from shared.llm.tokens import count_tokens
from shared.llm.tries import Asker, Errand, Work
from shared.settings import get_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LOOKED_UP: Final = 1_000
"""Texts that are looked for in the cache at once."""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Vectors of texts, one row each, float32, of length 1. ``model`` is ``name@version``."""

    model: str
    vectors: "NDArray[np.float32]"

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has; 0 where there is none."""
        return int(self.vectors.shape[1])


def embed_texts(texts: Sequence[str], *, purpose: str, model: str | None = None, job_id: str | None = None) -> Embedded:
    """Return the texts' vectors, in order; the same text has the same vector. For workers: imports NumPy.

    ``purpose`` is a word that the spending is listed under; ``model`` a name without a version (None: the default, see
    ``embedding_model``). Blocks while it waits, and keeps each batch when it is there: call it with a slice's worth of
    texts. Raises as ``Completions.complete``, and as ``provider_of``.
    """
    return default_embeddings().embed(texts, purpose=purpose, model=model, job_id=job_id)


def embedding_model(model: str | None = None) -> str:
    """Return ``name@version`` of what ``embed_texts`` makes vectors with now, and stores beside them.

    None: the setting ``EMBEDDING_MODEL``, else ``local-minilm`` where it is installed, else ``local-embedding``; with a
    provider that is not ours, the policy's model. Raises as ``provider_of``.
    """
    return default_embeddings().full_name(model)


class Embeddings:
    """Asks one provider for vectors. Safe to use from several threads; create it after a fork, never before."""

    def __init__(self, provider: Provider, database: Database, policy: CallPolicy, figures: EmbeddingsPolicy) -> None:
        self.provider = provider
        self._database = database
        self._figures = figures
        self._at_once = figures.local_at_once if provider.is_local else policy.limits.at_once
        self._batch_bytes = figures.local_batch_bytes if provider.is_local else figures.batch_bytes
        self._asker = Asker(provider, database, policy, Limiter(database, provider.name, policy.limits))

    def close(self) -> None:
        """Close the connections to the provider."""
        self._asker.close()

    def full_name(self, model: str | None) -> str:
        """Return ``name@version`` of a model: our own have a version, another provider's are told by its name."""
        usual = default_embedding() if self.provider.is_local else self._figures.model
        name = model or get_settings().embedding_model or usual
        versions = {known.name: known.version for known in base_models()} if self.provider.is_local else {}
        return f"{name}@{versions.get(name) or self.provider.name}"

    def embed(self, texts: Sequence[str], *, purpose: str, model: str | None, job_id: str | None = None) -> Embedded:
        """Return the texts' vectors (see ``embed_texts``)."""
        import numpy as np

        full_name = self.full_name(model)
        sent = [_sendable(text, self._figures.max_text_bytes) for text in texts]
        keys = [hashlib.sha256(text.encode()).digest() for text in sent]
        by_key = dict(zip(keys, sent, strict=True))
        known = self._known(full_name, list(by_key))
        missing = {key: text for key, text in by_key.items() if key not in known}
        batches = list(_batches(missing, self._figures.batch_texts, self._batch_bytes))
        with ThreadPoolExecutor(max_workers=max(1, min(len(batches), self._at_once))) as pool:
            for vectors in pool.map(lambda batch: self._ask(full_name, batch, purpose, job_id), batches):
                known |= vectors
        sizes = {len(known[key]) for key in keys}
        if len(sizes) > 1:
            raise UnavailableError(
                f"vectors of {full_name} have different sizes",
                code="provider-bad-answer",
                advice="embed with another model",
            )
        matrix = np.frombuffer(b"".join(known[key] for key in keys), dtype="<f4").reshape(len(keys), -1 if keys else 0)
        return Embedded(model=full_name, vectors=matrix.astype(np.float32))

    def _known(self, model: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _LOOKED_UP):
            part = keys[start : start + _LOOKED_UP]
            found |= self._database.read(partial(rows.find_vectors, model=model, keys=part))
        return found

    def _ask(self, full_name: str, batch: Mapping[bytes, str], purpose: str, job_id: str | None) -> dict[bytes, bytes]:
        """Ask for one batch, and keep what comes."""
        name, figures = full_name.rpartition("@")[0], self._figures
        texts, kept = list(batch.values()), dict[bytes, bytes]()
        estimate = sum(map(count_tokens, texts))

        def send(line: Line, timeout_s: float) -> tuple[list[bytes], int]:
            reply = line.embed(name, texts, timeout_s=timeout_s, max_bytes=figures.max_answer_bytes)
            return [_checked(vector, figures) for vector in reply.vectors(len(texts)) or [b""]], reply.tokens(estimate)

        def keep(conn: Connection, answer: tuple[list[bytes], int], _took_s: float) -> None:
            kept.update(zip(batch, answer[0], strict=True))
            rows.keep_vectors(conn, full_name, kept)

        errand = Errand(purpose=purpose, job_id=job_id, deadline=time.monotonic() + figures.timeout.total_seconds())
        work = Work(model=name, tokens=(estimate, 0), send=send, used=lambda answer: (answer[1], 0), keep=keep)
        self._asker.run(errand, work)
        return kept


def _checked(vector: bytes, figures: EmbeddingsPolicy) -> bytes:
    """Return a vector with length 1. Raises NoAnswerError when it is none."""
    import numpy as np

    if 0 < len(vector) <= 4 * figures.most_dimensions and len(vector) % 4 == 0:
        numbers = np.frombuffer(vector, dtype="<f4").astype(np.float64)
        length = float(np.sqrt(numbers @ numbers))
        if np.isfinite(length) and length > 0:
            return (numbers / length).astype("<f4").tobytes()
    raise NoAnswerError("bad-answer", called=True, unclear=True)


def _sendable(text: str, most: int) -> str:
    """Return a text as it is sent: never empty, without what no JSON can hold, and no longer than models read."""
    cut = storable(text[:most]).encode()[:most].decode(errors="ignore")
    return cut if cut.strip() else "."


def _batches(texts: Mapping[bytes, str], most: int, most_bytes: int) -> Iterator[dict[bytes, str]]:
    """Yield the texts in batches, those of like length together: the shorter ones are then soon done."""
    batch: dict[bytes, str] = {}
    size = 0
    for key, text in sorted(texts.items(), key=lambda item: (len(item[1]), item[0])):
        length = len(text.encode())
        if batch and (len(batch) == most or size + length > most_bytes):
            yield batch
            batch, size = {}, 0
        batch[key] = text
        size += length
    if batch:
        yield batch


def default_embeddings() -> Embeddings:
    """Return this process's embeddings, from the provider that the settings name. Raises as ``provider_of``."""
    settings = get_settings()
    provider = provider_of(settings)
    return _embeddings_of(os.getpid(), provider, get_database(), CallPolicy.of(settings, provider))


@lru_cache(maxsize=1)
def _embeddings_of(
    pid: int,  # noqa: ARG001  (a part of the key: a forked child must not share its parent's sockets)
    provider: Provider,
    database: Database,
    policy: CallPolicy,
) -> Embeddings:
    return Embeddings(provider, database, policy, llm_policy().embeddings)
