"""``/openai/v1/files`` through the official SDK and over plain HTTP."""

import hashlib
import threading
from collections.abc import Callable

import httpx
import openai
import pytest
from openai import OpenAI

from api.routes.openai import files
from api.routes.openai.multipart import safe_name
from shared.contracts import Scope
from shared.ids import new_dashed_id
from tests.api.conftest import Front
from tests.api.openai.conftest import PREFIX, Shop


def test_a_file_comes_back_as_it_was_sent(shop: Shop) -> None:
    data = b'{"messages": []}\n' * 200_000  # several pieces
    file = shop.client.files.create(file=("train.jsonl", data), purpose="fine-tune")
    assert (file.bytes, file.filename, file.purpose, file.status) == (
        len(data),
        "train.jsonl",
        "fine-tune",
        "processed",
    )
    assert shop.client.files.retrieve(file.id) == file
    content = shop.client.files.content(file.id)
    assert hashlib.sha256(content.read()).digest() == hashlib.sha256(data).digest()
    assert content.response.headers["content-length"] == str(len(data))


def test_files_are_listed_in_pages_by_age_and_purpose(shop: Shop) -> None:
    made = [shop.upload(b"{}\n", f"{n}.jsonl") for n in range(5)]
    other = shop.client.files.create(file=("notes.txt", b"x"), purpose="user_data").id
    assert [file.id for file in shop.client.files.list(limit=2)] == [other, *reversed(made)]
    assert [file.id for file in shop.client.files.list(purpose="fine-tune", order="asc", limit=3)] == made
    assert shop.client.files.list(purpose="batch").data == []


def test_a_deleted_file_is_gone(shop: Shop) -> None:
    file = shop.upload(b"{}\n")
    assert shop.client.files.delete(file).deleted
    for ask in (shop.client.files.retrieve, shop.client.files.delete, shop.client.files.content):
        with pytest.raises(openai.NotFoundError, match=file):
            ask(file)
    assert shop.client.files.list().data == []


def test_a_file_expires(shop: Shop) -> None:
    asked = {"anchor": "created_at", "seconds": 3600}
    file = shop.client.files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune", expires_after=asked)  # type: ignore[arg-type]
    assert file.expires_at == file.created_at + 3600
    with shop.front.database.transaction() as conn:
        conn.execute("UPDATE openai_files SET expires_at = now()")
    with pytest.raises(openai.NotFoundError):
        shop.client.files.retrieve(file.id)


@pytest.mark.parametrize(
    ("data", "purpose", "param"),
    [(b"", "fine-tune", "file"), (b"{}", "evals", "purpose"), (b"{}", "anything", "purpose")],
)
def test_what_cannot_be_stored_is_refused(shop: Shop, data: bytes, purpose: str, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        shop.client.files.create(file=("a.jsonl", data), purpose=purpose)  # type: ignore[arg-type]
    assert refused.value.param == param
    assert shop.client.files.list().data == []


def test_an_upload_over_the_limit_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST", 1000)
    shop.upload(b"x" * 1000)
    with pytest.raises(openai.APIStatusError) as refused:
        shop.upload(b"x" * 1001)
    assert refused.value.status_code == 413


def test_the_same_key_uploads_once(front: Front) -> None:
    with front.client(**{"Idempotency-Key": "k1"}) as client:
        first, second = (_post(client, b"{}\n") for _ in range(2))
        assert first.json() == second.json()
        assert _post(client, b"[]\n").status_code == 400
    with front.database.reading() as conn:
        assert conn.execute("SELECT count(*) FROM openai_files").fetchone() == (1,)


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"x", 415),
        ("multipart/form-data; boundary=b", b"no form", 400),
        ("multipart/form-data; boundary=b", b"", 400),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nbroken', 400),
        (f"multipart/form-data; boundary={'b' * 300}", b"x", 400),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"h" * 100_000, 400),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n\r\n" * 40, 413),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n' + b"p" * 10_000 + b"\r\n--b--\r\n",
            413,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--b--\r\n',
            400,
        ),
    ],
)
def test_a_broken_form_is_refused_and_leaves_nothing(front: Front, content_type: str, body: bytes, status: int) -> None:
    with front.client() as client:
        answer = client.post(f"{PREFIX}/files", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status, answer.text
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_client_that_hangs_up_leaves_no_file(front: Front) -> None:
    stop = threading.Event()

    def body() -> object:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nbegun'
        stop.set()
        raise ConnectionError

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    with front.client() as client, pytest.raises(ConnectionError):
        client.post(f"{PREFIX}/files", content=body(), headers=headers)  # type: ignore[arg-type]
    assert stop.is_set()
    with front.client() as client:
        assert client.get(f"{PREFIX}/files").json()["data"] == []


def test_a_key_needs_the_scope(front: Front, sdk: Callable[..., OpenAI]) -> None:
    with pytest.raises(openai.AuthenticationError) as unknown:
        sdk("ty_unknown").files.list()
    assert unknown.value.code == "invalid_api_key"
    with pytest.raises(openai.PermissionDeniedError) as lacking:
        sdk(front.key(Scope.REVIEW)).files.list()
    assert lacking.value.code == "insufficient_permissions"


def test_unknown_paths_and_methods_answer_as_openai_does(front: Front) -> None:
    with front.client() as client:
        for answer, status in (
            (client.get(f"{PREFIX}/assistants"), 404),
            (client.get("/openai/"), 404),
            (client.put(f"{PREFIX}/files"), 405),
            (client.get(f"{PREFIX}/files?limit=0"), 400),
            (client.get(f"{PREFIX}/files/{new_dashed_id('file')}"), 404),
            (client.get(f"{PREFIX}/files/%00"), 400),
            (client.post(f"{PREFIX}/fine_tuning/jobs", content=b" " * 1_000_001), 413),
            (client.post(f"{PREFIX}/fine_tuning/jobs", content=b"[" * 100), 413),
            (client.post(f"{PREFIX}/fine_tuning/jobs", content=b"no JSON"), 400),
        ):
            assert answer.status_code == status, answer.text
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert client.get(f"{PREFIX}/files?limit=0").json()["error"]["param"] == "limit"
        assert client.get("/v1/nothing").json()["code"] == "not-found"  # elsewhere as ever


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a.jsonl", "a.jsonl"), ("../../etc/passwd", "passwd"), ("C:\\x\\b.jsonl", "b.jsonl"), ("", "file"),
     ("..", "file"), ('a"\r\nX: y', "aX: y"), ("ä" * 300, "ä" * 255)],
)  # fmt: skip
def test_names_of_files_are_tamed(given: str, kept: str) -> None:
    assert safe_name(given) == kept


def _post(client: httpx.Client, data: bytes) -> httpx.Response:
    return client.post(f"{PREFIX}/files", files={"file": ("a.jsonl", data)}, data={"purpose": "fine-tune"})
