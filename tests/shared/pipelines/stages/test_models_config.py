"""The seed's file of models: per stage who answers, with the file's own name."""

import json

from shared.db.pool import get_database
from shared.pipelines.stages.versions import STAGES
from shared.settings import Settings
from tests.support.school import School


def test_every_stage_is_in_the_file_of_models(settings: Settings) -> None:
    stages = School(get_database(), "stages")
    stages.run("pin", surface="blue_ocean", reason="its model is under review")
    shown = stages.run("models-config")
    manifest = stages.store.manifest(shown["files"]["manifest"])
    with stages.store.open(manifest.files["intelligence_v4.models.json"]) as file:
        written = json.loads(file.read())
    assert list(written["surfaces"]) == list(STAGES)
    assert {stage for stage, each in written["surfaces"].items() if each["pinned"]} == {"blue_ocean"}
    assert all(each["model"] is None and each["answers"] == "deterministic" for each in written["surfaces"].values())
