"""The five stages and the versions of their contracts: what a stored row must say of itself to count today."""

from typing import Final, Literal, get_args

NAME: Final = "stages"

Stage = Literal["quant_signals", "emyth_owner_load", "competitive_lens", "blue_ocean", "synthesis_decision"]

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
"""In the order in which they run: the last one reads what the four others said."""

StageOrAll = Literal[Stage, "all"]
ALL: Final = "all"

SYNTHESIS: Final[Stage] = "synthesis_decision"
ANALYSES: Final[tuple[Stage, ...]] = STAGES[:-1]
"""The stages that look at the business itself."""

INPUT_VERSIONS: Final[dict[Stage, str]] = {
    "quant_signals": "stage_input_quant_signals_v1",
    "emyth_owner_load": "stage_input_emyth_owner_load_v1",
    "competitive_lens": "stage_input_competitive_lens_v1",
    "blue_ocean": "stage_input_blue_ocean_v1",
    "synthesis_decision": "stage_input_synthesis_decision_v1",
}
OUTPUT_VERSIONS: Final[dict[Stage, str]] = {
    "quant_signals": "quant_signals_v1",
    "emyth_owner_load": "emyth_owner_load_v1",
    "competitive_lens": "competitive_lens_v1",
    "blue_ocean": "blue_ocean_v1",
    "synthesis_decision": "synthesis_decision_v1",
}
