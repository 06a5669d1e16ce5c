"""People's own judgement of pairs, on topics that nothing was learned about: better than any cosine, by far."""

from pathlib import Path

import numpy as np
import pytest

from shared.contracts import Outcome
from shared.llm.engines import minilm
from shared.pipelines.dedup.auto import judge
from shared.pipelines.dedup.figures import Judged, curve
from shared.pipelines.dedup.policy import policy
from tests.support.argument_pairs import FILE, Figures, ask, fold, learn, read, sense_cosines, some, word_cosines
from tests.support.encoder import encoder

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the real data are not here")

LEARNED, ASKED = 600, 400


def test_what_was_learned_holds_on_other_topics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of one fold; ``python -m tests.support.argument_pairs`` tells all of them, whole."""
    monkeypatch.setattr(minilm, "encoder", encoder)
    learned, asked = fold(read(), 0)
    learned, asked = some(learned, LEARNED), some(asked, ASKED)
    learn(learned, tmp_path)
    merge = ask(asked, tmp_path)
    cosines = word_cosines(asked, learned), sense_cosines(asked)
    ours, words, sense = (Figures.of(scores, asked) for scores in (merge, *cosines))
    assert ours.auc > 0.75
    assert ours.auc > max(words.auc, sense.auc) + 0.06
    same = np.array([pair.same for pair in asked])
    assert merge.mean() == pytest.approx(same.mean(), abs=0.08)  # it is as sure as it may be
    assert sum(merge >= 0.9) < 0.1 * sum(same)  # and so hardly ever sure enough to merge by itself
    rules = policy()
    judged = [Judged(bool(truth), bool(p >= 0.5), float(p)) for truth, p in zip(same, merge, strict=True)]
    figures = {"rows": len(judged), "curve": curve(judged, rules.auto.confidence_level)}
    assert judge(figures, rules.thresholds.auto_merge).outcome is not Outcome.PASS, "mode auto is refused"
