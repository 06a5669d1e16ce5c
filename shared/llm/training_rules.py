"""The rules of one example: a conversation to learn from, or a question with a better and a worse answer.

They follow OpenAI's documentation and its published line schemas (``FineTuneChatRequestInput``,
``FineTunePreferenceRequestInput``), and go further where those let pass what fails in practice.
"""

from typing import Any, Final, Literal

from shared.contracts import JsonObject
from shared.llm.policy import Limits
from shared.llm.tokens import IMAGE, count_example
from shared.llm.training_faults import Notes
from shared.llm.training_talk import Talk
from shared.llm.training_tools import NOTHING, Declared, Toolbox

Kind = Literal["chat", "preference"]

_CHAT_KEYS: Final = frozenset({"messages", "tools", "parallel_tool_calls", "functions"})
_INPUT_KEYS: Final = frozenset({"messages", "tools", "parallel_tool_calls"})
_OUTPUTS: Final = ("preferred_output", "non_preferred_output")  # as documented
_COMPLETIONS: Final = ("preferred_completion", "non_preferred_completion")  # as in the published line schema
_ANSWER_KEYS: Final = frozenset({*_OUTPUTS, *_COMPLETIONS})
_DETECTING: Final = frozenset({"input", *_ANSWER_KEYS})


def kind_of(example: JsonObject) -> Kind:
    """Tell from an example what kind of file it stands in."""
    return "preference" if "messages" not in example and not _DETECTING.isdisjoint(example) else "chat"


class Rules:
    """Checks examples, one after the other."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._toolbox = Toolbox(limits)

    def check(self, example: Any, kind: Kind) -> tuple[Notes, int]:
        """Return what is wrong with an example, and about how many tokens it has."""
        notes = Notes()
        if not isinstance(example, dict):
            notes.report("not-object")
            return notes, 0
        declared = self._chat(example, notes) if kind == "chat" else self._preference(example, notes)
        text = "\n".join(notes.texts)
        if "\0" in text:
            notes.report("nul")
        tokens = count_example(text, notes.messages, declared.tokens) + IMAGE * notes.images
        if tokens > self._limits.long_line_tokens:
            code = "too-long" if tokens > self._limits.max_line_tokens else "long-example"
            notes.report(code, f"about {tokens:,} tokens")
        return notes, tokens

    def _chat(self, example: JsonObject, notes: Notes) -> Declared:
        if kind_of(example) == "preference":
            notes.report("wrong-kind")
            return NOTHING
        messages = _messages(example, "messages", notes)
        if not messages:
            return NOTHING
        declared = NOTHING
        if len(example) > 1:
            notes.check_keys(example, _CHAT_KEYS, "")
            declared = self._declared(example, "", notes)
        talk = Talk(notes, declared)
        talk.read(messages, "messages")
        if not talk.answers:
            notes.report("no-assistant", "messages")
        elif talk.last != "assistant":
            notes.report("last-not-assistant", "messages")
        elif talk.answers == talk.weightless:
            notes.report("nothing-to-train", "messages")
        if not talk.asked:
            notes.report("no-user", "messages")
        return declared

    def _preference(self, example: JsonObject, notes: Notes) -> Declared:
        if "messages" in example:
            notes.report("wrong-kind")
            return NOTHING
        names = _OUTPUTS if _ANSWER_KEYS.isdisjoint(example) or not set(_OUTPUTS).isdisjoint(example) else _COMPLETIONS
        notes.check_keys(example, frozenset({"input", *names}), "")
        prompt, declared = example.get("input"), NOTHING
        if not isinstance(prompt, dict):
            notes.report("wrong-type" if "input" in example else "missing-key", "input")
        else:
            declared = self._prompt(prompt, notes)
        better, worse = (_answer(example, name, declared, notes) for name in names)
        if better is not None and better == worse:
            notes.report("identical-answers", names[1])
        return declared

    def _prompt(self, prompt: JsonObject, notes: Notes) -> Declared:
        messages = _messages(prompt, "input.messages", notes)
        if not messages:
            return NOTHING
        notes.check_keys(prompt, _INPUT_KEYS, "input")
        declared = self._declared(prompt, "input.", notes)
        talk = Talk(notes, declared)
        talk.read(messages, "input.messages")
        if not talk.asked:
            notes.report("no-user", "input.messages")
        if talk.last == "assistant":
            notes.report("prompt-ends-with-assistant", "input.messages")
        return declared

    def _declared(self, example: JsonObject, where: str, notes: Notes) -> Declared:
        """Read what functions an example declares, in the newer or the older form."""
        if not isinstance(example.get("parallel_tool_calls", True), bool):
            notes.report("wrong-type", f"{where}parallel_tool_calls")
        declared = NOTHING
        if "tools" in example:
            declared = self._toolbox.read(example["tools"], where=f"{where}tools")
        elif "functions" in example:
            declared = self._toolbox.read(example["functions"], where="functions", wrapped=False)
        notes.faults.extend(declared.faults)
        return declared


def _messages(holder: JsonObject, where: str, notes: Notes) -> list[Any]:
    """Return the list of messages, empty when there is none."""
    messages = holder.get("messages")
    if isinstance(messages, list) and messages:
        return messages
    notes.report("wrong-type" if messages is not None and not isinstance(messages, list) else "no-messages", where)
    return []


def _answer(example: JsonObject, name: str, declared: Declared, notes: Notes) -> JsonObject | None:
    """Check one of the two answers; return its message, if it is one."""
    output = example.get(name)
    if not isinstance(output, list):
        notes.report("wrong-type" if name in example else "missing-key", name)
        return None
    if len(output) != 1:
        notes.report("not-one-answer", name)
        return None
    talk = Talk(notes, declared, weights=False)
    talk.read(output, name)
    if not talk.answers and talk.last is not None:
        notes.report("not-one-answer", name)
    message: JsonObject | None = output[0] if isinstance(output[0], dict) else None
    return message
