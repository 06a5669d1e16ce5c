"""The check of training files over a bare loop of ``json.loads``, on three kinds of files."""

import io
import json
import time
from collections.abc import Iterator

from shared.llm.training_file import validate_file
from tests.bench.harness import Bench

_ROWS = 10_000
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": f"function_{number}",
            "description": f"Does the thing of number {number}, as long as the customer has asked for it.",
            "parameters": {
                "type": "object",
                "properties": {
                    "order_id": {"type": "integer", "description": "The order."},
                    "reason": {"type": "string", "description": "Why the customer wants it."},
                },
                "required": ["order_id"],
            },
        },
    }
    for number in range(9)
]


def run(bench: Bench) -> None:
    """Check whole files in memory, so that no disk is measured."""
    kinds = {
        "short chats": (_short, "≥ 0.25"),
        "JSON in, JSON out": (_snapshots, "≥ 0.3"),
        "calls of nine declared functions": (_calls, "≥ 0.7"),
    }
    for name, (lines, target) in kinds.items():
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines())
        what = f"check of a training file, {name} ({len(data) // _ROWS} bytes a row)"
        bench.compare(what, lambda data=data: _ours(data), lambda data=data: _bare(data), target, " rows/s")  # type: ignore[misc]


def _bare(data: bytes) -> float:
    start = time.perf_counter()
    for line in io.BytesIO(data):
        json.loads(line)
    return _ROWS / (time.perf_counter() - start)


def _ours(data: bytes) -> float:
    start = time.perf_counter()
    report = validate_file(io.BytesIO(data))
    seconds = time.perf_counter() - start
    assert report.ok, report.counts
    return _ROWS / seconds


def _chat(*messages: dict[str, object], **more: object) -> dict[str, object]:
    return {"messages": list(messages), **more}


def _short() -> Iterator[dict[str, object]]:
    for row in range(_ROWS):
        yield _chat(
            {"role": "system", "content": "You are a helpful assistant who answers in one sentence."},
            {"role": "user", "content": f"What would you do with {row} apples and a basket?"},
            {"role": "assistant", "content": "I would give one to everybody who comes by, and keep the basket."},
        )


def _snapshots() -> Iterator[dict[str, object]]:
    for row in range(_ROWS):
        signals = {f"signal_{name}": {"count": row % (name + 7), "band": "high", "share": 0.25} for name in range(12)}
        answer = {"decision": "Call back open quotes.", "boundary": "Not on Sundays.", "evidence": ["signals.a=1"]}
        yield _chat(
            {"role": "system", "content": "Name one decision and one boundary for this snapshot of a business."},
            {"role": "user", "content": json.dumps({"row": row, "signals": signals})},
            {"role": "assistant", "content": json.dumps(answer)},
        )


def _calls() -> Iterator[dict[str, object]]:
    for row in range(_ROWS):
        call = {"name": f"function_{row % 9}", "arguments": json.dumps({"order_id": row})}
        yield _chat(
            {"role": "system", "content": "You are a friendly assistant of a shop; ask before you cancel anything."},
            {"role": "user", "content": f"please cancel order {row}, it is late"},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "c", "type": "function", "function": call}]},
            {"role": "tool", "tool_call_id": "c", "content": json.dumps({"order_id": row, "status": "cancelled"})},
            {"role": "assistant", "content": f"Order {row} is cancelled, and the money is on its way to you."},
            tools=_TOOLS,
        )
