"""The step ``check-incoming``: statements that wait become insights, or are merged with one, or people are asked.

Each batch is embedded and checked with no transaction open, then recorded in one: what an attempt that is killed has
not recorded waits as before, and vectors and answers are found again in their caches. Insights are added by one
transaction at a time, which looks again at what came in meanwhile, so the same thing said twice at once is seen.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract
from shared.db import dedup
from shared.db.dedup import Waiting
from shared.errors import RefusedError
from shared.ids import content_id
from shared.pipeline import Done, Run
from shared.pipelines.dedup.auto import require_auto
from shared.pipelines.dedup.contracts import CLUSTER
from shared.pipelines.dedup.duplicates import DuplicateCheck, Incoming, check_many
from shared.pipelines.dedup.embedding import embed_statements
from shared.pipelines.dedup.policy import Mode, policy
from shared.pipelines.dedup.predicting import answerer
from shared.pipelines.dedup.predicting import record as record_predictions
from shared.pipelines.dedup.searching import Search

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

KNOWN: Final = "known"

_START: Final = ("", 0)


@dataclass(frozen=True, kw_only=True)
class _Manner:
    """How statements are checked: ``asks`` says that a model is asked. ``searches`` are kept for a whole attempt."""

    mode: Mode
    asks: bool
    searches: dict[str, Search]

    @property
    def size(self) -> int:
        """How many statements are taken through at once: few where a model is asked about each's candidates.

        A round of questions must end well before the queue's limit; without a model nothing is waited for.
        """
        rules = policy()
        return max(1, rules.model.batch // rules.ingest.candidates) if self.asks else rules.ingest.store_batch

    @property
    def alike(self) -> float:
        """From which similarity on two statements may turn out to be the same."""
        rules = policy()
        return rules.ingest.min_similarity if self.asks else max(rules.ingest.min_similarity, rules.similarity.midpoint)

    def search(self, embedding_model: str) -> Search:
        """Return the search among the vectors of a model."""
        return self.searches.setdefault(embedding_model, Search(embedding_model, policy().ingest.search_bytes))


JobId = Annotated[str, Field(pattern=r"^job_[0-9a-f]{32}$")]


class CheckIncomingParams(Contract):
    """Which statements to check, and what may follow."""

    run_id: JobId | None = Field(default=None, description="Only what this job took in. Empty: all that waits.")
    mode: Mode = Field(default=policy().ingest.mode, description="As for dedup.ingest.")


class CheckIncomingResult(Contract):
    """What became of the statements: ``new`` insights, of which people are asked about ``proposed``.

    ``known`` ones said exactly what an insight says already, ``merged`` ones the same in a model's judgement.
    """

    sentence: str
    statements: int
    new: int
    proposed: int
    known: int
    merged: int


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Statements that are checked together, each once, with their vectors, row by row."""

    waiting: Sequence[Waiting]
    vectors: "Vectors"
    embedding_model: str
    checks: Sequence[DuplicateCheck | None]
    since: int


def check_incoming(run: Run, params: CheckIncomingParams) -> Done:
    """Take all that wait through, batch by batch.

    Raises RefusedError when mode auto is not justified, or the vectors would be of another model than the insights'
    are, and what embedding raises; all that is not through goes on waiting.
    """
    if params.mode == "auto":
        with run.reading() as conn:
            require_auto(conn)
    searches: dict[str, Search] = {}
    with run.reading() as conn:
        through, of_all = dedup.incoming_progress(conn, params.run_id)
    after, left = _START, False  # what is left of a pass is looked at in the next
    while True:
        run.report(through / max(of_all, 1), "checking statements", statements=of_all, checked=through)
        with run.reading() as conn:
            asks = params.mode != "off" and answerer(conn) is not None
            manner = _Manner(mode=params.mode, asks=asks, searches=searches)
            waiting = dedup.waiting_statements(conn, params.run_id, manner.size, after=after)
        if not waiting and not left:
            break
        after, left = ((waiting[-1].run_id, waiting[-1].number), left) if waiting else (_START, False)
        done = _take_through(run, waiting, manner) if waiting else 0
        through, left = through + done, left or done < len(waiting)
    result = CheckIncomingResult(sentence="", statements=0, new=0, proposed=0, known=0, merged=0)

    def record(conn: Connection) -> CheckIncomingResult:
        found = dedup.forget_incoming(conn, params.run_id)
        return result.model_copy(update=_figures(found, params.mode))

    return Done(result=result, record=record)


def _figures(found: Counter[str], mode: Mode) -> dict[str, int | str]:
    new = found["new"] + found["proposed"]
    said = {
        "off": "none was checked",
        "assist": "none was merged",
        "auto": f"{found['merged']} were merged by the model",
    }
    return {
        "sentence": f"{found.total()} statements are through: {new} are new insights, {found[KNOWN]} were known,"
        f" {said[mode]}, and people are asked about {found['proposed']}.",
        "statements": found.total(),
        "new": new,
        "proposed": found["proposed"],
        KNOWN: found[KNOWN],
        "merged": found["merged"],
    }


def _take_through(run: Run, waiting: Sequence[Waiting], manner: _Manner) -> int:
    """Take a batch as far as can be: what is like another of the batch waits. Returns how many are through."""
    with run.reading() as conn:
        known = dedup.homes(conn, {each.insight_id for each in waiting})
        since = dedup.last_insight(conn)
    unknown = list({each.insight_id: each for each in waiting if each.insight_id not in known}.values())
    batch = _checked(run, unknown, since, manner)
    with run.fenced() as conn:
        outcomes = _recorded(conn, run.job_id, batch, manner) if batch else {}
        there = dedup.homes(conn, {each.insight_id for each in waiting})
        done = [each for each in waiting if each.insight_id in there]
        dedup.link_sources(conn, done)
        first = {each.insight_id: each.number for each in reversed(done)}
        dedup.settle_incoming(
            conn,
            [
                (each.number, outcomes.get(each.insight_id, KNOWN) if first[each.insight_id] == each.number else KNOWN)
                for each in done
            ],
        )
    return len(done)


def _checked(run: Run, waiting: Sequence[Waiting], since: int, manner: _Manner) -> _Batch | None:
    """Embed statements, and check them."""
    if not waiting:
        return None
    embedded = embed_statements([each.statement for each in waiting], job_id=run.job_id)
    with run.reading() as conn:
        _require_one_model(dedup.embedding_models(conn), embedded.model)
    if manner.mode == "off":
        chosen = list(range(len(waiting)))
        checks: list[DuplicateCheck | None] = [None] * len(chosen)
    else:
        # where something may be merged, what may be the same is checked one after the other
        merges = manner.mode == "auto"
        chosen = unlike(embedded.vectors, manner.alike) if merges else list(range(len(waiting)))
        asked = [Incoming(statement=waiting[place].statement, vector=embedded.vectors[place]) for place in chosen]
        checks = list(check_many(run, asked, embedded.model, manner.search(embedded.model), together=not merges))
    return _Batch(
        waiting=[waiting[place] for place in chosen], vectors=embedded.vectors[chosen], embedding_model=embedded.model,
        checks=checks, since=since,
    )  # fmt: skip


def unlike(vectors: "Vectors", similarity: float) -> list[int]:
    """Return the places of vectors (rows, of length 1) that are less similar than this to all that are chosen before.

    The first one always is chosen. What is left out is checked later, against the insights that these become.
    """
    cosines = vectors @ vectors.T
    chosen: list[int] = []
    for place in range(len(vectors)):
        if not chosen or float(cosines[place, chosen].max()) < similarity:
            chosen.append(place)
    return chosen


def _require_one_model(stored: Sequence[str], model: str) -> None:
    if set(stored) - {model}:
        raise RefusedError(
            f"the insights have vectors of {', '.join(stored)}, new ones would be of {model}: they cannot be compared",
            code="embedding-model-changed",
            advice="run dedup.reembed, then dedup.check-incoming: the statements wait",
        )


def _recorded(conn: Connection, job_id: str, batch: _Batch, manner: _Manner) -> dict[str, str]:
    """Write what a batch came to; returns the outcome by statement.

    What is near to an insight that came in meanwhile is left alone: it is checked again.
    """
    last = dedup.lock_insights(conn)
    _require_one_model(dedup.embedding_models(conn), batch.embedding_model)
    late: set[int] = set()
    if manner.mode != "off" and last > batch.since:
        late = dedup.near_newer(
            conn, list(batch.vectors), batch.embedding_model, since=batch.since, similarity=manner.alike
        )  # fmt: skip
    there = dedup.homes(conn, [each.insight_id for each in batch.waiting])
    places = [
        place for place, each in enumerate(batch.waiting) if place not in late and each.insight_id not in there
    ]  # fmt: skip
    checks = [check for place in places if (check := batch.checks[place])]
    record_predictions(conn, [found for check in checks for found in check.predictions])
    kept = [place for place in places if not (manner.mode == "auto" and _merges(batch.checks[place]))]
    dedup.put_insights(
        conn,
        [batch.waiting[place].insight_id for place in kept],
        [batch.waiting[place].statement for place in kept],
        [batch.vectors[place] for place in kept],
        batch.embedding_model,
    )
    asked = set(kept)
    return {
        batch.waiting[place].insight_id: (
            _propose(conn, job_id, batch, place) if place in asked else _merge(conn, batch, place)
        )
        for place in places
    }


def _merges(check: DuplicateCheck | None) -> bool:
    return check is not None and check.course == "merge"


def _merge(conn: Connection, batch: _Batch, place: int) -> str:
    """Remember that a statement is the same as an insight, and why."""
    check = batch.checks[place]
    if check is None or check.existing_insight_id is None or check.prediction is None:
        raise TypeError("nothing is merged without a prediction")
    dedup.put_merged(
        conn, batch.waiting[place], batch.vectors[place], batch.embedding_model,
        insight_id=check.existing_insight_id, prediction_id=check.prediction.id, confidence=check.confidence,
    )  # fmt: skip
    return "merged"


def _propose(conn: Connection, job_id: str, batch: _Batch, place: int) -> str:
    """Ask people about a new insight, if its check says so; returns what became of it."""
    check = batch.checks[place]
    if check is None or check.existing_insight_id is None or check.prediction is None:
        return "new"
    members = (batch.waiting[place].insight_id, check.existing_insight_id)
    asked = dedup.put_proposal(
        conn, content_id(CLUSTER, "ingest", *sorted(members)), members, batch.embedding_model,
        similarity=check.prediction.asked.pair.similarity or 0.0, probability=check.prediction.merge_probability,
        prediction_id=check.prediction.id, job_id=job_id,
    )  # fmt: skip
    return "proposed" if asked else "new"
