"""Sample data of stages' own: made-up businesses (``sample_business``), and rows that a good person would approve."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from shared.pipelines.stages.contracts import StageInput, StageOutput, synthesis_input
from shared.pipelines.stages.sample_business import INDUSTRIES, Business, businesses
from shared.pipelines.stages.sample_expert import expert
from shared.pipelines.stages.versions import ANALYSES, SYNTHESIS, Stage

__all__ = ["INDUSTRIES", "Business", "SampleRow", "businesses", "expert", "run_through", "sample_rows"]


class SampleRow(NamedTuple):
    """One row of one stage; ``business`` groups the rows of a business."""

    stage: Stage
    industry: str
    business: str
    input: StageInput
    output: StageOutput


def sample_rows(count: int, *, seed: int) -> Iterator[SampleRow]:
    """Yield five rows, one of each stage, for each of so many businesses, as the expert answers them."""
    for business in businesses(count, seed=seed):
        yield from run_through(business, lambda value: expert(value, seed=seed))


def run_through(business: Business, answer: Callable[[StageInput], StageOutput]) -> Iterator[SampleRow]:
    """Yield the rows of one business: the four analyses, then the synthesis of what they answered."""
    answers = {stage: answer(business.inputs[stage]) for stage in ANALYSES}
    for stage, output in answers.items():
        yield SampleRow(stage, business.industry, business.key, business.inputs[stage], output)
    last = synthesis_input(business.company, answers)
    yield SampleRow(SYNTHESIS, business.industry, business.key, last, answer(last))
