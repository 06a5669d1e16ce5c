"""The deterministic implementation of every stage: plain rules over its input, each a sentence that a person can check.

It answers when there is no model, or none that keeps the rules, and a stage may be pinned to it. It needs no library,
always answers, and rests on entries that the input truly has. Each stage's rules are in a module of their own.
"""

from shared.pipelines.stages.contracts_inputs import (
    BlueOceanInput,
    CompetitiveLensInput,
    OwnerLoadInput,
    QuantSignalsInput,
    StageInput,
)
from shared.pipelines.stages.contracts_outputs import StageOutput
from shared.pipelines.stages.deterministic_curve import blue_ocean
from shared.pipelines.stages.deterministic_market import competitive_lens
from shared.pipelines.stages.deterministic_owner import owner_load
from shared.pipelines.stages.deterministic_signals import quant_signals
from shared.pipelines.stages.deterministic_synthesis import synthesis


def deterministic(value: StageInput) -> StageOutput:
    """Return what the rules of the input's stage conclude."""
    match value:
        case QuantSignalsInput():
            return quant_signals(value)
        case OwnerLoadInput():
            return owner_load(value)
        case CompetitiveLensInput():
            return competitive_lens(value)
        case BlueOceanInput():
            return blue_ocean(value)
        case _:
            return synthesis(value)
