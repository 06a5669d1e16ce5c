"""Packs over a model of our own trainer: its completions are calls of the queue `inference`, whoever asks for them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.llm.completions import _completions_of, default_completions
from shared.pipelines.stages.packs import write_packs
from shared.settings import Settings, get_settings
from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.shared.pipelines.stages.made import pack
from tests.shared.pipelines.stages.office import Office

PACKS = 3
BASE_MODEL = "local-nearest"


@pytest.fixture
def office(front: Front, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """The stages, in a process that asks the front for completions as any worker does."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{front.url}/openai/v1")
    monkeypatch.setenv("OPENAI_API_KEY", front.key())
    get_settings.cache_clear()
    _completions_of.cache_clear()
    yield Office(front.database)
    default_completions().close()
    _completions_of.cache_clear()


def test_an_inference_worker_and_nobody_else_completes_for_run_packs(
    office: Office, worker: Callable[..., ChildProcess], settings: Settings, tmp_path: Path
) -> None:
    worker("inference")
    office.activate(tmp_path, "blue_ocean", provider="local")
    office.change(
        "UPDATE models SET parameters = jsonb_set(parameters, '{provider_model}', to_jsonb(%s::text))", BASE_MODEL
    )
    upload = office.upload(write_packs(pack(number) for number in range(PACKS)))
    result = office.run("run-packs", packs=upload, iterations=PACKS, min_industries=PACKS)
    assert result["models"]["blue_ocean"] != "rules"
    ((answered,),) = office.rows("SELECT count(*) FROM llm_answers WHERE model = %s AND text IS NOT NULL", BASE_MODEL)
    assert answered >= PACKS
    logs = {log.name: log.read_text() for log in (tmp_path / "logs").iterdir()}
    assert [name for name, text in logs.items() if "local model loaded" in text and BASE_MODEL in text], list(logs)
