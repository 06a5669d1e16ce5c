"""The rules of a conversation: who speaks, what a message holds, and that calls of functions and answers fit."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.contracts import JsonObject
from shared.llm.training_faults import Notes
from shared.llm.training_tools import Declared, check_arguments, is_name

_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "assistant": frozenset({"role", "content", "name", "refusal", "tool_calls", "function_call", "weight", "audio"}),
    "tool": frozenset({"role", "content", "name", "tool_call_id"}),
    "function": frozenset({"role", "content", "name"}),
}
_CALL_KEYS: Final = frozenset({"id", "type", "function"})
_FUNCTION_CALL_KEYS: Final = frozenset({"name", "arguments"})
_PART_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"type", "text"}),
    "refusal": frozenset({"type", "refusal"}),
    "image_url": frozenset({"type", "image_url"}),
}
_DETAILS: Final = frozenset({"auto", "low", "high"})
_PLAIN: Final = 2
"""Keys of a plain message: role and content."""


class Talk:
    """Reads the messages of one conversation; afterwards it knows what the example as a whole is judged by."""

    def __init__(self, notes: Notes, declared: Declared, *, weights: bool = True) -> None:
        self.asked = False
        self.answers = 0
        self.weightless = 0
        self.last: str | None = None
        """The last message's role; None where it has none that is known."""
        self._notes = notes
        self._declared = declared
        self._weights = weights
        self._known: set[str] = set()
        self._pending: set[str] = set()

    def read(self, messages: list[Any], where: str) -> None:
        """Check all messages in their order; ``where`` is the list's name."""
        notes = self._notes
        notes.messages += len(messages)
        for index, message in enumerate(messages):
            role = message.get("role") if type(message) is dict else None
            self.last = role = role if type(role) is str and role in _KEYS else None
            if self._pending and role != "tool":
                notes.report("unanswered-call", f"{where}[{index}]")
                self._pending.clear()
            if role == "user":
                self.asked = True
            elif role == "assistant":
                self.answers += 1
            if role is not None and len(message) == _PLAIN and type(text := message.get("content")) is str:
                notes.texts.append(text)
                if (not text or text.isspace()) and role != "function":
                    self._blank(role, f"{where}[{index}].content")
                if role not in {"tool", "function"}:
                    continue
            self._message(message, role, f"{where}[{index}]")
        if self._pending and self.last == "tool":
            notes.report("unanswered-call", where)

    def _message(self, message: Any, role: str | None, where: str) -> None:
        """Check a message that is more than a role and a text."""
        notes = self._notes
        if not isinstance(message, dict):
            notes.report("wrong-type", where)
        elif role is None:
            notes.report("unknown-role" if "role" in message else "missing-key", f"{where}.role")
        else:
            notes.check_keys(message, _KEYS[role], where)
            if len(message) != _PLAIN or type(message.get("content")) is not str:
                self._content(message, role, f"{where}.content")
            if "name" in message and not is_name(message["name"]):
                notes.report("bad-name", f"{where}.name")
            if role == "assistant":
                self._answer(message, where)
            elif role == "tool":
                self._result(message, where)
            elif role == "function" and "name" not in message:
                notes.report("missing-key", f"{where}.name")

    # --- content ----------------------------------------------------------------------------------------------------

    def _content(self, message: JsonObject, role: str, where: str) -> None:
        content = message.get("content")
        if isinstance(content, str):
            self._notes.texts.append(content)
            if not content.strip() and not _has_more(message):
                self._blank(role, where)
        elif isinstance(content, list):
            self._parts(content, role, where)
        elif content is not None:
            self._notes.report("wrong-type", where)
        elif not (_has_more(message) or (role == "function" and "content" in message)):
            self._notes.report("missing-content", where)

    def _blank(self, role: str, where: str) -> None:
        if role == "system":
            self._notes.report("blank-system", where)
        elif role not in {"tool", "function"}:  # a function may well return nothing
            self._notes.report("blank-content", where)

    def _parts(self, parts: list[Any], role: str, where: str) -> None:
        said = False
        for index, part in enumerate(parts):
            place = f"{where}[{index}]"
            kind = part.get("type") if isinstance(part, dict) else None
            if not isinstance(kind, str):
                self._notes.report("wrong-type", place)
            elif kind not in _PART_KEYS or (kind, role) in _UNFIT or (kind == "image_url" and role != "user"):
                self._notes.report("unsupported-content", place)
            else:
                self._notes.check_keys(part, _PART_KEYS[kind], place)
                said |= _PART_CHECKS[kind](self._notes, part.get(kind), f"{place}.{kind}")
        if not said:
            self._blank(role, where)

    # --- the assistant and functions --------------------------------------------------------------------------------

    def _answer(self, message: JsonObject, where: str) -> None:
        weight = message.get("weight", 1)
        if type(weight) is not int or weight not in {0, 1} or ("weight" in message and not self._weights):
            self._notes.report("bad-weight", f"{where}.weight")
        elif weight == 0:
            self.weightless += 1
        if message.get("audio") is not None:
            self._notes.report("unsupported-content", f"{where}.audio")
        refusal = message.get("refusal")
        if isinstance(refusal, str):
            self._notes.texts.append(refusal)
        elif refusal is not None:
            self._notes.report("wrong-type", f"{where}.refusal")
        if "tool_calls" in message:
            self._calls(message["tool_calls"], f"{where}.tool_calls")
        if message.get("function_call") is not None:
            self._function(message["function_call"], f"{where}.function_call")

    def _calls(self, calls: object, where: str) -> None:
        if not isinstance(calls, list):
            self._notes.report("wrong-type", where)
        elif not calls:
            self._notes.report("empty-tool-calls", where)
        else:
            for index, call in enumerate(calls):
                self._call(call, f"{where}[{index}]")

    def _call(self, call: Any, where: str) -> None:
        notes = self._notes
        if not isinstance(call, dict):
            notes.report("wrong-type", where)
            return
        notes.check_keys(call, _CALL_KEYS, where)
        number = call.get("id")
        if not isinstance(number, str) or not number:
            notes.report("wrong-type" if "id" in call else "missing-key", f"{where}.id")
        elif number in self._known:
            notes.report("duplicate-call-id", f"{where}.id")
        else:
            self._known.add(number)
            self._pending.add(number)
        if call.get("type") != "function":
            notes.report("wrong-type" if "type" in call else "missing-key", f"{where}.type")
        self._function(call.get("function"), f"{where}.function")

    def _function(self, function: object, where: str) -> None:
        notes = self._notes
        if not isinstance(function, dict):
            notes.report("missing-key" if function is None else "wrong-type", where)
            return
        notes.check_keys(function, _FUNCTION_CALL_KEYS, where)
        name, arguments = function.get("name"), function.get("arguments")
        if not is_name(name):
            notes.report("bad-name" if "name" in function else "missing-key", f"{where}.name")
        elif name not in self._declared.functions:
            notes.report("tool-not-declared", f"{where}.name")
        notes.texts.extend(text for text in (name, arguments) if isinstance(text, str))
        if "arguments" not in function:
            notes.report("missing-key", f"{where}.arguments")
        else:
            known = self._declared.functions.get(name) if isinstance(name, str) else None
            check_arguments(arguments, known, f"{where}.arguments", notes.report)

    def _result(self, message: JsonObject, where: str) -> None:
        number = message.get("tool_call_id")
        if not isinstance(number, str):
            code = "wrong-type" if "tool_call_id" in message else "missing-key"
            self._notes.report(code, f"{where}.tool_call_id")
        elif number in self._pending:
            self._pending.discard(number)
        else:
            code = "duplicate-result" if number in self._known else "result-without-call"
            self._notes.report(code, f"{where}.tool_call_id")


def _has_more(message: JsonObject) -> bool:
    """Whether a message says something besides its content."""
    return bool(message.get("tool_calls") or message.get("function_call") or message.get("refusal"))


def _text(notes: Notes, text: object, where: str) -> bool:
    if not isinstance(text, str):
        notes.report("wrong-type", where)
        return True
    notes.texts.append(text)
    return bool(text.strip())


def _image(notes: Notes, image: object, where: str) -> bool:
    notes.images += 1
    if not isinstance(image, dict) or not isinstance(url := image.get("url"), str):
        notes.report("wrong-type", where)
    elif not url.startswith(("https://", "http://", "data:image/")):
        notes.report("unsupported-content", f"{where}.url")
    elif image.get("detail", "auto") not in _DETAILS or not image.keys() <= {"url", "detail"}:
        notes.report("wrong-type", where)
    return True


_UNFIT: Final = frozenset({("refusal", role) for role in _KEYS if role != "assistant"})
_PART_CHECKS: Final[Mapping[str, Callable[[Notes, object, str], bool]]] = {
    "text": _text,
    "refusal": _text,
    "image_url": _image,
}
