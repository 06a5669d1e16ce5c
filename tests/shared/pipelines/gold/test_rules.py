# ruff: noqa: RUF001  (letters that look like others are what this is about)
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.llm.wording import fold, looks_personal
from shared.pipelines.gold.contracts import MAX_TEXT_CHARS
from shared.pipelines.gold.patterns import SITUATIONS, STEADY
from shared.pipelines.gold.policy import policy
from shared.pipelines.gold.rules import TEXT_FIELDS, check_texts, forbidden_terms, is_list

GOOD = {"decision": "Call the late payers.", "boundary": "Start nothing new for them."}


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Build a dashboard.", ["dashboard"]),
        ("DASHBOARD!", ["dashboard"]),
        ("two Dashboards", ["dashboards"]),
        ("KPI's first", ["kpi"]),
        ("a kpi-driven plan", ["kpi"]),
        ("analytics, and monitor", ["analytics", "monitor"]),
        ("bi", ["bi"]),
        ("BI tools", ["bi"]),
        ("B.I. now", ["bi"]),
        ("B.I", ["bi"]),
        ("b. i. tools", ["bi"]),
        ("B I tools", ["bi"]),
        ("B-I", ["bi"]),
        ("b_i", ["bi"]),
        ("b/i", ["bi"]),
        ("K P I", ["kpi"]),
        ("k.p.i.", ["kpi"]),
        ("K-P-I", ["kpi"]),
        ("ＢＩ", ["bi"]),
        ("Ｂ.Ｉ.", ["bi"]),
        ("ｄａｓｈｂｏａｒｄ", ["dashboard"]),
        ("𝐤𝐩𝐢", ["kpi"]),
        ("ⓑⓘ", ["bi"]),
        ("🅱🅸", ["bi"]),
        ("ᴋᴘɪ", ["kpi"]),
        ("КРІ", ["kpi"]),
        ("dáshbóard", ["dashboard"]),
        ("dash\u200bboard", ["dashboard"]),
        ("moni\u00adtor", ["monitor"]),
        ("dash-board", ["dashboard"]),
        ("b\u0301i\u0308", ["bi"]),
        ("performance tracking", ["performance tracking"]),
        ("Performance\u00a0\n Tracking", ["performance tracking"]),
        ("performance-tracking", ["performance tracking"]),
        ("performance_tracking", ["performance tracking"]),
        ("d a s h b o a r d", ["dashboard"]),
    ],
)
def test_a_forbidden_term_is_found_whatever_it_is_written_like(text: str, terms: list[str]) -> None:
    assert list(forbidden_terms(text)) == terms


@pytest.mark.parametrize(
    "text",
    [
        "ability", "the bid", "billing", "big", "Bianca", "biweekly", "bi-weekly", "Bi-monthly", "kpis2", "admonitory",
        "dashboarding", "analytical", "performance of tracking", "e.g. call", "plan B. I will call", "a b c",
        "performance. Later, tracking? no: performance and tracking", "dash, board", "5 b 10", "", "вид", "monitorship",
    ],
)  # fmt: skip
def test_a_word_that_only_resembles_one_passes(text: str) -> None:
    assert forbidden_terms(text) == ()


_BETWEEN = st.sampled_from([" ", ", ", " (", "\n", "—", " “"])


@given(term=st.sampled_from(policy().forbidden.terms), before=_BETWEEN, after=_BETWEEN, seed=st.integers())
def test_no_disguise_of_letters_hides_a_term(term: str, before: str, after: str, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    disguises = (
        str, str.upper, lambda c: chr(ord(c) + 0xFEE0), lambda c: c + "\u0301", lambda c: "\u200d" + c,
        lambda c: chr(0x1D400 + ord(c) - ord("a")),
    )  # fmt: skip
    written = "".join(rng.choice(disguises)(letter) if letter.isalpha() else letter for letter in term)
    assert term in forbidden_terms(f"We{before}{written}{after}now")


@given(st.text())
def test_any_text_can_be_folded_and_judged(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    forbidden_terms(text)
    check_texts({"decision": text, "boundary": text})


@pytest.mark.parametrize(
    ("texts", "rules"),
    [
        (GOOD, []),
        ({}, ["missing", "missing"]),
        (GOOD | {"decision": ""}, ["missing"]),
        (GOOD | {"boundary": None}, ["missing"]),
        (GOOD | {"boundary": " \u200b\u3164 "}, ["missing"]),
        (GOOD | {"why_this_now": 5}, ["not-text"]),
        (GOOD | {"decision": ["a"]}, ["not-text"]),
        (GOOD | {"decision": "x" * (MAX_TEXT_CHARS + 1)}, ["too-long"]),
        (GOOD | {"decision": "a\x00b"}, ["bad-character"]),
        (GOOD | {"decision": "a\ud800b"}, ["bad-character"]),
        (GOOD | {"decision": "Do this.\nDo that."}, ["one-line"]),
        (GOOD | {"decision": "1. Do this 2. Do that"}, ["one-thing"]),
        (GOOD | {"boundary": "- nothing"}, ["one-thing"]),
        (GOOD | {"one_sentence_pattern": "A K.P.I. and a dashboard"}, ["forbidden-term", "forbidden-term"]),
        (GOOD | {"why_this_now": "Ask ada@mail.example"}, ["personal-data"]),
    ],
)
def test_each_rule_has_a_name(texts: dict[str, object], rules: list[str]) -> None:
    assert [broken.rule for broken in check_texts(texts)] == rules


def test_no_reason_quotes_the_text() -> None:
    broken = check_texts({"decision": "Wilhelmina's dashboard", "boundary": "call +1-555-0142"})
    assert len(broken) == 2
    assert not any("Wilhelmina" in each.message or "555" in each.message for each in broken)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ada@mail.example", True), ("ada @ mail.example", True), ("+1-555-0142", True), ("(603) 555-0142", True),
        ("6035550100", True), ("4111 1111 1111 1111", True), ("ａｄａ＠mail.example", True),
        ("2026-01-02 to 2026-01-09", False), ("42 of 1,000,000", False), ("1 000 000", False), ("30 to 60 days", False),
        ("12 quotes, 14 jobs, 3 crews", False), ("cost plus 15%", False),
    ],
)  # fmt: skip
def test_addresses_are_told_from_figures(text: str, found: bool) -> None:
    assert looks_personal(text) is found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1. a 2. b", True), ("(a) call (b) write", True), ("- call", True), ("Call 2. Street", False),
        ("1. Call", False), ("Keep 30 days.", False),
    ],
)  # fmt: skip
def test_a_list_is_not_one_thing(text: str, found: bool) -> None:
    assert is_list(text) is found


def test_what_the_rules_draft_keeps_the_rules() -> None:
    for situation in (*SITUATIONS, STEADY):
        assert check_texts({field: getattr(situation, field) for field in TEXT_FIELDS}) == ()
