"""The guardrail: no answer of a model gets through unless it keeps the rules.

Validate; if it breaks a rule, ask once for a rewrite; if that breaks one too, or nobody answers in time, take the
deterministic fallback. There is no third call, and the path taken is told. A request that broke off or met a server's
error is a call too, for the model may have been at work: then there is none left for a rewrite.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog

from shared.contracts import JsonObject, Path
from shared.errors import RefusedError, UnavailableError
from shared.llm.chat import ChatRequest, Completion, Message
from shared.llm.completions import Completions
from shared.llm.structured import Fault
from shared.llm.withheld import faults_noted, noted

__all__ = ["Fault", "Guard", "Guarded", "guarded", "judged"]

log = structlog.get_logger()

O = TypeVar("O")  # noqa: E741  (the field's letter for output)
O_co = TypeVar("O_co", covariant=True)

_KEPT_CHARACTERS: Final = 20_000
"""Of a rejected answer: what is sent back for a rewrite, and kept. No answer that keeps the rules is as long."""
_MOST_CALLS: Final = 2
_WORTH_ASKING_S: Final = 0.5
"""With less time left than this there is no rewrite."""


class Guard(Protocol[O_co]):
    """The rules of one kind of answer. Its messages must not quote what they complain about."""

    @property
    def schema(self) -> JsonObject:
        """The JSON schema of the answer, which the provider is asked to keep to."""
        ...

    def check(self, text: str) -> O_co | tuple[Fault, ...]:
        """Return the answer that the text is, or every rule that it breaks (at least one). Raises nothing.

        The text is the model's: any characters, up to megabytes. So the output must not be a tuple itself.
        """
        ...

    def rewrite_messages(self, first_text: str, faults: tuple[Fault, ...]) -> Sequence[Message]:
        """Return the messages that ask for a better answer; they follow the request's own."""
        ...

    def fallback(self) -> O_co:
        """Return the answer when no model gave one: deterministic, and keeping the rules."""
        ...


@dataclass(frozen=True, kw_only=True)
class Guarded(Generic[O]):
    """An answer that keeps the rules, and how it came about."""

    output: O
    path: Path
    """``model`` or ``cache``: the first answer kept the rules. ``rewrite``: the second one did, wherever from."""
    calls: int = 0
    """Requests that the model may have been at work on: 0 to 2. Answers from the cache are none of them."""
    first_text: str | None = None
    """The first answer, whether or not it kept the rules (its first 20,000 characters); None: there was none."""
    first_faults: tuple[Fault, ...] = ()
    rewrite_faults: tuple[Fault, ...] = ()
    reason: str = ""
    """On the path ``fallback``: ``broken-rules``, or the code of the error for which there was no answer."""
    model: str | None = None
    """Who gave the output, as the provider says; None on the path ``fallback``."""
    cost_usd: float = 0.0


def guarded(
    completions: Completions,
    request: ChatRequest,
    guard: Guard[O],
    *,
    purpose: str,
    job_id: str | None = None,
    timeout_s: float | None = None,
    withhold: bool = False,
) -> Guarded[O]:
    """Return an answer that keeps the guard's rules, whatever the model says and whether or not it answers.

    ``timeout_s`` bounds both calls together (default: the setting ``LLM_TIMEOUT_SECONDS``). The request's schema is
    the guard's unless it has one of its own. Errors of the database and of the provider end in the fallback. With
    ``withhold`` the words of refused answers with personal data are nowhere kept (``withheld.py``).
    """
    deadline = time.monotonic() + (completions.timeout_s if timeout_s is None else timeout_s)
    if request.schema_ is None:
        request = request.model_copy(update={"schema_": guard.schema})
    asking = _Asking(completions, request, purpose, job_id, deadline)
    first = asking.ask(request)
    if isinstance(first, str):
        return _fallback(guard, asking, Guarded(output=None, path=Path.FALLBACK, reason=first))
    text, checked = judged(completions, request, guard, first.text, withhold=withhold)
    kept = text[:_KEPT_CHARACTERS]
    if not isinstance(checked, tuple):
        return Guarded(
            output=checked,
            path=first.path,
            calls=asking.calls,
            first_text=kept,
            model=first.model,
            cost_usd=asking.cost_usd,
        )
    story = Guarded(output=None, path=Path.FALLBACK, first_text=kept, first_faults=checked, reason="broken-rules")
    request = request.followed_by(tuple(guard.rewrite_messages(kept, checked)))
    second = asking.ask(request)
    if isinstance(second, str):
        return _fallback(guard, asking, replace(story, reason=second))
    _, rewritten = judged(completions, request, guard, second.text, withhold=withhold)
    if isinstance(rewritten, tuple):
        return _fallback(guard, asking, replace(story, rewrite_faults=rewritten))
    return Guarded(
        output=rewritten,
        path=Path.REWRITE,
        calls=asking.calls,
        first_text=kept,
        first_faults=checked,
        model=second.model,
        cost_usd=asking.cost_usd,
    )


def judged(
    completions: Completions, request: ChatRequest, guard: Guard[O], text: str, *, withhold: bool
) -> tuple[str, O | tuple[Fault, ...]]:
    """Check the answer to a request. Returns the text that is left of it, and the answer or the rules that it broke.

    Errors of the database are let by: the next one who finds that text withholds it again.
    """
    if not withhold:
        return text, guard.check(text)
    if faults := faults_noted(text):
        return text, faults
    checked = guard.check(text)
    note = noted(text, checked) if isinstance(checked, tuple) else None
    if note is None:
        return text, checked
    with suppress(UnavailableError):
        completions.keep_instead(request, note)
    return note, faults_noted(note)


class _Asking:
    """Asks, within the time that both calls have together; counts calls and money."""

    def __init__(
        self, completions: Completions, request: ChatRequest, purpose: str, job_id: str | None, deadline: float
    ) -> None:
        self._completions = completions
        self._model = request.model
        self._purpose = purpose
        self._job_id = job_id
        self._deadline = deadline
        self.calls = 0
        self.cost_usd = 0.0

    def ask(self, request: ChatRequest) -> Completion | str:
        """Return an answer, or the code of the error for which there is none."""
        left_s = self._deadline - time.monotonic()
        if left_s < _WORTH_ASKING_S:
            return "out-of-time"
        if self.calls >= _MOST_CALLS:
            return "out-of-calls"
        try:
            answer = self._completions.complete(
                request,
                purpose=self._purpose,
                job_id=self._job_id,
                timeout_s=left_s,
                most_calls=_MOST_CALLS - self.calls,
            )
        except (UnavailableError, RefusedError) as error:
            self.calls += int(error.details.get("calls", 0))
            log.warning("no answer to guard", purpose=self._purpose, model=self._model, code=error.instance_code)
            return error.instance_code
        self.calls += answer.calls
        self.cost_usd += answer.cost_usd
        return answer


def _fallback(guard: Guard[O], asking: _Asking, story: Guarded[Any]) -> Guarded[O]:
    return replace(story, output=guard.fallback(), calls=asking.calls, cost_usd=asking.cost_usd)
