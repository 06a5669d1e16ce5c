"""Lines of training files for tests, and the check of a few of them."""

import io
import json
from typing import Any

import orjson

from shared.llm.training_file import FileReport, validate_file

USER = {"role": "user", "content": "How late is it?"}
ANSWER = {"role": "assistant", "content": "Noon."}
TOOL = {
    "type": "function",
    "function": {
        "name": "clock",
        "parameters": {
            "type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"],
            "additionalProperties": False,
        },
    },
}  # fmt: skip


def call(arguments: Any = '{"zone": "UTC"}', number: Any = "c1", name: Any = "clock", **more: Any) -> dict[str, Any]:
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def calling(*calls: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def result(number: Any = "c1", **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": number, "content": "12:00", **more}


def chat(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


def talk_with_tool(*messages: Any) -> dict[str, Any]:
    return chat(USER, *messages, tools=[TOOL])


def check(*lines: Any, pad: bool = True, kind: Any = "auto") -> FileReport:
    """Check these lines (JSON values, or bytes as they are), with enough good ones after them."""
    good = [chat({"role": "user", "content": f"Question {n}?"}, ANSWER) for n in range(10)] if pad else []
    data = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    return validate_file(io.BytesIO(data + b"".join(orjson.dumps(line) + b"\n" for line in good)), kind)
