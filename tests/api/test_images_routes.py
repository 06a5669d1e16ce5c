"""Pictures over real HTTP: scored by id or as a file, through the inference queue, and always answered."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shared.stack.process import ChildProcess
from tests.api.conftest import Front
from tests.shared.pipelines.images import hostile
from tests.shared.pipelines.images.studio import Studio
from tests.support.waiting import wait_until

StartWorker = Callable[..., ChildProcess]

CONTRACT = {"rawScore", "aiRating", "modelVersion", "path"}


@pytest.fixture
def image(front: Front) -> str:
    """The id of an image that was imported."""
    studio = Studio(front.database)
    return studio.lines(studio.bring({"Pier/1.jpg": hostile.with_exif()}), "imported.csv")[0]["image"]


def _send(client: httpx.Client, data: bytes, **fields: str) -> httpx.Response:
    return client.post("/v1/images/predict", files={"file": ("frame.jpg", data, "image/jpeg")}, data=fields)


def _score(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    score: dict[str, Any] = response.json()
    assert score.keys() >= CONTRACT
    assert score["aiRating"] == pytest.approx(1 + 4 * score["rawScore"])
    return score


def test_pictures_are_scored_by_a_worker_and_recorded(
    front: Front, client: httpx.Client, worker: StartWorker, image: str
) -> None:
    worker("inference")
    by_id = _score(client.post("/v1/images/predict", json={"image": image, "targetType": "regression"}))
    by_file = _score(_send(client, hostile.with_exif(), targetType="regression"))
    assert (by_id["path"], by_id["modelVersion"], by_id["targetType"]) == ("baseline", "baseline-v1", "regression")
    assert by_file["rawScore"] == by_id["rawScore"]
    assert _score(_send(client, hostile.jpeg()))["targetType"] == "binary"
    for data, code in (
        (hostile.truncated(), "truncated"),
        (hostile.bomb_png(), "too-many-pixels"),
        (b"MZ", "not-an-image"),
    ):
        response = _send(client, data)
        assert (response.status_code, response.json()["code"]) == (422, code)
    wait_until(lambda: _recorded(front) == 3)
    shown = client.get(f"/v1/images/{image}/picture")
    assert shown.headers["content-type"] == "image/jpeg"
    assert hostile.SECRET not in shown.content
    assert client.get(f"/v1/images/img_{'0' * 32}/picture").status_code == 404


def _recorded(front: Front) -> int:
    with front.database.reading() as conn:
        ((count,),) = conn.execute("SELECT count(*) FROM predictions WHERE pipeline = 'images'").fetchall()
    return int(count)


def test_without_a_worker_the_baseline_answers_in_its_place(client: httpx.Client, image: str) -> None:
    score = _score(client.post("/v1/images/predict", json={"image": image}))
    assert (score["path"], score["modelVersion"]) == ("baseline-fallback", "baseline-v1")


def test_what_is_no_picture_is_said(client: httpx.Client, image: str) -> None:
    wrong: list[Any] = [{}, {"image": "x"}, {"image": image, "targetType": "mood"}, []]
    for body in wrong:
        assert client.post("/v1/images/predict", json=body).status_code == 422
    assert client.post("/v1/images/predict", json={"image": "img_" + "0" * 32}).status_code == 404
    assert client.post("/v1/images/predict", json={"image": image, "note": "x" * 5_000}).status_code == 413
    assert client.post("/v1/images/predict", files={"other": b"x"}).status_code == 422
    assert _send(client, hostile.jpeg(), targetType="mood").status_code == 422
