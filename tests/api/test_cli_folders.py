"""A folder given where a step takes one: it is sent as a zip, without what nobody meant to send."""

import zipfile
from pathlib import Path

import pytest

from api.commands.errors import CommandError
from api.commands.files import require_files, zipped
from shared.pipelines.images.importing import ImportImagesParams


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures = tmp_path / "pictures"
    for name in ("Pier/2.jpg", "Pier/1.jpg", ".git/config", ".hidden"):
        (pictures / name).parent.mkdir(parents=True, exist_ok=True)
        (pictures / name).write_bytes(name.encode())
    (tmp_path / "secret").write_text("secret")
    (pictures / "link").symlink_to(tmp_path / "secret")
    return pictures


def test_a_folder_becomes_the_same_zip_each_time(folder: Path) -> None:
    with zipped(folder) as one, zipped(folder) as two:
        assert one.read() == two.read()
        with zipfile.ZipFile(one) as pack:
            assert pack.namelist() == ["Pier/1.jpg", "Pier/2.jpg"]
            assert pack.read("Pier/1.jpg") == b"Pier/1.jpg"


def test_a_folder_is_taken_where_the_step_says_so(folder: Path) -> None:
    given = {"images": folder, "manifest": None}
    require_files(ImportImagesParams, given)
    with pytest.raises(CommandError, match="--manifest: there is no file"):
        require_files(ImportImagesParams, given | {"manifest": folder})
