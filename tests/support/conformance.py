"""What the conformance suite must be told of a pipeline: examples of its inputs, and of scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.contracts import JsonObject
from shared.pipeline import Scores


@dataclass(frozen=True, kw_only=True)
class Case:
    """One pipeline's examples (``tests/shared/pipelines/<name>/conformance.py`` has a ``CASE``)."""

    good_inputs: tuple[Any, ...]
    """Inputs as JSON, which the pipeline must take."""
    bad_inputs: tuple[Any, ...]
    """Inputs as JSON, which it must refuse, each with the word ``canary`` in it where it holds text."""
    scores: Callable[[int, int], Scores]
    """What a model scores that is right on so many rows of so many."""
    reviews: Mapping[str, tuple[str, JsonObject]] = field(default_factory=dict)
    """For each kind that people are asked about: what an item's id begins with, and a decision that is taken."""
