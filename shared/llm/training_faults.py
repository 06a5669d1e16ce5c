"""What can be wrong with a training file: one stable code for each fault, and what it means.

``docs/training-files.md`` shows these tables; a code is a promise and does not change.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from shared.contracts import Contract

_SHOWN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")


class Fault(Contract):
    """Something wrong with a file: on a line (from 1; None: with the file itself), where in the example, and how.

    The message never quotes what people have written: reports are stored and shown.
    """

    line: int | None
    code: str
    message: str


FAULTS: Final[Mapping[str, str]] = {
    # the file
    "too-few-examples": "the file has fewer examples than the provider takes",
    "file-too-large": "the file is over the provider's limit",
    "unreadable": "the file breaks off, or is no gzip file though its name says so",
    # the line
    "bom": "the file begins with a byte order mark: save it as UTF-8 without",
    "blank-line": "the line is blank",
    "line-too-large": "the line is too long to be an example",
    "bad-utf8": "the line is no UTF-8",
    "not-json": "the line is no JSON",
    "nan": "NaN and Infinity are no JSON",
    "lone-surrogate": "half a surrogate pair is no character",
    "duplicate-key": "a key stands twice in the same object: one of its values would be lost",
    "too-deep": "the JSON is nested too deeply",
    "not-object": "the line is no JSON object",
    "nul": "a text holds the character NUL",
    # the example
    "no-messages": "the example has no list `messages` with at least one message",
    "wrong-type": "the value has another type than the format asks for",
    "unknown-key": "the format knows no such key here",
    "missing-key": "a key that the format asks for is missing",
    "wrong-kind": "this is an example of another kind of file (chat or preference)",
    "too-long": "the example has more tokens than a model is trained on: its end would be cut off",
    # its messages
    "unknown-role": "the role is none of system, user, assistant, tool, function",
    "no-user": "no message is the user's",
    "no-assistant": "no message is the assistant's: there is nothing to learn",
    "last-not-assistant": "the last message is not the assistant's",
    "missing-content": "the message has no content",
    "blank-content": "the content is blank",
    "unsupported-content": "this kind of content cannot be trained on in such a message",
    "bad-name": "a name has 1 to 64 letters, digits, `_` or `-`",
    "bad-weight": "a weight is 0 or 1, and only an assistant's message has one",
    "nothing-to-train": "each of the assistant's messages has weight 0",
    # calls of functions
    "bad-tool": "the declared function is none",
    "duplicate-tool": "two declared functions have the same name",
    "too-many-tools": "more functions are declared than a provider takes",
    "tool-not-declared": "the called function is not declared in the example",
    "empty-tool-calls": "the list of calls is empty: leave it out",
    "duplicate-call-id": "two calls have the same id",
    "arguments-not-string": "a call's arguments are a JSON text, not an object",
    "arguments-not-json": "a call's arguments are no JSON object",
    "result-without-call": "the result answers no call before it",
    "duplicate-result": "the call has an answer already",
    "unanswered-call": "a call has no answer before the conversation goes on",
    # preferences
    "not-one-answer": "each of the two outputs is a list of exactly one message of the assistant",
    "identical-answers": "the preferred and the other answer are the same",
}
"""The file is refused for each of these."""

WARNINGS: Final[Mapping[str, str]] = {
    "duplicate-example": "the same example stands in the file before",
    "long-example": "some models and servers see no more than the first 4,096 tokens of an example",
    "blank-system": "the system message is blank",
    "arguments-misfit": "the arguments lack a required one, or have one that is not declared",
    "prompt-ends-with-assistant": "the input ends with the assistant's message, so the answer follows an answer",
}
"""The file is taken all the same."""


class Notes:
    """What is found out about one example: faults and warnings (code and place), its texts, its number of messages."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, str]] = []
        self.warnings: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.messages = 0
        self.images = 0

    def report(self, code: str, where: str = "") -> None:
        """Note a fault or a warning; the code says which it is."""
        (self.warnings if code in WARNINGS else self.faults).append((code, where))

    def check_keys(self, found: Mapping[str, Any], known: frozenset[str], where: str) -> None:
        """Note each key that the format does not know."""
        if found.keys() <= known:
            return
        for key in found:
            if key not in known:  # a key may be anybody's text: only what looks like one is shown
                shown = key if _SHOWN_KEY.fullmatch(key) else "a key"
                self.report("unknown-key", f"{where}.{shown}".lstrip("."))
