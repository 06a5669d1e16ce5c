"""What stands in the place of a refused answer with personal data."""

import pytest

from shared.llm.structured import Fault
from shared.llm.withheld import PERSONAL, faults_noted, noted

FAULTS = (Fault(rule="shape", message="it has a field too many"), Fault(rule=PERSONAL, message="trial has an address"))
SHAPE = FAULTS[:1]
MAIL = "Write to ada@mail.example."


def test_a_note_says_what_was_wrong_and_nothing_of_the_words() -> None:
    note = noted(MAIL, FAULTS)
    assert note is not None
    assert "ada" not in note
    assert faults_noted(note) == FAULTS
    assert noted(MAIL, FAULTS) == note
    assert noted("Call 212 555 0142.", FAULTS) != note


def test_what_was_refused_for_another_reason_stays_unless_it_looks_personal() -> None:
    assert noted("No JSON at all.", SHAPE) is None
    found = noted(MAIL, SHAPE)
    assert found is not None
    assert faults_noted(found) == SHAPE


@pytest.mark.parametrize("text", ["", "{}", '{"withheld":', '{"withheld":[["a"]],"words":""}', '{"withheld":1,"x":2}'])
def test_what_only_begins_like_a_note_is_none(text: str) -> None:
    assert faults_noted(text) == ()
