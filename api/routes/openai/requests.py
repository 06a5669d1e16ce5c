"""What the OpenAI-compatible API is asked with: OpenAI's shapes. What is not known here is refused, not ignored."""

from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import Field, model_validator

from shared.contracts import Contract, JsonObject

Auto = Literal["auto"]
_Id = Annotated[str, MinLen(1), MaxLen(64)]

METADATA_PAIRS: Final = 16
Metadata = Annotated[dict[Annotated[str, MinLen(1), MaxLen(64)], Annotated[str, MaxLen(512)]], MaxLen(METADATA_PAIRS)]


class Hyperparameters(Contract):
    """How to train. ``auto`` leaves it to the engine."""

    n_epochs: Auto | Annotated[int, Ge(1), Le(50)] = "auto"
    batch_size: Auto | Annotated[int, Ge(1), Le(256)] = "auto"
    learning_rate_multiplier: Auto | Annotated[float, Gt(0)] = "auto"


class DpoHyperparameters(Hyperparameters):
    """The same, for pairs of a better and a worse answer."""

    beta: Auto | Annotated[float, Gt(0), Le(2)] = "auto"


class Supervised(Contract):
    """Learn the assistant's messages."""

    hyperparameters: Hyperparameters = Hyperparameters()


class Dpo(Contract):
    """Learn from pairs. The engines here learn the preferred answers."""

    hyperparameters: DpoHyperparameters = DpoHyperparameters()


class Method(Contract):
    """How a fine-tuning job learns."""

    type: Literal["supervised", "dpo"]
    supervised: Supervised | None = None
    dpo: Dpo | None = None

    @model_validator(mode="after")
    def _one(self) -> "Method":
        other = self.dpo if self.type == "supervised" else self.supervised
        if other is not None:
            raise ValueError(f"the method is {self.type}: leave out the other one's part")
        return self


class CreateFineTune(Contract):
    """What ``fine_tuning.jobs.create`` asks for."""

    model: Annotated[str, MinLen(1), MaxLen(256)]
    training_file: _Id
    validation_file: _Id | None = None
    suffix: Annotated[str, MinLen(1), MaxLen(64)] | None = None
    seed: Annotated[int, Ge(0), Le(2**31 - 1)] | None = None
    method: Method | None = None
    hyperparameters: Hyperparameters | None = Field(None, description="Superseded by ``method``.")
    metadata: Metadata | None = None
    integrations: Annotated[list[Any], MaxLen(0)] | None = None

    @property
    def method_type(self) -> Literal["supervised", "dpo"]:
        """The method; supervised unless it is said."""
        return self.method.type if self.method else "supervised"

    def asked(self) -> JsonObject:
        """Return the hyperparameters by OpenAI's names."""
        chosen = self.method and (self.method.dpo or self.method.supervised)
        if chosen:
            return chosen.hyperparameters.model_dump()
        if self.method_type == "dpo":
            return DpoHyperparameters().model_dump()
        return (self.hyperparameters or Hyperparameters()).model_dump()
