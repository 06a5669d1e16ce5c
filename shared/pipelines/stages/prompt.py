"""What a stage's model is told and asked: the same words in training, in evaluation and in production."""

from functools import lru_cache
from typing import Final

from shared.contracts import JsonObject
from shared.pipelines.stages.contracts import StageInput, StageOutput, canonical, stage_of_input
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.versions import OUTPUT_VERSIONS, Stage

_TASKS: Final[dict[Stage, str]] = {
    "quant_signals": """\
You are given the figures of a small business over some months, as JSON. Read the signals in them.

- signals: one to six, the most pressing first. name: what it is about, each once. state: good, watch or bad. \
meaning: what it means for the owner, in one sentence. evidence: what it rests on.
- gaps: the areas that there are no figures of.
- summary: the whole in one sentence.""",
    "emyth_owner_load": """\
You are given where the hours of a small business's owner go, as JSON. Judge the owner's load, role by role.

- owner_load: the load as a whole. main_hat: what the owner mostly works as.
- roles: the roles of the input, the heaviest first, each once. load: how heavy it lies on the owner. next_step: what \
to do about it next. action: that step in one sentence. evidence: what it rests on.
- evidence: what the load as a whole rests on.
- summary: the whole in one sentence.""",
    "competitive_lens": """\
You are given a small business beside its competitors, each under a letter, as JSON. Say where it stands.

- position: where the business stands among them.
- rivals: the competitors of the input, the most dangerous first, each once. threat: how dangerous. edge: by what. \
action: the answer to this competitor in one sentence. evidence: what it rests on.
- opening: what no competitor does well.
- evidence: what position and opening rest on.
- summary: the whole in one sentence.""",
    "blue_ocean": """\
You are given the value curve of a small business and its field, factor by factor, as JSON. Find the moves that part \
the business from its field.

- moves: one to six, the first to try first, each factor once. move: eliminate, reduce, raise or create. to_level: the \
new level, 0 to 5. action: the move in one sentence. evidence: what it rests on.
- tagline: what the new curve promises to a client, in one sentence.
- trial: a small trial that would show whether it works, in one sentence.
- summary: the whole in one sentence.""",
    "synthesis_decision": """\
You are given what four readings of a small business said, as JSON. Decide.

- primary_constraint: the one thing that holds the business back most. kind: which. statement: in one sentence. \
evidence: what it rests on.
- actions: one to five that follow from it, in their order. action: what to do, in one sentence. who: by whom. \
due_days: within how many days, 1 to 90. done_when: how one sees that it is done. evidence: what it rests on.
- boundary: the line that must not be crossed while doing so, in one sentence.
- not_now: what to leave alone until the constraint has moved, in one sentence.""",
}
_RULES: Final = """

- confidence: low, medium or high.
- schema_version: {version}.

Evidence is {least} to 6 of the input's own values, each as <path>=<value>, exactly as the input has it.
Never use these terms: {terms}. Name no person, no address, no e-mail and no phone number.
Answer with one JSON object that has these fields, and nothing else."""


@lru_cache(maxsize=8)
def system_prompt(stage: Stage) -> str:
    """Return a stage's system message. It changes with the policy's rules only: a model is asked as it was trained."""
    rules = policy()
    return _TASKS[stage] + _RULES.format(
        version=OUTPUT_VERSIONS[stage], least=rules.min_evidence, terms=", ".join(rules.forbidden.terms)
    )


def question(value: StageInput) -> list[JsonObject]:
    """Return the messages that ask about an input: the stage's rules, and the input's canonical JSON."""
    return [
        {"role": "system", "content": system_prompt(stage_of_input(value))},
        {"role": "user", "content": canonical(value)},
    ]


def answer_text(output: StageOutput) -> str:
    """Return the one text of an answer (canonical JSON): equal answers give equal bytes."""
    return canonical(output)
