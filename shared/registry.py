"""The list of pipelines, and of all their steps by kind. A sixth pipeline is one line here.

Pipelines that live outside this project are named in ``TUNEYARD_PIPELINES`` (modules with a ``PIPELINE``).
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

from shared.errors import NotFoundError
from shared.loop import llm_steps
from shared.loop.steps import steps_of
from shared.pipeline import Pipeline, Step
from shared.pipelines.dedup import PIPELINE as DEDUP
from shared.pipelines.gold import PIPELINE as GOLD
from shared.pipelines.images import PIPELINE as IMAGES
from shared.pipelines.router import PIPELINE as ROUTER
from shared.pipelines.stages import PIPELINE as STAGES
from shared.settings import get_settings

_OURS: tuple[Pipeline[Any, Any], ...] = (DEDUP, GOLD, IMAGES, ROUTER, STAGES)


@cache
def pipelines() -> Mapping[str, Pipeline[Any, Any]]:
    """Return all pipelines by name."""
    names = [name.strip() for name in get_settings().tuneyard_pipelines.split(",") if name.strip()]
    others = [import_module(name).PIPELINE for name in names]
    return MappingProxyType({p.name: p for p in (*_OURS, *others)})


@cache
def steps() -> Mapping[str, Step[Any]]:
    """Return all steps by kind (``router.train``): the loop's for each pipeline and its own, then those of none."""
    of_pipelines = (s for p in pipelines().values() for s in (*steps_of(p), *p.extra_steps))
    return MappingProxyType({s.kind: s for s in (*of_pipelines, *llm_steps.steps_of_none(pipelines))})


def get_pipeline(name: str) -> Pipeline[Any, Any]:
    """Return a pipeline. Raises NotFoundError."""
    try:
        return pipelines()[name]
    except KeyError:
        raise NotFoundError(f"there is no pipeline {name}", advice=f"choose one of: {', '.join(pipelines())}") from None


def get_step(kind: str) -> Step[Any]:
    """Return a step by its kind. Raises NotFoundError."""
    try:
        return steps()[kind]
    except KeyError:
        raise NotFoundError(f"there is no step {kind}", advice=f"choose one of: {', '.join(steps())}") from None
