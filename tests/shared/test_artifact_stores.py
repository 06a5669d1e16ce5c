"""Every promise of an artifact store, kept by each store: a local folder, and S3 behind a real HTTP server."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from shared.artifact_stores import BlobStore, LocalStore, open_store
from shared.artifacts import FileRef, Manifest, TransientStore
from shared.blobs import HashingWriter, confined
from shared.errors import CorruptError, InvalidInputError, NotFoundError, UnavailableError
from shared.settings import Settings
from tests.support.waiting import wait_until

MIB = 1024 * 1024
BUCKET = "artifacts"
NOWHERE = FileRef(sha256="0" * 64, size=3)


@dataclass(frozen=True)
class Bench:
    """A store, and how to look behind its back."""

    store: BlobStore
    names: Callable[[], set[str]]
    overwrite: Callable[[str, bytes], None]


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _local(tmp_path: Path) -> Bench:
    folder = tmp_path / "artifacts"
    blobs = folder / "blobs"

    def overwrite(sha256: str, data: bytes) -> None:
        path = blobs / sha256[:2] / sha256
        path.chmod(0o600)
        path.write_bytes(data)

    def names() -> set[str]:
        return {p.name for p in folder.rglob("*") if p.is_file()}

    return Bench(LocalStore(folder), names, overwrite)


def _s3(url: str, prefix: str) -> Bench:
    store = open_store(f"s3://{BUCKET}/{prefix}", Settings(s3_endpoint_url=url))
    assert isinstance(store, BlobStore)
    client: Any = store._client  # type: ignore[attr-defined]  # the test's look behind the store's back
    client.create_bucket(Bucket=BUCKET)

    def names() -> set[str]:
        found = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/").get("Contents", [])
        return {o["Key"].rpartition("/")[2] for o in found}

    def overwrite(sha256: str, data: bytes) -> None:
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/blobs/{sha256[:2]}/{sha256}", Body=data)

    return Bench(store, names, overwrite)


@pytest.fixture(params=["local", "s3"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    if request.param == "local":
        return _local(tmp_path)
    request.getfixturevalue("s3_environment")
    return _s3(request.getfixturevalue("s3_url"), tmp_path.name)


def _refs(store: TransientStore) -> dict[str, datetime]:
    return {blob.sha256: blob.written_at for blob in store.blobs()}


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "weights").mkdir(parents=True)
    (folder / "model.json").write_bytes(b"{}")
    (folder / "weights" / "one.bin").write_bytes(os.urandom(1000))
    (folder / "empty").touch()
    return folder


# --- blobs ----------------------------------------------------------------------------------------------------------


def test_a_blob_is_named_by_its_hash_and_read_back(bench: Bench) -> None:
    for data in (b"", b"a", os.urandom(3 * MIB + 1)):
        ref = bench.store.put(data)
        assert ref == FileRef(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        with bench.store.open(ref) as file:
            assert file.read() == data


def test_a_large_blob_streams_in_pieces(bench: Bench) -> None:
    pieces = [os.urandom(MIB) for _ in range(20)]
    with bench.store.writer() as writer:
        for piece in pieces:
            writer.write(memoryview(piece))
    with bench.store.open(writer.ref) as file:
        assert all(file.read(MIB) == piece for piece in pieces)
        assert file.read() == b""


def test_the_same_bytes_twice_change_nothing(bench: Bench) -> None:
    assert bench.store.put(b"same") == bench.store.put(b"same")
    assert len(bench.names()) == 1


def test_an_error_inside_the_block_leaves_nothing_behind(bench: Bench) -> None:
    with suppress(ZeroDivisionError), bench.store.writer() as writer:
        writer.write(b"half")
        raise ZeroDivisionError
    assert bench.names() == set()
    with pytest.raises(RuntimeError, match="once it is stored"):
        _ = writer.ref


def test_a_range_is_what_lies_there_and_short_at_the_end(bench: Bench) -> None:
    ref = bench.store.put(b"0123456789")
    ranges = {(0, 4): b"0123", (8, 5): b"89", (10, 1): b"", (12, 1): b"", (3, 0): b""}
    assert {r: bench.store.read_range(ref, *r) for r in ranges} == ranges


def test_what_is_not_there_is_not_found(bench: Bench) -> None:
    for sha256 in (NOWHERE.sha256, "../../etc/passwd", "", "A" * 64):
        with pytest.raises(NotFoundError):
            bench.store.manifest(sha256)
    with pytest.raises(NotFoundError):
        bench.store.open(NOWHERE)
    with pytest.raises(NotFoundError):
        bench.store.read_range(NOWHERE, 0, 1)


@pytest.mark.parametrize("damaged", [b"tXis is a blob", b"this", b"this is a blob and more", b""])
def test_damage_is_noticed_before_the_last_byte_is_handed_out(bench: Bench, damaged: bytes) -> None:
    ref = bench.store.put(b"this is a blob")
    bench.overwrite(ref.sha256, damaged)
    with bench.store.open(ref) as file, pytest.raises(CorruptError):
        file.read()


def test_a_store_that_answers_passes_its_check(bench: Bench) -> None:
    bench.store.check()


# --- manifests ------------------------------------------------------------------------------------------------------


def test_a_folder_comes_back_as_it_was(bench: Bench, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    name = bench.store.put_folder("model", folder, {"pipeline": "router"})
    manifest = bench.store.fetch(name, tmp_path / "copy")
    assert (manifest.kind, manifest.facts) == ("model", {"pipeline": "router"})
    assert set(manifest.files) == {"model.json", "weights/one.bin", "empty"}
    for file in manifest.files:
        assert (tmp_path / "copy" / file).read_bytes() == (folder / file).read_bytes()
    assert bench.store.put_folder("model", folder, {"pipeline": "router"}) == name


def test_a_manifest_is_refused_before_its_files_are_there(bench: Bench) -> None:
    with pytest.raises(NotFoundError, match=r"rows\.jsonl"):
        bench.store.publish(Manifest(kind="dataset", files={"rows.jsonl": NOWHERE}))
    ref = bench.store.put(b"here")
    with pytest.raises(NotFoundError):
        bench.store.publish(Manifest(kind="dataset", files={"a": ref.model_copy(update={"size": 5})}))


def test_a_file_that_is_damaged_never_gets_its_name(bench: Bench, tmp_path: Path) -> None:
    name = bench.store.put_folder("model", _folder(tmp_path), {})
    bench.overwrite(bench.store.manifest(name).files["weights/one.bin"].sha256, os.urandom(1000))
    with pytest.raises(CorruptError):
        bench.store.fetch(name, tmp_path / "copy")
    assert not list((tmp_path / "copy").rglob("one.bin*"))


def test_writing_again_repairs_a_blob_of_another_size(bench: Bench) -> None:
    ref = bench.store.put(b"whole")
    bench.overwrite(ref.sha256, b"wh")
    bench.store.put(b"whole")
    with bench.store.open(ref) as file:
        assert file.read() == b"whole"


def test_bytes_that_are_no_manifest_are_refused(bench: Bench) -> None:
    for data in (b"not json", b"{}", b'{"kind":"x","files":{"a":{"sha256":"..","size":1}}}'):
        with pytest.raises(CorruptError):
            bench.store.manifest(bench.store.put(data).sha256)


# --- wings ----------------------------------------------------------------------------------------------------------


def test_what_is_deleted_in_a_wing_stays_in_the_house(bench: Bench) -> None:
    wing = bench.store.wing("uploads")
    kept, same = bench.store.put(b"rows"), wing.put(b"rows")
    assert kept == same
    wing.delete(same.sha256)
    wing.delete(same.sha256)  # gone already
    assert bench.store.open(kept).read() == b"rows"
    assert _refs(wing) == {}
    with pytest.raises(NotFoundError):
        wing.open(same)


def test_writing_again_makes_a_blob_of_a_wing_young_again(bench: Bench) -> None:
    wing = bench.store.wing("uploads")
    ref, start = wing.put(b"rows"), datetime.now(UTC) - timedelta(seconds=2)  # S3 tells whole seconds
    (first,) = _refs(wing).values()
    assert first >= start

    def is_younger() -> bool:
        wing.put(b"rows")
        return _refs(wing)[ref.sha256] > first

    wait_until(is_younger)


def test_links_are_not_followed_into_an_artifact(bench: Bench, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "link").symlink_to("/etc/hostname")
    with pytest.raises(InvalidInputError, match="link"):
        bench.store.put_folder("model", folder, {})


@given(st.text(st.sampled_from("ab./\\\0"), max_size=8))
def test_no_name_of_a_file_leads_out_of_its_folder(name: str) -> None:
    folder = Path("/artifact")
    try:
        path = confined(folder, name)
    except InvalidInputError:
        return
    assert folder in Path(os.path.normpath(path)).parents
    assert path.relative_to(folder).as_posix() == name


# --- the local folder -----------------------------------------------------------------------------------------------

_WRITE_AND_WAIT = """
import sys
from pathlib import Path
from shared.artifact_stores import LocalStore
with LocalStore(Path(sys.argv[1])).writer() as writer:
    writer.write(b"half")
    print("written", flush=True)
    sys.stdin.read()
"""


def test_a_writer_that_is_killed_shows_nothing_and_is_swept_a_day_later(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITE_AND_WAIT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "blobs").exists()
    (leftover,) = (tmp_path / "incoming").iterdir()
    LocalStore(tmp_path)
    assert leftover.exists()
    os.utime(leftover, (0, 0))
    LocalStore(tmp_path)
    assert not leftover.exists()


def test_memory_does_not_grow_with_the_blob(tmp_path: Path) -> None:
    store, piece = LocalStore(tmp_path), os.urandom(MIB)
    tracemalloc.start()
    try:
        with store.writer() as writer:
            for _ in range(64):
                writer.write(piece)
        with store.open(writer.ref) as file:
            while file.read(MIB):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


def test_a_folder_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = LocalStore(tmp_path / "file")
    with pytest.raises(UnavailableError, match="artifact folder"):
        store.check()
    with pytest.raises(UnavailableError):
        store.put(b"x")


def test_a_full_disk_is_unavailable() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(UnavailableError, match="No space left"):
        HashingWriter(full).write(b"x")


# --- S3 and addresses -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("s3_environment")
def test_a_bucket_that_is_not_there_is_unavailable(s3_url: str) -> None:
    store = open_store("s3://missing-bucket", Settings(s3_endpoint_url=s3_url))
    with pytest.raises(UnavailableError, match="missing-bucket"):
        store.check()
    with pytest.raises(UnavailableError, match="NoSuchBucket"):
        store.put(b"x")


@pytest.mark.usefixtures("s3_environment")
def test_a_server_that_does_not_answer_is_unavailable(unused_port: int) -> None:
    store = open_store("s3://artifacts/x", Settings(s3_endpoint_url=f"http://127.0.0.1:{unused_port}"))
    with pytest.raises(UnavailableError, match="does not answer"):
        store.check()


@pytest.fixture
def unused_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
    return port


def test_the_address_chooses_the_store(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    store = open_store(folder.as_uri(), Settings())
    assert isinstance(store, LocalStore)
    store.put(b"x")
    assert folder.is_dir()
    for url in ("", "/folder", "s3://", "http://host/folder", "file://host/folder"):
        with pytest.raises(InvalidInputError, match="ARTIFACTS_URL"):
            open_store(url, Settings())
