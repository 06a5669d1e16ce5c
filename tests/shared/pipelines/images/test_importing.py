"""Pictures come in: from folders, by manifests, from addresses; bad ones are told apart, and a stop loses nothing."""

import hashlib
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO

import pytest
from PIL import Image

from shared.artifacts import FileRef
from shared.pipelines.images.contracts import image_id, webcam_id
from shared.pipelines.images.decoding import clean
from shared.settings import get_settings
from tests.shared.pipelines.images import hostile
from tests.shared.pipelines.images.studio import Studio, table, zipped
from tests.support.shared_data import shared_data
from tests.support.small_http import Reply, Request, SmallServer


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_folder_comes_in_by_webcam_with_cleaned_bytes(studio: Studio) -> None:
    plain, turned = hostile.jpeg(seed=1), hostile.with_exif(orientation=6, taken_at="2026:02:12 18:30:00")
    result = studio.bring({"Pier/1.jpg": plain, "Ridge/2.txt": turned, ".DS_Store": b"x", "__MACOSX/1.jpg": b"x"})
    assert (result["new"], result["refused"], result["webcams"]) == (2, 0, 2)
    found = studio.rows("SELECT id, webcam_id, captured_at, hour, artifact, bytes, width, height FROM images")
    by_id = {row[0]: row for row in found}
    assert by_id[image_id(_sha(plain))][1:4] == (webcam_id("Pier"), None, None)
    row = by_id[image_id(_sha(turned))]
    assert row[1:4] == (webcam_id("Ridge"), datetime(2026, 2, 12, 18, 30, tzinfo=UTC), 18)
    with studio.store.open(FileRef(sha256=row[4], size=row[5])) as file:
        kept = file.read()
    assert kept == clean(turned).data
    assert hostile.SECRET not in kept
    assert Image.open(BytesIO(kept)).size == (row[6], row[7]) == (48, 64)


def test_bad_pictures_are_listed_and_stop_nothing(studio: Studio) -> None:
    files = {
        "cam/good.jpg": hostile.jpeg(),
        "cam/cut.jpg": hostile.truncated(),
        "cam/bomb.png": hostile.bomb_png(),
        "cam/=cmd()": b"MZ",
        "cam/moving.png": hostile.animated("PNG"),
        "cam/dot.png": hostile.jpeg(1, 1),
        "nowhere.jpg": hostile.jpeg(seed=5),
        "cam/really-a-png.jpg": hostile.saved(hostile.noise(seed=3), "PNG"),
    }
    result = studio.bring(files)
    assert (result["new"], result["refused"]) == (2, 6)
    assert result["reasons"] == {
        "animated": 1, "no-webcam": 1, "not-an-image": 1, "too-many-pixels": 1, "too-small": 1, "truncated": 1,
    }  # fmt: skip
    assert [each["position"] for each in result["refusals"]] == [2, 3, 4, 5, 6, 7]
    assert "cut" not in str(result["refusals"])  # a name may be personal: it is in the file only
    lines = studio.lines(result, "imported.csv")
    assert [line["outcome"] for line in lines].count("refused") == 6
    assert lines[0]["image"] == image_id(_sha(files["cam/good.jpg"]))
    assert studio.rows("SELECT count(*) FROM image_imports") == [(0,)]


def test_a_name_that_a_spreadsheet_would_compute_is_quoted(studio: Studio) -> None:
    result = studio.bring({"=2+2/a.jpg": hostile.jpeg()})
    assert studio.lines(result, "imported.csv")[0]["name"] == "'=2+2/a.jpg"


def test_the_same_picture_comes_in_once(studio: Studio) -> None:
    data = hostile.jpeg()
    assert studio.bring({"cam/1.jpg": data, "cam/2.jpg": data})["known"] == 1
    # other metadata, the same picture: found by what is kept of it
    again = studio.bring({"other/3.jpg": hostile.jpeg(comment=b"a new comment"), "cam/4.jpg": data})
    assert (again["new"], again["known"]) == (0, 2)
    assert again["reasons"] == {"other-webcam": 1}
    assert studio.rows("SELECT count(*) FROM images") == [(1,)]


def test_a_later_manifest_adds_the_time_that_was_not_known(studio: Studio) -> None:
    files = {"cam/1.jpg": hostile.jpeg()}
    studio.bring(files)
    for said in ("2026-02-12T18:30:00+01:00", "2026-02-13T09:30:00+01:00"):
        line = {"image": "cam/1.jpg", "webcam": "cam", "captured_at": said}
        known = studio.run("import", images=studio.upload(zipped(files)), manifest=studio.upload(table([line])))
        assert (known["new"], known["known"]) == (0, 1)
    assert studio.rows("SELECT hour, captured_at FROM images") == [(18, datetime(2026, 2, 12, 17, 30, tzinfo=UTC))]


def test_nothing_to_take_is_an_error_that_says_why(studio: Studio) -> None:
    error = studio.refusal("import", images=studio.upload(zipped({"cam/a.jpg": b"no picture"})))
    assert error["code"] == "images-refused"
    assert error["details"]["reasons"] == {"not-an-image": 1}
    assert "no zip" in studio.refusal("import", images=studio.upload(b"no zip"))["message"]
    assert "no pictures were given" in studio.refusal("import")["message"]
    assert "no pictures in it" in studio.refusal("import", images=studio.upload(zipped({})))["message"]


def test_a_manifest_says_webcam_time_and_stars(studio: Studio) -> None:
    files = {f"x/{n}.jpg": hostile.jpeg(seed=n) for n in range(4)}
    lines = [
        {
            "image": "x/0.jpg",
            "webcam": "Pier",
            "captured_at": "2026-02-12T18:30:00+01:00",
            "stars": "4",
            "rater": "ada",
        },
        {"image": "x/1.jpg", "webcam": "Pier", "captured_at": "", "stars": "", "rater": ""},
        {"image": "x/2.jpg", "webcam": "Pier", "captured_at": "yesterday", "stars": "4", "rater": ""},
        {"image": "x/3.jpg", "webcam": "Pier", "captured_at": "", "stars": "9", "rater": ""},
        {"image": "../../etc/passwd", "webcam": "Pier", "captured_at": "", "stars": "", "rater": ""},
    ]
    result = studio.run("import", images=studio.upload(zipped(files)), manifest=studio.upload(table(lines)))
    assert (result["new"], result["rated"]) == (2, 1)
    assert result["reasons"] == {"bad-line": 2, "missing": 1}
    assert studio.rows("SELECT hour, captured_at FROM images WHERE hour IS NOT NULL") == [
        (18, datetime(2026, 2, 12, 17, 30, tzinfo=UTC))
    ]
    assert studio.rows("SELECT rater, stars, kind FROM ratings") == [("ada", 4, "manual")]


def test_a_manifest_in_the_zip_is_taken_by_itself(studio: Studio) -> None:
    lines = table([{"path": "a.jpg", "group": "Pier"}])
    assert studio.bring({"a.jpg": hostile.jpeg(), "manifest.csv": lines, "b.jpg": hostile.jpeg(seed=1)})["new"] == 1


@pytest.mark.parametrize(
    ("rows", "params", "said"),
    [
        ([{"webcam": "Pier"}], {}, "no column that says where"),
        ([{"image": "a.jpg"}], {"label_column": "high"}, "no column high"),
    ],
)
def test_a_manifest_without_what_it_needs_is_refused(
    studio: Studio, rows: list[dict[str, str]], params: dict[str, str], said: str
) -> None:
    assert said in studio.refusal("import", manifest=studio.upload(table(rows)), **params)["message"]


def test_a_bomb_in_a_zip_is_not_unpacked(studio: Studio) -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("cam/bomb.jpg", b"\xff\xd8\xff" + bytes(60_000_000))
        pack.writestr("cam/good.jpg", hostile.jpeg())
    result = studio.run("import", images=studio.upload(out.getvalue()))
    assert (result["new"], result["reasons"]) == (1, {"too-large": 1})


def test_killed_again_and_again_every_picture_comes_in_once(
    studio: Studio, run_dying: Callable[[str, int], bool]
) -> None:
    files = {f"cam/{n:03d}.jpg": hostile.jpeg(seed=n) for n in range(80)}
    files["cam/bad.jpg"] = hostile.truncated()
    job_id = studio.submit("import", images=studio.upload(zipped(files)))
    reached = []
    for _ in range(2):
        assert run_dying(job_id, 160)  # a round of 32 pictures has about 110 effects
        studio.rescue(job_id)
        reached.append(studio.rows("SELECT count(*) FROM image_imports WHERE job_id = %s", job_id)[0][0])
    assert 0 < reached[0] < reached[1]
    result = studio.finish(job_id).result
    assert result is not None
    assert (result["new"], result["known"], result["refused"]) == (80, 0, 1)
    assert [line["name"] for line in studio.lines(result, "imported.csv")] == [*files]
    assert studio.rows("SELECT count(*) FROM images") == [(80,)]


def test_real_pictures_come_in_with_their_people_and_labels(studio: Studio) -> None:
    data = shared_data("sign-digits")
    if not data.is_dir():
        pytest.skip("needs shared/data/sign-digits")
    result = studio.run(
        "import",
        images=studio.upload((data / "images.zip").read_bytes()),
        manifest=studio.upload((data / "labels.csv").read_bytes()),
        label_column="high",
    )
    assert (result["images"], result["refused"], result["webcams"], result["rated"]) == (672, 0, 68, 672)
    dataset = studio.run("export-dataset")
    assert sum(split["images"] for split in dataset["splits"].values()) == 672
    assert all(0.4 < split["mean_target"] < 0.6 for split in dataset["splits"].values())


def test_pictures_come_from_addresses(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    good = hostile.jpeg()

    def answer(request: Request) -> Reply:
        return Reply(body=good) if request.path == "/good.jpg" else Reply(status=404)

    with SmallServer(answer) as server:
        lines = [{"url": f"{server.url}/{name}", "webcam": "Pier"} for name in ("good.jpg", "gone.jpg")]
        manifest = studio.upload(table(lines))
        error = studio.refusal("import", manifest=manifest)
        assert error["details"]["reasons"] == {"bad-address": 2}  # plain http, and an address of our own
        monkeypatch.setenv("FETCH_PRIVATE_ADDRESSES", "true")
        get_settings.cache_clear()
        result = studio.run("import", manifest=manifest)
    assert (result["new"], result["reasons"]) == (1, {"http-status": 1})
    assert studio.rows("SELECT source FROM images") == [(_sha(good),)]
