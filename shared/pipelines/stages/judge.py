"""An optional judge: a model that rates first answers beside the approved ones, from 1 to 5.

Its rating is reported, and is part of no gate: it says another thing each time that its provider changes it.
"""

import json
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from shared.contracts import JsonObject
from shared.llm.chat import ChatRequest, Message
from shared.llm.structured import MisfitError, read_answer
from shared.llm.tuned import AnswersFirst, completions_of
from shared.pipeline import Row
from shared.pipelines.stages.contracts import NAME, StageInput, canonical
from shared.pipelines.stages.lines import pair_of
from shared.pipelines.stages.policy import policy

_SCHEMA: Final[JsonObject] = {
    "type": "object",
    "properties": {"score": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["score"],
    "additionalProperties": False,
}
_TASK: Final = (
    "You compare two answers to the same input about a business: one that a person has approved, and a candidate's. "
    "Say how well the candidate would serve the owner in its place: 5, as well as the approved one or better; 3, in "
    'part; 1, not at all. Judge what is said, not how long it is. Answer with JSON: {"score": 1 to 5}.'
)
_MAX_TOKENS: Final = 20


def judged(
    judge: str, model: AnswersFirst[StageInput], rows: Sequence[Row], job_id: str, report: Callable[[], None]
) -> JsonObject:
    """Let a judge rate a model's first answers to some rows; those are in the cache. Returns figures.

    Raises what completions raise. A rating that is none does not count.
    """
    some = list(islice(rows, policy().evals.max_judged_rows))
    batch = policy().model.batch
    batches = [some[start : start + batch] for start in range(0, len(some), batch)]
    ratings = [rating for rows in batches for rating in _rate(judge, model, rows, job_id, report)]
    counted = [rating for rating in ratings if rating is not None]
    return {
        "judge_model": judge,
        "judge_rows": len(counted),
        "judge_score": sum(counted) / len(counted) if counted else None,
    }


def _rate(
    judge: str, model: AnswersFirst[StageInput], rows: Sequence[Row], job_id: str, report: Callable[[], None]
) -> list[int | None]:
    report()
    pairs = [pair_of(row) for row in rows]
    firsts = model.first([value for value, _ in pairs])
    asked = [
        _request(judge, {"input": canonical(value), "approved": canonical(truth), "candidate": first.text})
        for (value, truth), first in zip(pairs, firsts, strict=True)
    ]
    answers = completions_of(None).complete_many(
        asked, purpose=f"{NAME}-judge", job_id=job_id, timeout_s=policy().model.answer_seconds
    )
    return [_score(answer.text) for answer in answers]


def _request(judge: str, shown: JsonObject) -> ChatRequest:
    return ChatRequest(
        model=judge,
        messages=(
            Message(role="system", content=_TASK),
            Message(role="user", content=json.dumps(shown, ensure_ascii=False)),
        ),
        schema=_SCHEMA,
        schema_name="rating",
        max_tokens=_MAX_TOKENS,
    )


def _score(text: str) -> int | None:
    try:
        return int(read_answer(text, _SCHEMA)["score"])
    except MisfitError:
        return None
