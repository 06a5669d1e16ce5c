"""The list of pipelines, and of all their steps by kind. A sixth pipeline is one line here."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from shared.errors import NotFoundError
from shared.loop.steps import steps_of
from shared.pipeline import Pipeline, Step
from shared.pipelines.router import PIPELINE as ROUTER

PIPELINES: Mapping[str, Pipeline[Any, Any]] = MappingProxyType({p.name: p for p in (ROUTER,)})


@cache
def steps() -> Mapping[str, Step[Any]]:
    """Return all steps by kind (``router.train``): the loop's for each pipeline, then the pipeline's own."""
    return MappingProxyType({s.kind: s for p in PIPELINES.values() for s in (*steps_of(p), *p.extra_steps)})


def get_pipeline(name: str) -> Pipeline[Any, Any]:
    """Return a pipeline. Raises NotFoundError."""
    try:
        return PIPELINES[name]
    except KeyError:
        raise NotFoundError(f"there is no pipeline {name}", advice=f"choose one of: {', '.join(PIPELINES)}") from None


def get_step(kind: str) -> Step[Any]:
    """Return a step by its kind. Raises NotFoundError."""
    try:
        return steps()[kind]
    except KeyError:
        raise NotFoundError(f"there is no step {kind}", advice=f"choose one of: {', '.join(steps())}") from None
