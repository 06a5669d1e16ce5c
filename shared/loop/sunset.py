"""The step ``llm.sunset``: which models of providers end soon, and what depends on them. Beat runs it daily."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from psycopg import Connection

from shared import ids
from shared.contracts import Contract, ModelState, Queue
from shared.db import alerts, sunsets
from shared.errors import InvalidInputError, UnavailableError
from shared.llm.connection import Provider, provider_of
from shared.llm.sunset import Sunset, ask, ending, training_ends
from shared.models import list_models
from shared.pipeline import Done, FineTune, Pipeline, Run, Step
from shared.settings import get_settings

Pipelines = Callable[[], Mapping[str, Pipeline[Any, Any]]]

ALERT: Final = "model-sunset"
_ALL: Final = 10_000


class SunsetParams(Contract):
    """Nothing to choose."""


class Ending(Contract):
    """Something that ends soon or has ended, and what depends on it."""

    provider: str
    model: str
    """Empty: the provider's fine-tuning."""
    ends: date
    sentence: str
    note: str
    depends: tuple[str, ...]


class SunsetResult(Contract):
    """What was found. Not asked: only the dates of ``policy.toml`` were looked at, and the sentence says why."""

    asked: bool
    sentence: str
    endings: tuple[Ending, ...]
    alerts: int
    """How many alerts were raised that had not been before."""


def sunset_step(pipelines: Pipelines) -> Step[SunsetParams]:
    """Return the step ``llm.sunset``, which looks at all these pipelines."""
    return Step(
        pipeline="llm",
        name="sunset",
        summary="Look which models of providers end soon, and raise an alert that names what depends on them.",
        queue=Queue.FINETUNE,
        params=SunsetParams,
        run=lambda run, _: watch(run, pipelines()),
        unique_key=lambda _: "llm.sunset",
    )


def watch(run: Run, pipelines: Mapping[str, Pipeline[Any, Any]]) -> Done:
    """Ask the provider, then compare with what is in use. A provider that does not answer stops nothing."""
    provider, unasked = _provider()
    listed = None
    if provider and not provider.is_local:
        try:
            listed = ask(provider)
        except UnavailableError as error:
            unasked = error.message
    run.report(0.5, "comparing with what is in use")

    def record(conn: Connection) -> SunsetResult:
        if provider and listed is not None:
            sunsets.replace(conn, provider.name, listed)
        endings = find(conn, provider, pipelines)
        raised = sum(_raise(conn, one) for one in endings)
        said = f"{len(endings)} in use end soon or have ended" if endings else "nothing in use ends soon"
        sentence = said if listed is not None else f"{said}; {unasked}"
        return SunsetResult(asked=listed is not None, sentence=sentence, endings=endings, alerts=raised)

    return Done(result=SunsetResult(asked=False, sentence="", endings=(), alerts=0), record=record)


def find(
    conn: Connection, provider: Provider | None, pipelines: Mapping[str, Pipeline[Any, Any]]
) -> tuple[Ending, ...]:
    """Return what ends soon and is in use: active models, what pipelines train on, and the training itself."""
    today = sunsets.today(conn)
    depends: dict[Sunset, list[str]] = {}
    for model in list_models(conn, state=ModelState.ACTIVE.value, limit=_ALL):
        announced = sunsets.announced(conn, str(model.parameters.get("provider", "")))
        if sunset := ending(model.parameters, today, announced):
            name = f"the active model {model.version} of {model.pipeline} ({model.surface})"
            depends.setdefault(sunset, []).append(name)
    if provider and not provider.is_local:
        closed = training_ends(provider.name)
        announced = sunsets.announced(conn, provider.name)
        for pipeline in pipelines.values():
            if not isinstance(pipeline.train, FineTune):
                continue
            base = {"provider": provider.name, "base_model": pipeline.train.base_model}
            if sunset := ending(base, today, announced):
                depends.setdefault(sunset, []).append(f"the base model of {pipeline.name}")
            if closed and closed.soon(today):
                depends.setdefault(closed, []).append(f"the training of {pipeline.name}")
    return tuple(
        Ending(
            provider=sunset.provider, model=sunset.model, ends=sunset.ends, sentence=sunset.sentence(today),
            note=sunset.note, depends=tuple(sorted(names)),
        )
        for sunset, names in sorted(depends.items(), key=lambda found: (found[0].ends, found[0].model))
    )  # fmt: skip


def _raise(conn: Connection, found: Ending) -> bool:
    """Raise an alert, anew when something else depends on it or another day is told."""
    subject = ids.content_id("sunset", found.provider, found.model, found.ends.isoformat(), *found.depends)
    message = (
        f"{found.sentence}. {found.note} Depending on it: {'; '.join(found.depends)}."
        " What to do: set OPENAI_BASE_URL to another server or to our own /openai/v1, and retrain."
    )
    return alerts.raise_once(conn, ALERT, subject, message, found.model_dump(mode="json"))


def _provider() -> tuple[Provider | None, str]:
    """Return the provider in use, and why it will not be asked, if so."""
    try:
        provider = provider_of(get_settings())
    except InvalidInputError as error:
        return None, error.message
    return provider, "our own trainer ends no models" if provider.is_local else ""
