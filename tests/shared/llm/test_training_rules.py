"""Every fault of an example that has a code, and what must be taken."""

import json
import re
from typing import Any

import pytest

from shared.llm.training_faults import FAULTS, WARNINGS
from shared.llm.training_file import FileReport
from tests.support.processes import ROOT
from tests.support.training_lines import ANSWER, TOOL, USER, call, calling, chat, check, result, talk_with_tool

CODES = {**FAULTS, **WARNINGS}

# --- each fault -----------------------------------------------------------------------------------------------------

_DEEP: dict[str, Any] = {"type": "object"}
for _ in range(40):
    _DEEP = {"type": "object", "properties": {"a": _DEEP}}

LINES: list[tuple[str, Any]] = [
    # the line
    ("bom", b"\xef\xbb\xbf" + json.dumps(chat(USER, ANSWER)).encode()),
    ("blank-line", b""),
    ("blank-line", b" \t\r"),
    ("bad-utf8", b'{"messages": "\xff"}'),
    ("bad-utf8", json.dumps(chat(USER, ANSWER)).encode("utf-16")),
    ("not-json", b'{"messages": ['),
    ("not-json", b"{'messages': []}"),
    ("not-json", b'{"messages": [],}'),
    ("not-json", b'{"a": 1} {"a": 1}'),
    ("nan", b'{"messages": NaN}'),
    ("nan", b'{"messages": [-Infinity]}'),
    ("lone-surrogate", b'{"messages": "\\ud83d"}'),
    ("duplicate-key", b'{"messages": [], "messages": []}'),
    ("duplicate-key", b'{"messages": [{"role": "user", "role": "user", "content": "a"}]}'),
    ("duplicate-key", b'{"messages": [{"role": "user", "content": "\\u0022", "content": "\\u0022\\u0022"}]}'),
    ("too-deep", b"[" * 500 + b"]" * 500),
    ("too-deep", b"[" * 100_000 + b"]" * 100_000),
    ("not-object", b"[]"),
    ("not-object", b'"messages"'),
    ("nul", chat({"role": "user", "content": "a\0b"}, ANSWER)),
    # the example
    ("no-messages", {}),
    ("no-messages", {"messages": []}),
    ("no-messages", {"messages": None}),
    ("wrong-type", {"messages": {}}),
    ("wrong-type", {"messages": "text"}),
    ("wrong-type", chat(USER, "text", ANSWER)),
    ("unknown-key", chat(USER, ANSWER, completion="b")),
    ("unknown-key", chat(USER | {"mood": "good"}, ANSWER)),
    ("wrong-kind", {"input": chat(USER), "preferred_output": [ANSWER], "non_preferred_output": [ANSWER]}),
    ("too-long", chat(USER, {"role": "assistant", "content": "word " * 70_000})),
    # its messages
    ("unknown-role", chat({"role": "human", "content": "a"}, USER, ANSWER)),
    ("unknown-role", chat({"role": ["user"], "content": "a"}, USER, ANSWER)),
    ("missing-key", chat({"content": "a"}, USER, ANSWER)),
    ("no-user", chat({"role": "system", "content": "a"}, ANSWER)),
    ("no-assistant", chat(USER)),
    ("last-not-assistant", chat(USER, ANSWER, USER)),
    ("missing-content", chat({"role": "user"}, ANSWER)),
    ("missing-content", chat(USER, {"role": "assistant", "content": None})),
    ("wrong-type", chat({"role": "user", "content": 1}, ANSWER)),
    ("blank-content", chat(USER, {"role": "assistant", "content": ""})),
    ("blank-content", chat({"role": "user", "content": " \n\u00a0"}, ANSWER)),
    ("blank-content", chat({"role": "user", "content": []}, ANSWER)),
    ("blank-content", chat({"role": "user", "content": [{"type": "text", "text": " "}]}, ANSWER)),
    ("wrong-type", chat({"role": "user", "content": ["a"]}, ANSWER)),
    ("wrong-type", chat({"role": "user", "content": [{"type": "text", "text": 1}]}, ANSWER)),
    ("unsupported-content", chat({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, ANSWER)),
    ("unsupported-content", chat(USER, {"role": "assistant", "content": [{"type": "image_url", "image_url": {}}]})),
    ("unsupported-content", chat(USER, ANSWER | {"audio": {"id": "a"}})),
    ("bad-name", chat(USER | {"name": "a b"}, ANSWER)),
    ("bad-weight", chat(USER, ANSWER | {"weight": 0.5})),
    ("bad-weight", chat(USER, ANSWER | {"weight": True})),
    ("unknown-key", chat(USER | {"weight": 1}, ANSWER)),
    ("nothing-to-train", chat(USER, ANSWER | {"weight": 0})),
    # calls of functions
    ("wrong-type", chat(USER, ANSWER, tools={})),
    ("bad-tool", chat(USER, ANSWER, tools=[{"name": "clock"}])),
    ("bad-tool", chat(USER, ANSWER, tools=[{"type": "function", "function": {"name": "a b"}}])),
    ("duplicate-tool", chat(USER, ANSWER, tools=[TOOL, TOOL])),
    ("too-deep", chat(USER, ANSWER, tools=[{"type": "function", "function": {"name": "a", "parameters": _DEEP}}])),
    (
        "too-many-tools",
        chat(USER, ANSWER, tools=[{"type": "function", "function": {"name": f"f{n}"}} for n in range(129)]),
    ),
    ("tool-not-declared", chat(USER, calling(call()))),
    ("tool-not-declared", talk_with_tool(calling(call(name="watch")))),
    ("empty-tool-calls", talk_with_tool({"role": "assistant", "content": "a", "tool_calls": []})),
    ("duplicate-call-id", talk_with_tool(calling(call(), call()), result(), ANSWER)),
    ("arguments-not-string", talk_with_tool(calling(call({"zone": "UTC"})))),
    ("arguments-not-json", talk_with_tool(calling(call("{zone: UTC}")))),
    ("arguments-not-json", talk_with_tool(calling(call("[1]")))),
    ("missing-key", talk_with_tool(calling({"id": "c1", "type": "function"}))),
    ("missing-key", talk_with_tool(calling({"type": "function", "function": {"name": "clock", "arguments": "{}"}}))),
    ("wrong-type", talk_with_tool(calling(call(type="tool")))),
    ("result-without-call", talk_with_tool(result(), ANSWER)),
    ("result-without-call", talk_with_tool(calling(call()), result("c2"), ANSWER)),
    ("duplicate-result", talk_with_tool(calling(call()), result(), result(), ANSWER)),
    ("unanswered-call", talk_with_tool(calling(call()), ANSWER)),
    ("unanswered-call", talk_with_tool(calling(call(), call(number="c2")), result(), ANSWER)),
    ("wrong-type", chat(USER, ANSWER, parallel_tool_calls="yes")),
    # warnings
    ("blank-system", chat({"role": "system", "content": ""}, USER, ANSWER)),
    ("long-example", chat(USER, {"role": "assistant", "content": "word " * 5_000})),
    ("arguments-misfit", talk_with_tool(calling(call("{}")))),
    ("arguments-misfit", talk_with_tool(calling(call('{"zone": "UTC", "hour": 1}')))),
]


@pytest.mark.parametrize(("code", "line"), LINES, ids=[f"{code}-{n}" for n, (code, _) in enumerate(LINES)])
def test_a_fault_is_named_by_its_code_and_line(code: str, line: Any) -> None:
    report = check(chat(USER, ANSWER), line, kind="chat") if code != "bom" else check(line)
    found = report.warnings if code in WARNINGS else report.faults
    assert code in {fault.code for fault in found}, report
    assert {fault.line for fault in found} == {1 if code == "bom" else 2}
    assert report.ok == (code in WARNINGS)


GOOD: list[Any] = [
    chat(USER, ANSWER | {"weight": 1}),
    chat(USER, ANSWER | {"weight": 0}, USER, ANSWER),
    chat(USER, ANSWER, tools=[], parallel_tool_calls=False),
    chat(USER | {"name": "ann"}, {"role": "assistant", "content": None, "refusal": "No."}),
    chat({"role": "user", "content": [{"type": "text", "text": "a"}]}, ANSWER),
    chat({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]}, ANSWER),
    talk_with_tool(calling(call())),
    talk_with_tool(calling(call(), call(number="c2")), result("c2"), result(), ANSWER),
    talk_with_tool(calling(call()), result(name="clock", content=""), ANSWER),
    chat(
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "clock", "arguments": "{}"}},
        {"role": "function", "name": "clock", "content": None},
        ANSWER,
        functions=[{"name": "clock"}],
    ),
    b'{"messages": [{"role": "user", "content": "\\" or \\u0022"}, {"role": "assistant", "content": "end \\\\"}]}',
    json.dumps(chat({"role": "user", "content": "Grüße \U0001f600"}, ANSWER)).encode() + b"\r",
]


@pytest.mark.parametrize("line", GOOD, ids=range(len(GOOD)))
def test_what_providers_take_is_taken(line: Any) -> None:
    report = check(line)
    assert (report.ok, report.warnings) == (True, ()), report


def test_every_code_of_a_line_is_shown_here() -> None:
    files = {"too-few-examples", "file-too-large", "line-too-large", "unreadable", "duplicate-example"}
    pairs = {"not-one-answer", "identical-answers", "prompt-ends-with-assistant"}
    assert {code for code, _ in LINES} == set(CODES) - files - pairs


# --- preference pairs -----------------------------------------------------------------------------------------------

_OTHER = {"role": "assistant", "content": "Midnight."}


def _pair(better: Any = (ANSWER,), worse: Any = (_OTHER,), prompt: Any = None, **more: Any) -> dict[str, Any]:
    chosen = chat(USER) if prompt is None else prompt
    return {"input": chosen, "preferred_output": better, "non_preferred_output": worse, **more}


def _pairs(line: Any) -> FileReport:
    others = [_pair(prompt=chat({"role": "user", "content": f"Question {n}?"})) for n in range(10)]
    return check(others[0], line, *others[1:], pad=False)


@pytest.mark.parametrize(
    "line",
    [
        _pair(),
        _pair(prompt=chat(USER, tools=[TOOL], parallel_tool_calls=True)),
        {"input": chat(USER), "preferred_completion": [ANSWER], "non_preferred_completion": [_OTHER]},
        _pair(better=[calling(call())], prompt=chat(USER, tools=[TOOL])),
    ],
)
def test_pairs_are_taken_as_documented_and_as_in_the_published_schema(line: Any) -> None:
    report = _pairs(line)
    assert (report.kind, report.ok, report.rows) == ("preference", True, 11), report


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("identical-answers", _pair(worse=[ANSWER])),
        ("not-one-answer", _pair(better=[])),
        ("not-one-answer", _pair(better=[ANSWER, ANSWER])),
        ("not-one-answer", _pair(better=[USER])),
        ("wrong-type", _pair(better=ANSWER)),
        ("missing-key", {"input": chat(USER), "preferred_output": [ANSWER]}),
        ("missing-key", {"preferred_output": [ANSWER], "non_preferred_output": [_OTHER]}),
        ("wrong-type", _pair(prompt="How late is it?")),
        ("no-messages", _pair(prompt={"messages": []})),
        ("no-user", _pair(prompt=chat({"role": "system", "content": "a"}))),
        ("bad-weight", _pair(better=[ANSWER | {"weight": 1}])),
        ("unknown-key", _pair(preferred_completion=[ANSWER])),
        ("unknown-key", _pair(prompt=chat(USER, functions=[]))),
        ("wrong-kind", chat(USER, ANSWER)),
        ("blank-content", _pair(worse=[{"role": "assistant", "content": " "}])),
    ],
)
def test_faults_of_pairs(code: str, line: Any) -> None:
    report = _pairs(line)
    assert code in {fault.code for fault in report.faults}, report
    assert {fault.line for fault in report.faults} == {2}


def test_an_answer_after_an_answer_is_a_warning() -> None:
    assert _pairs(_pair(prompt=chat(USER, ANSWER))).warning_counts == {"prompt-ends-with-assistant": 1}


def test_the_page_about_training_files_shows_every_code_with_its_meaning() -> None:
    page = (ROOT / "docs/training-files.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.+) \|$", page, re.MULTILINE))
    assert rows == CODES
