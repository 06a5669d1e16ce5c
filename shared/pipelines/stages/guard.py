"""The rules of an answer: the contract, no forbidden term, no personal data, and evidence that the input has."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from shared.contracts import JsonObject
from shared.errors import InvalidInputError
from shared.llm.chat import Message
from shared.llm.structured import Bounds, Fault, MisfitError, read_answer
from shared.llm.withheld import PERSONAL
from shared.llm.wording import Terms, looks_personal
from shared.pipelines.stages.contracts import (
    StageInput,
    StageOutput,
    canonical,
    evidence_of,
    output_schema,
    parse_output,
    stage_of_input,
    texts_of,
    ungrounded,
    ungrounded_paths,
)
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.policy import policy

UNGROUNDED: Final = "evidence-mismatch"
FORBIDDEN: Final = "forbidden-term"
SHAPE: Final = "shape"
WORDS: Final = frozenset({FORBIDDEN, PERSONAL})
"""The rules about words; the others are about the contract, besides ``UNGROUNDED``."""
_BOUNDS: Final = Bounds(characters=20_000, depth=8, entries=200)
_MOST_ENTRIES: Final = 120


class StageGuard:
    """The guard of the answers to one input (the protocol ``shared.llm.guardrail.Guard``)."""

    def __init__(self, value: StageInput) -> None:
        self._value = value
        self._stage = stage_of_input(value)

    @property
    def schema(self) -> JsonObject:
        """The JSON schema of an answer."""
        return output_schema(self._stage)

    def check(self, text: str) -> StageOutput | tuple[Fault, ...]:
        """Return the answer, or every rule that it breaks: of its contract first, then of what it says."""
        try:
            raw: Any = read_answer(text, self.schema, _BOUNDS)
            output = parse_output(self._stage, raw)
        except MisfitError as misfit:
            return misfit.faults
        except InvalidInputError as error:
            return (Fault(rule=SHAPE, message=error.message),)
        return tuple(broken(self._value, output)) or output

    def rewrite_messages(self, first_text: str, faults: tuple[Fault, ...]) -> Sequence[Message]:
        """Return the rejected answer, what was wrong with it, the entries that may be evidence, and the input again.

        A model without a memory of the whole conversation (``local-nearest``) looks at the last message only.
        """
        wrong = "\n".join(f"- {fault.message}" for fault in faults)
        entries = "\n".join(evidence_of(self._value)[:_MOST_ENTRIES])
        asked = (
            f"This answer broke rules:\n{wrong}\n\nAnswer again: the same JSON object, with every rule kept. "
            f"Evidence may only be copied from these entries:\n{entries}\n\n{canonical(self._value)}"
        )
        return Message(role="assistant", content=first_text), Message(role="user", content=asked)

    def fallback(self) -> StageOutput:
        """Return what the stage's rules conclude."""
        return deterministic(self._value)


def broken(value: StageInput, output: StageOutput) -> Iterator[Fault]:
    """Yield every rule that an output of the contract breaks, whoever wrote it: of words first, then of evidence."""
    for path, rule, reason in _words(output):
        yield Fault(rule=rule, message=f"{path} {reason}")
    if wrong := ungrounded(value, output):
        places = ", ".join(map(str, wrong))
        yield Fault(rule=UNGROUNDED, message=f"the input does not have evidence entry {places}")


def broken_by_path(value: StageInput, output: StageOutput) -> Iterator[tuple[str, str]]:
    """Yield the same by the path at which the output breaks a rule, as ``signals.0.meaning``, with the reason."""
    for path, _, reason in _words(output):
        yield path, reason
    for path in ungrounded_paths(value, output):
        yield path, "is no entry that the input has"


def _words(output: StageOutput) -> Iterator[tuple[str, str, str]]:
    for path, text in texts_of(output).items():
        for term in _terms().found(text):
            yield path, FORBIDDEN, f"has the forbidden term “{term}”"
        if looks_personal(text):
            yield path, PERSONAL, "has what looks like an e-mail address or a phone number"


@lru_cache(maxsize=1)
def _terms() -> Terms:
    forbidden = policy().forbidden
    return Terms.of(forbidden.terms, forbidden.allowed)
