"""A fine-tuned model of a stage: what it is asked, and what its answers are worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.llm.chat import ChatRequest, Message
from shared.llm.provider_model import ProviderModel
from shared.llm.tuned import Asking, TunedModel, completions_of
from shared.pipelines.stages.contracts import NAME, StageInput, StageOutput, output_schema, stage_of_input
from shared.pipelines.stages.fallback import confidence_of
from shared.pipelines.stages.guard import StageGuard
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.prompt import question

if TYPE_CHECKING:
    from shared.llm.completions import Completions

__all__ = ["StageModel", "completions_of", "load", "named", "request_of"]


class StageModel(TunedModel[StageInput, StageOutput]):
    """A chat model of any stage: the input says which one it is asked as."""

    def __init__(self, name: str, completions: "Completions", *, job_id: str | None = None) -> None:
        super().__init__(name, completions, ASKING, job_id=job_id)


def load(folder: Path) -> StageModel:
    """Load a registered model. Raises RefusedError when it was trained at another provider than the settings name."""
    described = ProviderModel.read(folder)
    return named(described.model, described.provider)


def named(name: str, provider: str | None = None, *, job_id: str | None = None) -> StageModel:
    """Return the model that the provider knows by this name. Raises RefusedError when it is another provider's."""
    return StageModel(name, completions_of(provider), job_id=job_id)


def request_of(model: str, value: StageInput) -> ChatRequest:
    """Return the question about an input. Temperature 0: the same question is worth the same answer."""
    stage = stage_of_input(value)
    return ChatRequest(
        model=model,
        messages=tuple(Message.model_validate(message) for message in question(value)),
        schema=output_schema(stage),
        schema_name=stage,
        max_tokens=policy().model.max_tokens,
    )


ASKING: Final = Asking[StageInput, StageOutput](
    purpose=NAME,
    request=request_of,
    guard=StageGuard,
    confidence=lambda found: confidence_of(found.output),
    answer_seconds=policy().model.answer_seconds,
    withhold=True,
)
