"""The steps that ask about pairs and statements: ``predict`` and ``check``.

Texts come as an uploaded file, never as parameters: those are shown wherever jobs are, and texts may be personal.
Results name insights by ids only, which a statement has whether or not it is stored.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from psycopg import Connection
from pydantic import Field, ValidationError, model_validator

from shared.contracts import Contract, Path
from shared.db import dedup
from shared.errors import InvalidInputError, NotFoundError, UnavailableError
from shared.files import ResultFiles, Upload, open_upload, publish_files
from shared.ids import canonical_json
from shared.lines import Unreadable, read_records
from shared.pipeline import Done, Run
from shared.pipelines.dedup.contracts import InsightId, insight_id, read_statement
from shared.pipelines.dedup.duplicates import DuplicateCheck, Incoming, check_many
from shared.pipelines.dedup.embedding import embed_statements
from shared.pipelines.dedup.pair import Statement, pair_of
from shared.pipelines.dedup.policy import policy
from shared.pipelines.dedup.predicting import Asked, Prediction, answerer, predict_pairs, record
from shared.pipelines.dedup.thresholds import Course, Thresholds, thresholds

PREDICTIONS_FILE: Final = "predictions.jsonl"
CHECKS_FILE: Final = "checks.jsonl"
_MOST: Final = 10_000
_SHOWN: Final = 100


class PredictParams(Contract):
    """Which pairs to ask about: a file of them, or one of two insights that are stored."""

    pairs: Upload | None = Field(
        default=None,
        description="JSON lines, each with `a` and `b` (statements) and `similarity` if it is known, or with"
        " `insight1_id` and `insight2_id`.",
    )
    insight1_id: InsightId | None = Field(
        default=None, description="An insight, together with insight2_id.", examples=[f"ins_{'0' * 32}"]
    )
    insight2_id: InsightId | None = Field(default=None, description="The other insight.", examples=[f"ins_{'1' * 32}"])

    @model_validator(mode="after")
    def _one_of_both(self) -> "PredictParams":
        both = (self.insight1_id is not None) + (self.insight2_id is not None)
        if both == 1 or (both == 2) == (self.pairs is not None):  # noqa: PLR2004  (two insights)
            raise ValueError("send pairs, or insight1_id with insight2_id")
        return self


class PairShown(Contract):
    """What was predicted of a pair. ``course`` is what follows: ``merge``, ``propose`` (ask a person) or ``new``."""

    prediction_id: str
    insight1_id: str
    insight2_id: str
    similarity: float | None
    should_merge: bool
    confidence: float
    merge_probability: float
    course: Course
    path: Path
    model_id: str | None
    reason: str


class PredictResult(Contract):
    """How many pairs are to be merged, and by which path that is known. ``predictions`` are the first 100 of them."""

    sentence: str
    pairs: int
    merges: int
    paths: dict[str, int]
    predictions: tuple[PairShown, ...]
    files: ResultFiles


def predict(run: Run, params: PredictParams) -> Done:
    """Predict pairs, and write every prediction down. A provider that is down raises nothing.

    Raises InvalidInputError for a line that is no pair, NotFoundError for an unknown insight.
    """
    with run.reading() as conn:
        who, limits = answerer(conn), thresholds(conn)
        wanted = _wanted(run, conn, params)
    found: list[Prediction] = []
    for start in range(0, len(wanted), policy().model.batch):
        run.report(start / len(wanted), "asking", asked=start)
        batch = _with_similarities(wanted[start : start + policy().model.batch], run.job_id)
        found += predict_pairs(who, batch, job_id=run.job_id)
    shown = [_shown(each, limits) for each in found]
    merges = sum(each.should_merge for each in found)
    paths = Counter(each.path.value for each in found)
    result = PredictResult(
        sentence=f"{merges} of {len(found)} pairs are to be merged; {paths['fallback']} were judged by similarity"
        " alone.",
        pairs=len(found),
        merges=merges,
        paths=dict(sorted(paths.items())),
        predictions=tuple(shown[:_SHOWN]),
        files=publish_files(run.artifacts, {PREDICTIONS_FILE: _jsonl(shown)}, folder="dedup_predictions"),
    )
    return Done(result=result, record=lambda conn: record(conn, found))


class _TextPair(Contract):
    a: Statement
    b: Statement
    similarity: float | None = Field(default=None, ge=-1, le=1)


class _StoredPair(Contract):
    insight1_id: InsightId
    insight2_id: InsightId


def _wanted(run: Run, conn: Connection, params: PredictParams) -> list[Asked]:
    if params.pairs is None:
        return _stored(conn, [(str(params.insight1_id), str(params.insight2_id))])
    texts: dict[int, Asked] = {}
    stored: dict[int, tuple[str, str]] = {}
    for number, (line, fields) in enumerate(_records(run, params.pairs)):
        try:
            if "insight1_id" in fields:
                named = _StoredPair.model_validate(fields)
                stored[number] = (named.insight1_id, named.insight2_id)
            else:
                texts[number] = _asked(_TextPair.model_validate(fields))
        except (ValidationError, InvalidInputError) as error:
            raise _no_line(line, "a pair", error) from None
    known = dict(zip(stored, _stored(conn, list(stored.values())), strict=True))
    return [asked for _, asked in sorted({**texts, **known}.items())]


def _asked(text: _TextPair) -> Asked:
    one, two = read_statement(text.a), read_statement(text.b)
    return Asked(one=insight_id(one), two=insight_id(two), pair=pair_of(one, two, text.similarity))


def _stored(conn: Connection, pairs: Sequence[tuple[str, str]]) -> list[Asked]:
    found = dedup.stored_pairs(conn, pairs)
    if len(found) != len(pairs):
        raise NotFoundError(f"{len(pairs) - len(found)} of {len(pairs)} pairs name an insight that there is not")
    return [Asked(one=row.a_id, two=row.b_id, pair=pair_of(row.a, row.b, row.similarity)) for row in found]


def _with_similarities(batch: Sequence[Asked], job_id: str) -> list[Asked]:
    """Embed the statements of pairs whose similarity nobody told. Where that fails it stays unknown."""
    lacking = [asked for asked in batch if asked.pair.similarity is None]
    if not lacking:
        return list(batch)
    try:
        vectors = embed_statements(
            [t for asked in lacking for t in (asked.pair.a, asked.pair.b)], job_id=job_id
        ).vectors
    except UnavailableError:
        return list(batch)
    similarities = iter((vectors[0::2] * vectors[1::2]).sum(axis=1).tolist())
    return [
        asked
        if asked.pair.similarity is not None
        else Asked(one=asked.one, two=asked.two, pair=pair_of(asked.pair.a, asked.pair.b, next(similarities)))
        for asked in batch
    ]


def _shown(found: Prediction, limits: Thresholds) -> PairShown:
    one, two = sorted((found.asked.one, found.asked.two))
    return PairShown(
        prediction_id=found.id,
        insight1_id=one,
        insight2_id=two,
        similarity=found.asked.pair.similarity,
        should_merge=found.should_merge,
        confidence=found.confidence,
        merge_probability=found.merge_probability,
        course=limits.course(should_merge=found.should_merge, confidence=found.confidence, by_model=found.by_model),
        path=found.path,
        model_id=found.model_id,
        reason=found.reason,
    )


# --- one statement against all insights -----------------------------------------------------------------------------


class CheckParams(Contract):
    """Which statements to compare with the insights."""

    statements: Upload = Field(description="JSON lines, each with a `statement`.")


class CheckShown(Contract):
    """What was found out about a statement, by the id that it has or would have.

    ``course`` is what an ingest would do: ``merge`` it with ``existing_insight_id``, ``propose`` that, or keep it
    (``new``).
    """

    insight_id: str
    should_merge: bool
    course: Course
    existing_insight_id: str | None
    confidence: float
    similarity: float | None
    path: Path | None
    prediction_id: str | None
    compared: int


class CheckResult(Contract):
    """How many statements are there already. ``checks`` are the first 100."""

    sentence: str
    statements: int
    courses: dict[str, int]
    checks: tuple[CheckShown, ...]
    files: ResultFiles


def check(run: Run, params: CheckParams) -> Done:
    """Compare statements with the insights, store none of them, and write every prediction down.

    Raises InvalidInputError for a line that is no statement, and what embedding raises.
    """
    statements = list(_statements(run, params.statements))
    found: list[DuplicateCheck] = []
    for start in range(0, len(statements), policy().ingest.batch):
        run.report(start / len(statements), "checking", checked=start)
        batch = statements[start : start + policy().ingest.batch]
        embedded = embed_statements(batch, job_id=run.job_id)
        incoming = [Incoming(statement=s, vector=v) for s, v in zip(batch, embedded.vectors, strict=True)]
        found += check_many(run, incoming, embedded.model)
    shown = [_check_shown(each) for each in found]
    courses = Counter(each.course for each in found)
    result = CheckResult(
        sentence=f"{courses['merge']} of {len(found)} statements are there already, {courses['propose']} may be, and"
        f" {courses['new']} are new.",
        statements=len(found),
        courses=dict(sorted(courses.items())),
        checks=tuple(shown[:_SHOWN]),
        files=publish_files(run.artifacts, {CHECKS_FILE: _jsonl(shown)}, folder="dedup_predictions"),
    )
    return Done(result=result, record=lambda conn: record(conn, [p for each in found for p in each.predictions]))


def _statements(run: Run, upload: str) -> Iterator[str]:
    for line, fields in _records(run, upload):
        text = fields.get("statement")
        if set(fields) != {"statement"} or not isinstance(text, str):
            raise _no_line(line, "a statement")
        try:
            yield read_statement(text)
        except InvalidInputError as error:
            raise _no_line(line, "a statement", error) from None


def _check_shown(found: DuplicateCheck) -> CheckShown:
    best = found.prediction
    return CheckShown(
        insight_id=found.insight_id,
        should_merge=found.should_merge,
        course=found.course,
        existing_insight_id=found.existing_insight_id,
        confidence=found.confidence,
        similarity=best.asked.pair.similarity if best else None,
        path=best.path if best else None,
        prediction_id=best.id if best else None,
        compared=len(found.predictions),
    )


# --- files ----------------------------------------------------------------------------------------------------------


def _records(run: Run, upload: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects of a file with their lines. Raises InvalidInputError, which quotes nothing."""
    with open_upload(run, upload) as file:
        for record_ in islice(read_records(file, "jsonl", ()), _MOST + 1):
            if isinstance(record_.fields, Unreadable):
                raise _no_line(record_.line, "JSON")
            if record_.line > _MOST:
                raise InvalidInputError(f"the file has more than {_MOST:,} lines", advice="send it in parts")
            yield record_.line, record_.fields


def _no_line(line: int, what: str, why: Exception | None = None) -> InvalidInputError:
    told = f"{what}: {why.message}" if isinstance(why, InvalidInputError) else what
    return InvalidInputError(f"line {line} of the file is not {told}", advice="correct it and send the file again")


def _jsonl(rows: Sequence[Contract]) -> bytes:
    return b"".join(canonical_json(row.model_dump(mode="json")) + b"\n" for row in rows)
