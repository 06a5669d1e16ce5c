"""Files that steps take and make, over HTTP."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from shared.contracts import Scope
from shared.files import ResultFiles
from shared.settings import Settings
from shared.stack.process import ChildProcess
from tests.api.conftest import Front

Worker = Callable[..., ChildProcess]


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"TUNEYARD_PIPELINES": "tests.support.probe"}


def _join(client: httpx.Client, *uploads: str) -> httpx.Response:
    body = {"first": uploads[0], "others": list(uploads[1:])}
    return client.post("/v1/probe/join", json=body, headers={"Prefer": "wait=20"})


def _upload(client: httpx.Client, data: bytes) -> str:
    answer = client.post("/v1/uploads", content=data)
    assert answer.status_code == 201
    upload: str = answer.json()["upload"]
    assert answer.json() == {"upload": upload, "size": len(data)}
    return upload


def test_files_go_in_and_come_out(client: httpx.Client, worker: Worker) -> None:
    worker("db")
    large = bytes(range(256)) * 12_000  # three pieces
    uploads = [_upload(client, data) for data in (large, b"", b"end\n")]
    assert _upload(client, large) == uploads[0]
    job = _join(client, *uploads).json()
    assert (job["state"], job["result"]["size"]) == ("succeeded", len(large) + 4)

    files = client.get(f"/v1/jobs/{job['id']}/files").json()
    assert files == {
        "items": [{"name": "facts.json", "size": 4}, {"name": "joined.txt", "size": len(large) + 4}],
        "folder": "joined",
    }
    answer = client.get(f"/v1/jobs/{job['id']}/files/joined.txt")
    assert answer.content == large + b"end\n"
    assert answer.headers["content-disposition"] == 'attachment; filename="joined.txt"'
    assert answer.headers["content-length"] == str(len(large) + 4)
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["other.txt", "..%2Fjoined.txt", "%2Fetc%2Fpasswd", "joined.txt%00", 'a"b', "manifest", ".env"]
)
def test_only_names_of_the_jobs_own_files_are_served(client: httpx.Client, worker: Worker, name: str) -> None:
    worker("db")
    job = _join(client, _upload(client, b"x")).json()
    assert client.get(f"/v1/jobs/{job['id']}/files/{name}").status_code in {404, 422}


def test_files_may_lie_in_folders(client: httpx.Client, worker: Worker) -> None:
    worker("db")
    names = ["a.txt", "train/reports/deep/b.json"]
    job = client.post("/v1/probe/name-files", json={"names": names}, headers={"Prefer": "wait=20"}).json()
    listed = client.get(f"/v1/jobs/{job['id']}/files").json()["items"]
    assert [item["name"] for item in listed] == names
    for path in ("train/reports/deep/b.json", "train%2Freports%2Fdeep%2Fb.json"):
        answer = client.get(f"/v1/jobs/{job['id']}/files/{path}")
        assert answer.content == b"train/reports/deep/b.json"
        assert answer.headers["content-disposition"] == 'attachment; filename="b.json"'
    for path in ("train/reports", "train/reports/deep/", "train//reports/deep/b.json", "train%2F..%2Fa.txt", "/a.txt"):
        assert client.get(f"/v1/jobs/{job['id']}/files/{path}").status_code in {404, 422}, path


@pytest.mark.parametrize(
    "name", ["/a", "../a", "a/../b", "a/.b", "a//b", "a/", "a\\b", "a/b\0", ".", "x/" * 8 + "y", ""]
)
def test_no_file_gets_a_name_that_leads_out(name: str) -> None:
    with pytest.raises(ValidationError):
        ResultFiles(manifest="0" * 64, sizes={name: 1})
    assert ResultFiles(manifest="0" * 64, sizes={"x/" * 7 + "y": 1}).sizes


def test_a_job_without_files_says_so(client: httpx.Client) -> None:
    job = client.post("/v1/probe/noop", json={}).json()
    answer = client.get(f"/v1/jobs/{job['id']}/files")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert client.get(f"/v1/jobs/job_{'0' * 32}/files").status_code == 404


def test_what_was_never_uploaded_fails_the_job_once_and_for_all(client: httpx.Client, worker: Worker) -> None:
    worker("db")
    for upload in ("0" * 64, hashlib.sha256(b"x").hexdigest()):
        job = _join(client, upload).json()
        assert (job["state"], job["attempt"], job["error"]["code"]) == ("failed", 1, "invalid-input")
    assert _join(client, "../../etc/passwd").status_code == 422


def test_a_model_or_a_result_is_no_upload(client: httpx.Client, worker: Worker) -> None:
    worker("db")
    job = _join(client, _upload(client, b"x")).json()
    again = _join(client, job["result"]["files"]["manifest"]).json()
    assert again["error"]["code"] == "invalid-input"


def test_uploads_need_a_key_with_the_scope(front: Front) -> None:
    with front.client(front.key(Scope.REVIEW, name="reviewer")) as client:
        assert client.post("/v1/uploads", content=b"x").status_code == 403
    assert httpx.post(f"{front.url}/v1/uploads", content=b"x", trust_env=False).status_code == 401
    assert httpx.get(f"{front.url}/v1/jobs/job_{'0' * 32}/files/a", trust_env=False).status_code == 401


def test_an_upload_is_cut_off_at_its_own_limit(
    front_settings: Settings, start_front: Callable[[Settings], Front], tmp_path: Path
) -> None:
    settings = front_settings.model_copy(update={"max_upload_bytes": 3_000_000})
    with start_front(settings).client() as client:
        assert client.post("/v1/uploads", content=b"x" * 2_999_999).status_code == 201
        assert client.post("/v1/uploads", content=b"x" * 3_000_001).status_code == 413
        endless = (b"x" * 100_000 for _ in range(31))
        answer = client.post("/v1/uploads", content=endless)
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_the_months_spending_is_shown(front: Front, client: httpx.Client) -> None:
    assert client.get("/v1/llm/spend").json()["booked"] == 0
    from shared.llm import budget
    from shared.llm.budget import Budget, Cost

    cost = Cost(provider="openai", model="gpt-4o-mini", purpose="fine-tune", usd=1.5)
    with front.database.transaction() as conn:
        budget.reserve(conn, "pj_1", cost, Budget(month_usd=10, job_usd=5))
        budget.book(conn, "cpl_1", cost)
    shown = client.get("/v1/llm/spend").json()
    assert (shown["reserved"], shown["booked"], shown["limit"], shown["job_limit"]) == (1.5, 1.5, 100, 25)
    assert shown["shares"] == [
        {"provider": "openai", "model": "gpt-4o-mini", "purpose": "fine-tune", "usd": 3.0, "entries": 2}
    ]
