"""The check of training files: on files that no one here wrote, as a whole, and on anything at all."""

import gzip
import io
import json
import tracemalloc
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInputError
from shared.llm.policy import llm_policy
from shared.llm.training_faults import FAULTS
from shared.llm.training_file import FileReport, require_ok, validate_file
from tests.support.shared_data import shared_data
from tests.support.training_lines import ANSWER, TOOL, USER, call, calling, chat, check

SHARED = shared_data("finetune-jsonl")


def _shared(name: str) -> FileReport:
    path = SHARED / name
    if not path.exists():
        pytest.skip("the shared data are not here")
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return validate_file(file)  # type: ignore[arg-type]


# --- files that no one here wrote -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rows"), [("pirate.jsonl", 10), ("shop_tools_val.jsonl", 90), ("shop_tools_train.jsonl.gz", 812)]
)
def test_good_files_are_taken_without_a_word(name: str, rows: int) -> None:
    report = _shared(f"valid/{name}")
    assert (report.ok, report.rows, report.bad_rows, report.fault_count, report.warning_count) == (True, rows, 0, 0, 0)
    require_ok(report)


def test_arguments_that_are_objects_are_found_in_exactly_their_rows() -> None:
    report = _shared("natural/shop_tools_object_args.jsonl")
    assert (report.ok, report.rows, report.bad_rows) == (False, 90, 79)
    assert report.counts == {"arguments-not-string": 79}


def test_the_toy_file_has_too_few_examples_one_without_a_user_and_a_long_one() -> None:
    report = _shared("natural/toy_chat.jsonl")
    assert report.counts == {"no-user": 1, "too-few-examples": 1}
    assert [(fault.line, fault.code) for fault in report.warnings] == [(5, "long-example")]
    assert report.tokens == pytest.approx(8242, rel=0.01)  # as OpenAI's cookbook counts this very file


@pytest.mark.parametrize("name", ["gsm8k_rows.jsonl", "mt_bench_rows.jsonl"])
def test_rows_of_other_kinds_have_no_messages(name: str) -> None:
    report = _shared(f"natural/{name}")
    assert (report.rows, report.counts) == (12, {"no-messages": 12})


# --- the file as a whole --------------------------------------------------------------------------------------------


def test_an_empty_file_and_nine_examples_are_too_few() -> None:
    assert check(pad=False).counts == {"too-few-examples": 1}
    assert not check(*[chat(USER, ANSWER)] * 9, pad=False).ok
    assert check(*[chat(USER, ANSWER)] * 10, pad=False).warning_counts == {"duplicate-example": 9}


def test_the_same_messages_with_other_functions_are_another_example() -> None:
    other = json.loads(json.dumps(TOOL).replace("clock", "watch"))
    lines = [chat(USER, ANSWER, tools=tools) for tools in ([TOOL], [other], [TOOL], [TOOL])]
    report = check(*lines)
    assert [(fault.line, fault.code) for fault in report.warnings] == [
        (3, "duplicate-example"),
        (4, "duplicate-example"),
    ]


def test_faults_beyond_the_first_hundred_are_counted() -> None:
    report = check(*[chat(USER)] * 250)
    assert (len(report.faults), report.fault_count, report.bad_rows) == (100, 250, 250)
    with pytest.raises(InvalidInputError) as refused:
        require_ok(report)
    error = refused.value.as_dict()
    assert error["code"] == "bad-training-file"
    assert error["details"]["counts"] == {"no-assistant": 250}
    assert error["details"]["faults"][0]["line"] == 1


def test_limits_of_lines_and_files_hold_without_reading_on() -> None:
    limits = llm_policy().limits.model_copy(update={"max_line_bytes": 300, "max_file_bytes": 5_000})
    lines = [orjson.dumps(chat({"role": "user", "content": f"{n}"}, ANSWER)) + b"\n" for n in range(12)]
    long = b'{"messages": "' + b"x" * 1000 + b'"}\n'
    report = validate_file(io.BytesIO(lines[0] + long + b"".join(lines[1:])), limits=limits)
    assert [(fault.line, fault.code) for fault in report.faults] == [(2, "line-too-large")]
    assert report.rows == 13
    file = io.BytesIO(b"".join(lines) * 20)
    report = validate_file(file, limits=limits)
    assert "file-too-large" in report.counts
    assert file.tell() < 5_400
    endless = io.BytesIO(b" " * 100_000)
    assert "file-too-large" in validate_file(endless, limits=limits).counts
    assert endless.tell() < 5_400


def test_memory_does_not_grow_with_the_file() -> None:
    class Endless(io.RawIOBase):
        def __init__(self, rows: int) -> None:
            self.left, self.text = rows, b""

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            if not self.text and self.left:
                self.left -= 1
                self.text = orjson.dumps(chat({"role": "user", "content": f"{self.left} " * 2000}, ANSWER)) + b"\n"
            size = min(len(buffer), len(self.text))
            buffer[:size], self.text = self.text[:size], self.text[size:]
            return size

    peaks = []
    for rows in (100, 1000):
        tracemalloc.start()
        assert validate_file(io.BufferedReader(Endless(rows))).rows == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000


def test_messages_of_faults_never_quote_the_file() -> None:
    secret = "Ann Canary ann@example.com"
    report = check(
        {secret: 1},
        chat({"role": secret, "content": secret, secret: 1}, USER, ANSWER),
        chat({"role": "user", "content": [{"type": secret}]}, calling(call(arguments=secret, name=secret))),
        f'{{"messages": "{secret}'.encode(),
        chat(USER, ANSWER, tools=[{"type": "function", "function": {"name": secret, secret: 1}}]),
        kind="chat",
    )
    shown = report.model_dump_json()
    assert report.fault_count > 6
    assert "Canary" not in shown
    assert "example.com" not in shown


# --- against anything -----------------------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["messages", "role", "content", "tools", "tool_calls", "function", "input", "name", "x"]),
        inner | st.sampled_from(["user", "assistant", "tool", "function", "text"]), max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(_JSON | st.builds(lambda m: {"messages": [m, USER, ANSWER]}, _JSON), max_size=5))
def test_any_json_is_judged(values: list[Any]) -> None:
    data = b"".join(json.dumps(value).encode() + b"\n" for value in values)
    for kind in ("auto", "chat", "preference"):
        report = validate_file(io.BytesIO(data), kind)
        assert report.rows == len(values)
        assert all(fault.code in FAULTS for fault in report.faults)


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(data: bytes) -> None:
    assert not validate_file(io.BytesIO(data)).ok


@given(_JSON)
def test_a_line_is_an_object_for_us_exactly_when_it_is_for_a_strict_parser(value: Any) -> None:
    line = json.dumps(value).encode()
    try:
        strict = json.loads(line, parse_constant=lambda _: 1 / 0)
        strict_object = isinstance(strict, dict) and "\\ud" not in line.decode().lower()
    except ZeroDivisionError:
        strict_object = False
    codes = validate_file(io.BytesIO(line + b"\n"), "chat").counts.keys()
    unread = {"not-json", "nan", "not-object", "lone-surrogate", "duplicate-key", "too-deep"}
    if strict_object:
        assert unread.isdisjoint(codes - {"too-deep"})
    elif "\\ud" not in line.decode().lower():
        assert not unread.isdisjoint(codes)
