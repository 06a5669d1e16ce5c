"""All tests of this folder share one encoder, and leave this machine's own alone."""

import pytest

from shared.llm.engines import minilm
from tests.support.encoder import encoder


@pytest.fixture(autouse=True)
def shared_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "encoder", encoder)
