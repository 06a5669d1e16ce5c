"""What is asked of a candidate besides its own rows: that the pipeline with it in its place is good from end to end."""

from typing import cast

from shared.db import stages
from shared.pipeline import Loaded, Run, Trial
from shared.pipelines.stages.contracts import StageInput, StageOutput, stage_named
from shared.pipelines.stages.model import StageModel, named
from shared.pipelines.stages.row_of_five import WINDOW, all_in_a_row, businesses_to_try
from shared.pipelines.stages.versions import STAGES


def trial(run: Run, surface: str, candidate: Loaded[StageInput, StageOutput]) -> Trial:
    """Take held-out businesses through all five stages, with the candidate in its stage and what is active elsewhere.

    Raises what completions raise, and RefusedError when an active model is of another provider.
    """
    with run.reading() as conn:
        answerers = stages.answerers(conn)
        tried, made_up = businesses_to_try(conn)
    models = {
        stage: named(answerers[stage].provider_model, answerers[stage].provider, job_id=run.job_id)
        for stage in STAGES
        if stage in answerers
    }
    models[stage_named(surface)] = cast("StageModel", candidate)
    found = all_in_a_row(tried, made_up, models, lambda share, what: run.report(0.95 + share * 0.04, what))
    return Trial(window=WINDOW, rows=found.rows, metrics=found.figures, verdicts=found.verdicts)
