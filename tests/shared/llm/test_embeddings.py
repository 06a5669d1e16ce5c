"""Vectors from a provider: each text asked and paid for once, in order, checked; what came is never lost."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from shared.db.pool import Database
from shared.errors import RefusedError, UnavailableError
from shared.llm.completions import tidy
from shared.llm.connection import Provider
from shared.llm.embeddings import Embedded, Embeddings
from shared.llm.policy import llm_policy
from tests.support.askers import POLICY
from tests.support.hostile_model import HostileModel, refusal, reply

SIZE = 4


def vector_of(text: str) -> list[float]:
    return [len(text), 1.0, sum(map(ord, text)) % 97, 2.0]


def vectors(asked: dict[str, Any], *, shuffled: bool = False, **changes: Any) -> bytes:
    """Return what OpenAI would answer with, the vectors in any order."""
    data = [
        {
            "object": "embedding",
            "index": n,
            "embedding": base64.b64encode(np.array(vector_of(text), "<f4").tobytes()).decode(),
        }
        for n, text in enumerate(asked["input"])
    ]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    whole = {"object": "list", "model": asked["model"], "data": data[::-1] if shuffled else data, "usage": usage}
    return reply(json.dumps(whole | changes).encode())


@contextmanager
def embedding(url: str, database: Database, *, name: str = "openai", **figures: int) -> Iterator[Embeddings]:
    policy = llm_policy().embeddings.model_copy(update=figures)
    made = Embeddings(Provider(name=name, base_url=url, api_key="sk-canary-key"), database, POLICY, policy)
    try:
        yield made
    finally:
        made.close()


def embed(embeddings: Embeddings, *texts: str) -> Embedded:
    return embeddings.embed(texts, purpose="test", model=None)


def rows(database: Database, query: str) -> list[Any]:
    with database.reading() as conn:
        return conn.execute(query).fetchall()


def test_each_text_is_asked_and_paid_for_once(database: Database) -> None:
    with (
        HostileModel(lambda asked: [vectors(asked, shuffled=True)]) as server,
        embedding(server.url, database, batch_texts=3) as embeddings,
    ):
        texts = ["one", "two", "three", "one", "four"]
        made = embed(embeddings, *texts)
        assert (made.model, made.dimensions) == ("text-embedding-3-small@openai", SIZE)
        expected = np.array([vector_of(text) for text in texts])
        np.testing.assert_allclose(made.vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-6)
        assert made.vectors.dtype == np.float32
        assert sorted(text for asked in server.asked for text in asked["input"]) == ["four", "one", "three", "two"]
        assert {asked["encoding_format"] for asked in server.asked} == {"base64"}
        again = embed(embeddings, "two", "five")
        assert server.asked[-1]["input"] == ["five"]
        assert (again.vectors[0] == made.vectors[1]).all()
        assert embed(embeddings).vectors.shape == (0, 0)
    booked = rows(database, "SELECT kind, purpose, tokens_in, usd > 0 FROM spend ORDER BY at")
    assert booked == [("booked", "test", 3, True)] * 3
    told = str(rows(database, "SELECT * FROM llm_embeddings"))
    assert "three" not in told


def test_odd_texts_are_made_fit_to_be_sent(database: Database) -> None:
    with HostileModel(lambda asked: [vectors(asked)]) as server, embedding(server.url, database) as embeddings:
        made = embed(embeddings, "", "  ", "\ud800\x00", "ü" * 100_000, "\u202ertl")
        assert made.vectors.shape == (5, SIZE)
        sent = [text for asked in server.asked for text in asked["input"]]
        assert all(text.strip() and len(text.encode()) <= 8_191 for text in sent)


@pytest.mark.parametrize(
    "broken",
    [
        lambda asked: vectors(asked, data=[]),
        lambda asked: vectors({**asked, "input": asked["input"] * 2}),
        lambda asked: vectors(asked, data=[{"index": 0, "embedding": "not base64!"}]),
        lambda asked: vectors(asked, data=[{"index": 0, "embedding": base64.b64encode(b"abc").decode()}]),
        lambda asked: vectors(asked, data=[{"index": 0, "embedding": base64.b64encode(bytes(16)).decode()}]),
        lambda asked: vectors(
            asked, data=[{"index": 0, "embedding": base64.b64encode(np.array([np.nan], "<f4").tobytes()).decode()}]
        ),
        lambda _: reply(b"<html>"),
    ],
)
def test_nonsense_is_no_vector(database: Database, broken: Callable[[dict[str, Any]], bytes]) -> None:
    with HostileModel(lambda asked: [broken(asked)]) as server, embedding(server.url, database) as embeddings:
        with pytest.raises(UnavailableError) as caught:
            embed(embeddings, "one")
        assert caught.value.instance_code == "provider-bad-answer"
        assert len(server.asked) == 1
    assert rows(database, "SELECT count(*) FROM llm_embeddings") == [(0,)]
    assert rows(database, "SELECT kind FROM spend") == [("booked",)]  # it may have been billed


def test_what_came_before_it_broke_off_is_kept(database: Database) -> None:
    def script(asked: dict[str, Any]) -> list[bytes]:
        return [refusal("400 Bad Request", "bad") if "longest" in asked["input"] else vectors(asked)]

    with HostileModel(script) as server, embedding(server.url, database, batch_texts=1) as embeddings:
        with pytest.raises(RefusedError) as caught:
            embed(embeddings, "a", "bb", "longest")
        assert "longest" not in str(caught.value.as_dict())
        before = len(server.asked)
        embed(embeddings, "a", "bb")
        assert len(server.asked) == before


def test_it_tries_again_where_that_may_help(database: Database) -> None:
    answers = iter([refusal("429 Too Many Requests"), refusal("500 Internal Server Error")])
    with (
        HostileModel(lambda asked: [next(answers, None) or vectors(asked)]) as server,
        embedding(server.url, database) as embeddings,
    ):
        assert embed(embeddings, "one").dimensions == SIZE
        assert len(server.asked) == 3


def test_vectors_of_two_sizes_are_not_mixed(database: Database) -> None:
    with HostileModel(lambda asked: [vectors(asked)]) as server, embedding(server.url, database) as embeddings:
        embed(embeddings, "one")
        with database.transaction() as conn:
            conn.execute("UPDATE llm_embeddings SET vector = '\\x0000803f'")
        with pytest.raises(UnavailableError, match="different sizes"):
            embed(embeddings, "one", "two")


def test_old_vectors_are_forgotten(database: Database) -> None:
    with HostileModel(lambda asked: [vectors(asked)]) as server, embedding(server.url, database) as embeddings:
        embed(embeddings, "one", "two")
        with database.transaction() as conn:
            conn.execute("UPDATE llm_embeddings SET at = at - interval '40 days' WHERE ctid = '(0,1)'")
        tidy(database)
    assert rows(database, "SELECT count(*) FROM llm_embeddings") == [(1,)]


def test_our_own_models_have_versions(database: Database) -> None:
    with embedding("http://127.0.0.1:9/openai/v1", database, name="local") as embeddings:
        assert embeddings.full_name(None) == "local-minilm@1"
        assert embeddings.full_name("local-embedding") == "local-embedding@1"
    with embedding("http://127.0.0.1:9/v1", database, name="vllm.local") as embeddings:
        assert embeddings.full_name("bge-m3") == "bge-m3@vllm.local"
