"""All statements get vectors of another model, together, and nothing is lost on the way."""

from collections.abc import Iterator

import pytest

from shared.pipelines.dedup import reembedding
from shared.pipelines.dedup.contracts import insight_id
from shared.pipelines.dedup.policy import policy
from tests.shared.pipelines.dedup.desk import Desk
from tests.shared.pipelines.dedup.teacher import by_words, fresh_clients
from tests.support.fault_provider import Fault, FaultProvider

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa")
STATEMENTS = tuple(f"{a} {b} meets {c}" for a in WORDS[:4] for b in WORDS[4:7] for c in WORDS[7:])
NEW = "text-embedding-3-small@127.0.0.1"


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        server.vector = by_words
        yield server


@pytest.fixture
def environment(environment: dict[str, str], provider: FaultProvider) -> dict[str, str]:
    return environment | {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk-test", "LLM_TIMEOUT_SECONDS": "15"}


@pytest.fixture
def desk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Dedup with statements whose vectors are of a model that is no more, ten of which are embedded at once."""
    ingest = policy().ingest.model_copy(update={"store_batch": 10})
    small = policy().model_copy(update={"ingest": ingest})
    monkeypatch.setattr(reembedding, "policy", lambda: small)
    for statement in STATEMENTS:
        desk.insight(statement)
    with fresh_clients():
        yield desk


def models(desk: Desk) -> dict[tuple[str, int], int]:
    """How many insights have vectors of which model and size."""
    found = desk.rows("SELECT embedding_model, vector_dims(embedding), count(*) FROM insights GROUP BY 1, 2")
    return {(model, dimensions): count for model, dimensions, count in found}


def test_all_statements_get_vectors_of_one_model(desk: Desk) -> None:
    desk.run("cluster")
    desk.change(
        "INSERT INTO merged_statements (id, insight_id, statement, embedding, embedding_model, confidence)"
        " VALUES (%s, %s, 'alpha beta', '[1, 0]', 'made@1', 0.9)",
        insight_id("alpha beta"), insight_id(STATEMENTS[0]),
    )  # fmt: skip
    result = desk.run("reembed")
    assert (result["insights"], result["merged"], result["embedding_model"]) == (len(STATEMENTS), 1, NEW)
    assert models(desk) == {(NEW, 64): len(STATEMENTS)}
    assert desk.rows("SELECT DISTINCT embedding_model FROM merged_statements") == [(NEW,)]
    assert desk.rows("SELECT FROM reembedded") == desk.rows("SELECT FROM neighbours") == []
    again = desk.run("reembed")
    assert (again["insights"], again["merged"]) == (0, 0)
    assert again["sentence"] == f"All insights have vectors of {NEW} already."
    clustered = desk.run("cluster", threshold=0.7)
    assert clustered["compared"] == len(STATEMENTS)
    assert clustered["embedding_model"] == NEW


def test_a_mixture_is_made_whole(desk: Desk) -> None:
    desk.change("UPDATE insights SET embedding_model = 'older@1' WHERE statement < 'beta'")
    assert desk.refusal("cluster")["code"] == "embeddings-mixed"
    desk.run("reembed", model="text-embedding-3-small")
    assert desk.run("cluster")["insights"] == len(STATEMENTS)


def test_until_all_are_embedded_nothing_changes(desk: Desk, provider: FaultProvider) -> None:
    """The provider refuses after two batches; they are kept for the next try, and no text is paid for twice."""
    provider.fail("embeddings", Fault.UNAUTHORIZED, None, skip=2)
    desk.refusal("reembed")
    assert models(desk) == {("made@1", 2): len(STATEMENTS)}
    assert desk.rows("SELECT count(*), min(embedding_model) FROM reembedded") == [(20, NEW)]
    provider.heal()
    before = provider.count("embeddings")
    desk.run("reembed")
    assert models(desk) == {(NEW, 64): len(STATEMENTS)}
    assert provider.count("embeddings") - before == 2  # of 36 statements in tens


def test_what_another_model_left_behind_is_not_swapped_in(desk: Desk) -> None:
    desk.change("INSERT INTO reembedded SELECT id, embedding, 'another@1' FROM insights LIMIT 5")
    desk.run("reembed", model="text-embedding-3-large")
    assert models(desk) == {("text-embedding-3-large@127.0.0.1", 64): len(STATEMENTS)}
