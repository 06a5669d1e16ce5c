"""Statements as vectors. Personal data leaves for no provider: pseudonyms stand in its place, as in questions.

All of dedup's vectors are made here, so those of the same statement are the same whoever asks for them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.llm.pseudonyms import pseudonymised
from shared.pipelines.dedup.contracts import NAME

if TYPE_CHECKING:
    from shared.llm.embeddings import Embedded


def embed_statements(statements: Sequence[str], *, job_id: str | None, model: str | None = None) -> "Embedded":
    """Return the statements' vectors, in order (``shared/llm/embeddings.py`` says how, and what it raises)."""
    from shared.llm.embeddings import embed_texts

    texts = [pseudonymised(statement)[0] for statement in statements]
    return embed_texts(texts, purpose=NAME, model=model, job_id=job_id)
