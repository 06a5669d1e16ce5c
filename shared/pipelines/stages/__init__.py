"""Stages: five readings of a business in a row, each with a model of its own. It is seed 001.

Declaring the pipeline loads no heavy library: what computes is imported when it is called.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from psycopg import Connection

from shared.contracts import JsonObject, Queue, Verdict
from shared.pipeline import FineTune, Loaded, Pipeline, Row, Run, Scores, SplitPolicy, Trial
from shared.pipelines.stages.asking import INFER
from shared.pipelines.stages.contracts import NAME, STAGES, StageInput, StageOutput, as_json, parse_any_input
from shared.pipelines.stages.data_steps import DATA_STEPS
from shared.pipelines.stages.fallback import fallback
from shared.pipelines.stages.gates import gates
from shared.pipelines.stages.lines import chat_lines
from shared.pipelines.stages.model_steps import MODEL_STEPS
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.review import REVIEWS
from shared.pipelines.stages.row_rules import ROW_RULES, RUNS_FOLDER
from shared.pipelines.stages.ship_steps import SHIP_STEPS
from shared.presentation import Figures


def _load(folder: Path) -> Loaded[StageInput, StageOutput]:
    from shared.pipelines.stages.model import load

    return load(folder)


def _model(name: str) -> Loaded[StageInput, StageOutput]:
    from shared.pipelines.stages.model import named

    return named(name)


def _score(model: Loaded[StageInput, StageOutput], rows: Iterator[Row]) -> Scores:
    from shared.pipelines.stages.score import score

    return score(model, rows)


def _trial(run: Run, surface: str, candidate: Loaded[StageInput, StageOutput]) -> Trial:
    from shared.pipelines.stages.trial import trial

    return trial(run, surface, candidate)


def _eligible(surface: str, rows: Iterator[Row]) -> Sequence[Verdict]:
    from shared.pipelines.stages.eligible import eligible

    return eligible(surface, rows)


def _reports(conn: Connection, surface: str, model_id: str) -> Sequence[Verdict]:
    from shared.pipelines.stages.reports import reports

    return reports(conn, surface, model_id)


def _dump(output: StageOutput) -> JsonObject:
    return as_json(output)


PIPELINE: Final = Pipeline[StageInput, StageOutput](
    name=NAME,
    summary="Five readings of a business in a row, each by a chat model that is fine-tuned on approved rows.",
    source="stages_examples",
    surfaces=STAGES,
    surface_word="stage",
    train_queue=Queue.FINETUNE,
    predict_queue=Queue.FINETUNE,
    split=SplitPolicy(test_share=policy().test_share, seed=policy().seed),
    min_samples=min(policy().min_samples.values()),
    windows={"all": None},
    parse_input=parse_any_input,
    train=FineTune(
        lines=chat_lines,
        base_model=policy().model.base_model,
        suffix=NAME,
        rules=ROW_RULES,
        runs_folder=RUNS_FOLDER,
        model=_model,
    ),
    load=_load,
    score=_score,
    gates=gates,
    trial=_trial,
    eligible=_eligible,
    reports=_reports,
    fallback=fallback,
    dump_output=_dump,
    infer=INFER,
    reviews=REVIEWS,
    extra_steps=(*DATA_STEPS, *MODEL_STEPS, *SHIP_STEPS),
    models_file="intelligence_v4.models.json",
    figures=Figures(
        headline=("agreement",),
        less_is_better=("homogeneity", "forbidden_share", "p50_seconds", "p95_seconds", "cost_usd", "made_up"),
    ),
    library_versions=("openai", "jsonschema"),
)
