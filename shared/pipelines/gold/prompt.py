"""What gold's model is told and asked: the same words in training, in evaluation and in production."""

from functools import lru_cache
from typing import Final

from shared.contracts import JsonObject
from shared.ids import canonical_json
from shared.pipelines.gold.contracts import GoldAnswer, Snapshot
from shared.pipelines.gold.policy import policy

SCHEMA_NAME: Final = "gold_answer"

_SYSTEM: Final = """\
You are given a snapshot of a service business: counts and bands of its quotes, invoices and jobs over a window of \
days, as JSON. Name one decision and one boundary.

- decision: the one thing to do, in one sentence.
- boundary: the one line that must not be crossed while doing it, in one sentence.
- why_this_now: why this, and why now, in one sentence.
- one_sentence_pattern: the pattern behind it, in one sentence.
- confidence: low, medium or high.
- evidence: at least {least} of the snapshot's own entries, each copied exactly as signals.<path>=<value>.

Never use these terms: {terms}. Name no person, no address, no e-mail and no phone number.
Answer with one JSON object that has these six fields, and nothing else."""


@lru_cache(maxsize=1)
def system_prompt() -> str:
    """Return the system message. It changes with the policy's rules only: a model is asked as it was trained."""
    rules = policy()
    return _SYSTEM.format(least=max(rules.min_evidence, 1), terms=", ".join(rules.forbidden.terms))


def question(snapshot: Snapshot) -> list[JsonObject]:
    """Return the messages that ask about a snapshot: the rules, and the snapshot's canonical JSON."""
    return [{"role": "system", "content": system_prompt()}, {"role": "user", "content": snapshot.canonical()}]


def answer_text(answer: GoldAnswer) -> str:
    """Return the one text of an answer (canonical JSON): equal answers give equal bytes."""
    return canonical_json(answer.model_dump(mode="json")).decode()
