"""Ratings come in, manifests go out: whose ratings count, what is learned of them, and who is in which split."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest

from shared.errors import InvalidInputError
from shared.files import ResultFiles
from shared.pipelines.images.contracts import ImageInput, Rated, image_id, to_stars, to_target
from shared.pipelines.images.manifest import COLUMNS, read_manifest
from shared.pipelines.images.sample import make
from shared.pipelines.images.splits import SPLITS, image_split
from tests.shared.pipelines.images.studio import Studio, table

NOW = datetime(2026, 3, 1, tzinfo=UTC)
_CAMS = 30


def _files(cams: int = _CAMS) -> dict[str, bytes]:
    """One picture of each of so many webcams; the bytes are not looked at again."""
    return {f"cam {frame.webcam}/a.jpg": frame.data for frame in make(webcams=cams, frames=1, seed=3, now=NOW)}


@pytest.fixture
def images(studio: Studio) -> list[str]:
    """The ids of pictures that were imported, in the order of the file."""
    return [line["image"] for line in studio.lines(studio.bring(_files()), "imported.csv")]


def _said(image: str, rater: str, stars: int, **more: Any) -> dict[str, Any]:
    return {"image": image, "rater": rater, "stars": stars, "kind": "manual", "rated_at": "2026-02-20T10:00", **more}


def test_ratings_map_to_targets_and_back() -> None:
    assert [to_target(stars) for stars in (1, 2, 3, 4, 5)] == [0, 0.25, 0.5, 0.75, 1]
    assert [to_stars(to_target(stars)) for stars in (1, 2, 3, 4, 5)] == [1, 2, 3, 4, 5]
    assert [Rated(stars=stars, ratings=1).target("binary") for stars in (1, 3.4999, 3.5, 5)] == [0, 0, 1, 1]


def test_a_person_has_one_standing_rating_of_a_picture(studio: Studio, images: list[str]) -> None:
    first = [_said(images[0], "ada", 4), _said(images[0], "bo", 2), _said(images[1], "ada", 5, kind="public")]
    assert studio.rate(first) == {"ratings": 3, "new": 3, "changed": 0, "known": 0, "kinds": {"manual": 2, "public": 1}}
    assert studio.rate(first)["known"] == 3
    later = [_said(images[0], "ada", 1, rated_at="2026-02-21T10:00Z"), _said(images[0], "bo", 5, rated_at="2020-01-01")]
    assert studio.rate(later)["changed"] == 1  # what is older than what stands changes nothing
    assert studio.rows("SELECT rater, stars, kind FROM ratings ORDER BY 1, 2") == [
        ("ada", 1, "manual"), ("ada", 5, "public"), ("bo", 2, "manual"),
    ]  # fmt: skip


def test_a_picture_may_be_named_by_its_files_hash(studio: Studio, images: list[str]) -> None:
    ((source,),) = studio.rows("SELECT source FROM images WHERE id = %s", images[0])
    assert image_id(source) == images[0]
    assert studio.rate([{"image": source, "stars": 3}])["new"] == 1
    assert studio.rows("SELECT rater, kind FROM ratings") == [("teacher", "manual")]  # who imports it


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"stars": 6}, "stars"),
        ({"stars": "4.5"}, "stars"),
        ({"kind": "secret"}, "kind"),
        ({"rated_at": "soon"}, "rated_at"),
        ({"image": "img_" + "0" * 32}, "no such image"),
        ({"image": "é"}, "must be the id"),
        ({"rater": "", "kind": "public"}, "needs a rater"),
    ],
)
def test_one_bad_line_refuses_the_file(studio: Studio, images: list[str], bad: dict[str, Any], why: str) -> None:
    error = studio.refusal(
        "import-ratings", file=_upload(studio, [_said(images[0], "ada", 4), _said(images[1], "bo", 3) | bad])
    )
    assert error["code"] == "ratings-refused"
    (line,) = error["details"]["lines"]
    assert line["line"] == 3
    assert why in line["message"]
    assert studio.rows("SELECT count(*) FROM ratings") == [(0,)]


def _upload(studio: Studio, rows: list[dict[str, Any]]) -> str:
    return studio.upload(table(rows))


def test_manifests_split_by_webcam_and_keep_old_webcams_where_they_are(studio: Studio, images: list[str]) -> None:
    studio.rate([_said(image, "ada", 1 + n % 5) for n, image in enumerate(images[:20])])
    before = studio.run("export-dataset")
    old = {line["webcam"]: line["split"] for line in studio.lines(before, "manifest_full.csv")}
    assert old == {webcam: image_split(webcam) for webcam in old}
    assert set(old.values()) == set(SPLITS)
    studio.rate([_said(image, "ada", 3) for image in images[20:]])
    new = {line["webcam"]: line["split"] for line in studio.lines(studio.run("export-dataset"), "manifest_full.csv")}
    assert len(new) > len(old)
    assert {webcam: new[webcam] for webcam in old} == old


def test_the_parts_are_the_whole_and_can_be_read_back(studio: Studio, images: list[str]) -> None:
    studio.rate([_said(image, "ada", 1 + n % 5) for n, image in enumerate(images)])
    result = studio.run("export-dataset", target_type="regression", seed=7)
    assert result["folder"].startswith("ml/artifacts/datasets/20")
    assert {name.rpartition("/")[2] for name in result["files"]["sizes"]} == {
        "manifest_full.csv", "manifest_train.csv", "manifest_val.csv", "manifest_test.csv",
    }  # fmt: skip
    full = studio.lines(result, "manifest_full.csv")
    parts = [line for split in SPLITS for line in studio.lines(result, f"manifest_{split}.csv")]
    assert tuple(full[0]) == COLUMNS
    assert sorted(parts, key=lambda line: line["image"]) == full
    files = ResultFiles.model_validate(result["files"])
    name = next(name for name in files.sizes if name.endswith("train.csv"))
    with studio.store.open(studio.store.manifest(files.manifest).files[name]) as file:
        rows = [row.as_row() for row in read_manifest(BytesIO(file.read()), "regression")]
    assert {row.split for row in rows} == {"train"}
    assert all(ImageInput.model_validate(row.input).image == row.id for row in rows)
    again = studio.run("export-dataset", target_type="regression", seed=7)
    assert studio.lines(again, "manifest_full.csv") == full


def test_whose_ratings_count(studio: Studio, images: list[str]) -> None:
    said = [_said(image, rater, 5) for image in images for rater in ("ada", "bo")]
    said += [_said(image, f"visitor {n}", 1, kind="public") for image in images for n in range(2)]
    studio.rate(said[:-2])  # of the last picture only people whom we know have said something
    manual = studio.lines(studio.run("export-dataset", min_rating_count=2), "manifest_full.csv")
    assert {(line["stars"], line["target"], line["ratings"]) for line in manual} == {("5.0", "1.0", "2")}
    everybody = studio.run("export-dataset", label_source="public_aggregate", min_rating_count=3)
    lines = studio.lines(everybody, "manifest_full.csv")
    assert len(lines) == len(manual) - 1
    assert {(line["stars"], line["target"], line["ratings"]) for line in lines} == {("3.0", "0.0", "4")}
    assert "visitor" not in str(lines)


def test_too_few_ratings_or_webcams_are_said(studio: Studio, images: list[str]) -> None:
    assert "0 images have manual ratings" in studio.refusal("export-dataset")["message"]
    studio.rate([_said(images[0], "ada", 5)])
    assert "no webcam with rated images falls into the split" in studio.refusal("export-dataset")["message"]
    assert "1 images have manual" in studio.refusal("export-dataset", min_rating_count=2)["message"]


def test_a_manifest_of_another_target_type_is_refused(studio: Studio, images: list[str]) -> None:
    studio.rate([_said(image, "ada", 4) for image in images])
    result = studio.run("export-dataset")
    files = ResultFiles.model_validate(result["files"])
    name = next(name for name in files.sizes if name.endswith("full.csv"))
    with studio.store.open(studio.store.manifest(files.manifest).files[name]) as file:
        data = file.read()
    with pytest.raises(InvalidInputError, match="target type binary, not regression"):
        list(read_manifest(BytesIO(data), "regression"))
    with pytest.raises(InvalidInputError, match="line 2 of the manifest"):
        list(read_manifest(BytesIO(data.replace(b"img_", b"xyz_", 1)), "binary"))
