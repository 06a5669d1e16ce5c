"""The end of providers' models, before it comes: who would be left without an answer, and what is refused meanwhile.

Two sources: the dated table in ``policy.toml`` (what was announced), and the days in the provider's own list of models
(kept in ``provider_sunsets``). The earlier day counts. All days are UTC, by the database's clock.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from psycopg import Connection

from shared.db import sunsets
from shared.errors import UnavailableError
from shared.llm.connection import Provider, client_of
from shared.llm.fine_tunes import WAYS_ON, Closed
from shared.llm.policy import SunsetRule, llm_policy

_TUNED: Final = "ft:"
_MAX_NAME: Final = 200
_SNAPSHOT: Final = re.compile(r"-\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, kw_only=True)
class Sunset:
    """Something that a provider ends: a model (with the fine-tunes on it), or its fine-tuning as a whole."""

    provider: str
    model: str
    """The base model, or the fine-tuned one if it ends by itself; empty: fine-tuning."""
    ends: date
    """The first day without it."""
    note: str

    def over(self, today: date) -> bool:
        """Whether it has ended."""
        return self.ends <= today

    def soon(self, today: date) -> bool:
        """Whether it ends within the days that matter (``sunset_watch.alert_days`` of the policy)."""
        return (self.ends - today).days <= llm_policy().sunset_watch.alert_days

    def sentence(self, today: date) -> str:
        """Say what ends and when."""
        what = f"the model {self.model}" if self.model else "fine-tuning"
        days = (self.ends - today).days
        when = f"ended on {self.ends}" if days <= 0 else f"ends on {self.ends}, in {days} day{'s' if days > 1 else ''}"
        return f"{what} of {self.provider} {when}"


def base_of(model: str) -> str:
    """Return the base model of a fine-tuned one (``ft:BASE:organisation:suffix:id``); any other is its own."""
    return model.removeprefix(_TUNED).split(":", 1)[0] if model.startswith(_TUNED) else model


def ending(parameters: Mapping[str, Any], today: date, announced: Mapping[str, date] | None = None) -> Sunset | None:
    """Return the end of the provider's model behind one of ours, if it is near or past.

    ``parameters`` are the model's: ``provider``, ``base_model``, ``provider_model``. A model that needs no provider
    has none of them, and never ends. ``announced`` is what the provider's list of models said.
    """
    found = endings(parameters, announced)
    return found[0] if found and found[0].soon(today) else None


def endings(parameters: Mapping[str, Any], announced: Mapping[str, date] | None = None) -> list[Sunset]:
    """Return all ends of the provider's model behind one of ours, however far away, the first one first."""
    provider = parameters.get("provider")
    names = [str(name) for key in ("base_model", "provider_model") if (name := parameters.get(key))]
    if not provider or not names:
        return []
    return sorted(_ends(str(provider), names, announced or {}), key=lambda one: one.ends)


def ending_now(conn: Connection, parameters: Mapping[str, Any]) -> Sunset | None:
    """Return the same as ``ending``, with what the database knows."""
    provider = parameters.get("provider")
    if not provider:
        return None
    return ending(parameters, sunsets.today(conn), sunsets.announced(conn, str(provider)))


def training_ends(provider: str) -> Sunset | None:
    """Return when a provider takes no new fine-tunes any more, if that was announced."""
    rules = [rule for rule in llm_policy().sunset if (rule.provider, rule.what) == (provider, "fine-tuning")]
    first = min(rules, key=lambda rule: rule.ends, default=None)
    return Sunset(provider=provider, model="", ends=first.ends, note=first.note) if first else None


def require_open(provider: str, base_model: str, today: date, announced: Mapping[str, date] | None = None) -> None:
    """Raise Closed when a provider takes no new fine-tunes any more, or none on this base model.

    To be asked before anything is uploaded: what cannot be answered any more shall not be paid for.
    """
    closed = training_ends(provider)
    for sunset in (closed, ending({"provider": provider, "base_model": base_model}, today, announced)):
        if sunset and sunset.over(today):
            raise Closed(f"{sunset.sentence(today)}: nothing was sent", advice=WAYS_ON)


def require_open_now(conn: Connection, provider: str, base_model: str) -> None:
    """Do the same as ``require_open``, with what the database knows."""
    require_open(provider, base_model, sunsets.today(conn), sunsets.announced(conn, provider))


def _ends(provider: str, names: list[str], announced: Mapping[str, date]) -> Iterator[Sunset]:
    for name in dict.fromkeys([*map(base_of, names), *names]):
        for rule in llm_policy().sunset:
            if rule.what == "model" and rule.provider == provider and _covers(rule, name):
                yield Sunset(provider=provider, model=base_of(name), ends=rule.ends, note=rule.note)
        if name in announced:
            note = f"The list of models of {provider} says so."
            yield Sunset(provider=provider, model=name, ends=announced[name], note=note)


def _covers(rule: SunsetRule, name: str) -> bool:
    """Whether a rule is about a base model: by its prefix, or because the name means the rule's dated snapshot."""
    base = base_of(name)
    return base.startswith(rule.model) or _SNAPSHOT.fullmatch(rule.model.removeprefix(base)) is not None


def ask(provider: Provider, *, timeout_s: float = 8.0) -> dict[str, date]:
    """Ask a provider for its list of models; return those that it dates. One request. Raises UnavailableError."""
    try:
        with client_of(provider, timeout_s=timeout_s) as client:
            listed = [(str(m.id), _day(m.shutdown_date)) for m in client.models.list().data]
    except Exception as error:  # also when the answer is no list of models
        raise UnavailableError(
            f"{provider.name} did not list its models ({type(error).__name__})",
            advice="it is asked again tomorrow; what policy.toml knows is checked meanwhile",
        ) from error
    return {name: day for name, day in listed if day and len(name) <= _MAX_NAME}


def _day(text: Any) -> date | None:
    """Read a date, or the date of a moment; what is neither is none."""
    try:
        return date.fromisoformat(text[:10]) if isinstance(text, str) else None
    except ValueError:
        return None
