"""Sample skies in the database and the store, as training and evaluation find them."""

from datetime import UTC, datetime
from functools import lru_cache

from shared.contracts import JsonObject
from shared.pipelines.images import sample
from shared.pipelines.images.sample import Frame
from tests.shared.pipelines.images.studio import Studio, table

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@lru_cache(maxsize=2)
def frames(webcams: int, each: int) -> tuple[Frame, ...]:
    return tuple(sample.make(webcams=webcams, frames=each, seed=5, now=NOW))


def hang(studio: Studio, *, webcams: int = 12, each: int = 10) -> None:
    """Import frames with what people said of them."""
    found = frames(webcams, each)
    manifest = [{"image": f.name, "webcam": f.webcam, "captured_at": f.captured_at.isoformat()} for f in found]
    studio.bring({f.name: f.data for f in found}, manifest=studio.upload(table(manifest)))
    studio.rate(
        [
            {
                "image": f.id,
                "rater": said.rater,
                "stars": said.stars,
                "kind": said.kind,
                "rated_at": said.at.isoformat(),
            }
            for f in found
            for said in f.opinions
        ]
    )


def trained(studio: Studio, surface: str = "binary", epochs: int = 3) -> JsonObject:
    """Freeze and train a small network; return the result of the training."""
    studio.run("freeze", surface=surface)
    return studio.run("train", surface=surface, epochs=epochs)
