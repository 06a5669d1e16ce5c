"""Where statements differ: marked word by word, whatever they hold, and never a letter lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.review.items.differences import compare


def _marked(*statements: str) -> list[str]:
    return [
        "".join(f"[{run.text}]" if run.differs else run.text for run in compared.runs)
        for compared in sorted(compare(statements), key=lambda each: each.place)
    ]


@pytest.mark.parametrize(
    ("statements", "marked"),
    [
        (("Sales rose in May.", "Sales fell in May."), ["Sales [rose] in May.", "Sales [fell] in May."]),
        (("Young teams prefer chat.", "young teams prefer chat!"),
         ["Young teams prefer chat.", "young teams prefer chat!"]),
        (("It fell by 5 %", "It fell by -5 %"), ["It fell by [5] %", "It fell by [-5] %"]),
        (("A b", "A b", "A c"), ["A b", "A b", "A [c]"]),
        (("one", ""), ["[one]", ""]),
        ((), []),
    ],
)  # fmt: skip
def test_only_what_differs_is_marked(statements: tuple[str, ...], marked: list[str]) -> None:
    assert _marked(*statements) == marked


def test_the_one_most_like_all_others_comes_first() -> None:
    told = ["Cats sleep.", "Dogs bark at night.", "Dogs bark loud at night.", "Dogs howl at night."]
    assert [each.place for each in compare(told)] == [1, 2, 3, 0]


@given(st.lists(st.text(max_size=60), max_size=6))
def test_no_letter_is_lost_and_each_comes_once(statements: list[str]) -> None:
    compared = compare(statements)
    assert sorted(each.place for each in compared) == list(range(len(statements)))
    for each in compared:
        assert "".join(run.text for run in each.runs) == statements[each.place]
