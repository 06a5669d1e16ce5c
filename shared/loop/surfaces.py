"""A pipeline's own word for its surfaces: where they are stages, its steps take ``--stage`` (in JSON: ``stage``)."""

import dataclasses
from typing import Any, Final

from pydantic import AliasChoices, BaseModel, Field, create_model

from shared.contracts import Surface
from shared.pipeline import Pipeline, Step

FIELD: Final = "surface"
_DEFAULT: Final = "default"


def worded(pipeline: Pipeline[Any, Any], step: Step[Any]) -> Step[Any]:
    """Return a step of the loop as this pipeline words it; without a surface ``default`` one must be named."""
    needs = pipeline.surface_word != FIELD or _DEFAULT not in pipeline.surfaces
    return dataclasses.replace(step, params=_params(pipeline, step.params)) if needs and _has_surface(step) else step


def _has_surface(step: Step[Any]) -> bool:
    return FIELD in step.params.model_fields


def _params(pipeline: Pipeline[Any, Any], params: type[BaseModel]) -> type[BaseModel]:
    word = pipeline.surface_word
    field = Field(
        default=_default_of(pipeline),
        validation_alias=AliasChoices(FIELD, word) if word != FIELD else None,
        description=f"{params.model_fields[FIELD].description} One of {', '.join(pipeline.surfaces)}.",
        examples=[pipeline.surfaces[-1]],
        json_schema_extra={"option": word.replace("_", "-")},
    )
    prefix = pipeline.name.capitalize()
    return create_model(
        params.__name__ if params.__name__.startswith(prefix) else f"{prefix}{params.__name__}",
        __base__=params,
        __doc__=params.__doc__,
        surface=(Surface, field),
    )


def _default_of(pipeline: Pipeline[Any, Any]) -> Any:
    if _DEFAULT in pipeline.surfaces:
        return _DEFAULT
    return pipeline.surfaces[0] if len(pipeline.surfaces) == 1 else ...
