"""The rules of an answer: one decision, one boundary, no forbidden term, and evidence that the snapshot truly has."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from shared.contracts import JsonObject
from shared.llm.chat import Message
from shared.llm.structured import Bounds, Fault, MisfitError, read_answer
from shared.pipelines.gold.contracts import ANSWER_SCHEMA, MAX_EVIDENCE, GoldAnswer, Snapshot, evidence_of
from shared.pipelines.gold.fallback import INSUFFICIENT
from shared.pipelines.gold.policy import policy
from shared.pipelines.gold.rules import check_texts

_BOUNDS: Final = Bounds(characters=20_000, depth=8, entries=200)


class GoldGuard:
    """The guard of the answers to one snapshot (the protocol ``shared.llm.guardrail.Guard``)."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._entries = evidence_of(snapshot)
        self._snapshot = snapshot.canonical()

    @property
    def schema(self) -> JsonObject:
        """The JSON schema of an answer."""
        return ANSWER_SCHEMA

    def check(self, text: str) -> GoldAnswer | tuple[Fault, ...]:
        """Return the answer, or every rule that it breaks: of its JSON first, then of what it says."""
        try:
            value: JsonObject = read_answer(text, ANSWER_SCHEMA, _BOUNDS)
        except MisfitError as misfit:
            return misfit.faults
        faults = [Fault(rule=broken.rule, message=broken.message) for broken in check_texts(value)]
        faults += self._evidence_faults(value["evidence"])
        return tuple(faults) if faults else GoldAnswer.model_validate(value)

    def rewrite_messages(self, first_text: str, faults: tuple[Fault, ...]) -> Sequence[Message]:
        """Return the rejected answer, what was wrong with it, the entries that may be evidence, and the snapshot again.

        A model without a memory of the whole conversation (``local-nearest``) looks at the last message only.
        """
        wrong = "\n".join(f"- {fault.message}" for fault in faults)
        entries = "\n".join(self._entries)
        asked = (
            f"This answer broke rules:\n{wrong}\n\nAnswer again: the same JSON object, with every rule kept. "
            f"Evidence may only be copied from these entries:\n{entries}\n\n{self._snapshot}"
        )
        return Message(role="assistant", content=first_text), Message(role="user", content=asked)

    def fallback(self) -> GoldAnswer:
        """Return the answer that says that the evidence is insufficient."""
        return INSUFFICIENT

    def _evidence_faults(self, evidence: Sequence[Any]) -> Iterator[Fault]:
        least = policy().min_evidence
        if len(evidence) < least:
            yield Fault(rule="evidence-missing", message=f"evidence has {len(evidence)} entries; {least} is the least")
        if len(evidence) > MAX_EVIDENCE:
            yield Fault(
                rule="evidence-too-long", message=f"evidence has {len(evidence)} entries; {MAX_EVIDENCE} is the most"
            )
        wrong = [number for number, entry in enumerate(evidence, 1) if entry not in self._entries]
        if wrong:
            numbers = ", ".join(map(str, wrong[:MAX_EVIDENCE]))
            yield Fault(rule="evidence-mismatch", message=f"the snapshot does not have evidence entry {numbers}")
        if len(set(evidence)) < len(evidence):
            yield Fault(rule="evidence-repeated", message="evidence has the same entry twice")
