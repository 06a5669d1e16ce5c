from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pipelines.gold.cells import cents, day, number, numbers


@pytest.mark.parametrize(
    "cell",
    ["Nov 20, 2025", "November 20, 2025", "2025-11-20", "11/20/2025", " 2025-11-20 ", "Nov  20, 2025", "Nov. 20, 2025",
     "2025-11-20 14:30", "11/20/2025 02:30 PM"],
)  # fmt: skip
def test_three_forms_of_a_date(cell: str) -> None:
    assert day(cell) == date(2025, 11, 20)


@pytest.mark.parametrize("cell", ["", "-", " ", "—"])
def test_nothing_is_nothing(cell: str) -> None:
    assert day(cell) is None
    assert cents(cell) is None
    assert number(cell) is None
    assert numbers(cell) == ()


@pytest.mark.parametrize(
    "cell",
    [
        "20/11/2025",
        "2025-13-01",
        "2025-02-30",
        "yesterday",
        "11-20-2025",
        "Nok 20, 2025",
        "1025-01-01",
        "\u0662025-11-20",
    ],
)
def test_what_is_no_date_is_refused_unseen(cell: str) -> None:
    with pytest.raises(ValueError, match=r"date") as caught:
        day(cell)
    assert cell not in str(caught.value)


@given(st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_every_date_in_each_form(when: date) -> None:
    assert day(when.isoformat()) == when
    assert day(f"{when:%m/%d/%Y}") == when
    assert day(f"{when:%b} {when.day}, {when.year}") == when


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("9400", 940_000), ("9400.0", 940_000), ("4,850.00", 485_000), ("$9,400.00", 940_000),
        ("-$15,224.75", -1_522_475), ("$-5.00", -500), ("(12.00)", -1200), ("($1,200)", -120_000), ("0", 0),
        ("CA$10.00", 1000), ("€ 7.5", 750), ("USD 3", 300),
    ],
)  # fmt: skip
def test_money(cell: str, value: int) -> None:
    assert cents(cell) == value


@pytest.mark.parametrize(
    "cell", ["1.234,56", "12,34", "100, 200", "(12.01", "12 dollars", "1e5", "NaN", "9" * 13, "--5", "$"]
)
def test_what_is_no_money_is_refused_unseen(cell: str) -> None:
    with pytest.raises(ValueError, match="sum of money") as caught:
        cents(cell)
    assert cell == "$" or cell not in str(caught.value)


@given(st.integers(-(10**12), 10**12))
def test_every_sum_in_each_form(value: int) -> None:
    sum_ = Decimal(value) / 100
    assert cents(f"{sum_:,.2f}") == value
    assert cents(f"{sum_}") == value
    assert cents(f"${abs(sum_):,.2f}") == abs(value)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("101, 102", ("101", "102")), ("101,102", ("101102",)), ("#101; #102", ("101", "102")), ("1,042", ("1042",)),
        ("1042.0", ("1042",)), ("INV-7, INV-8", ("inv-7", "inv-8")), ("101,", ("101",)),
        ("1,042, 1,043", ("1042", "1043")),
    ],
)  # fmt: skip
def test_several_numbers_in_a_cell(cell: str, found: tuple[str, ...]) -> None:
    assert numbers(cell) == found
    assert number(cell) == numbers(cell)[0]
