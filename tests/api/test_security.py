"""Keys and scopes."""

import httpx
import pytest

from shared.contracts import Scope
from shared.keys import hash_of
from tests.api.conftest import Front
from tests.support.waiting import wait_until

OPEN = {"/", "/healthz", "/readyz", "/metrics", "/problems/{code}", "/v1/webhooks/openai"}


def test_every_operation_but_the_open_ones_asks_for_a_key(front: Front) -> None:
    document = front.app.openapi()
    unguarded = {
        path
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if "security" not in operation
    }
    assert unguarded == OPEN - {"/"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer ty_wrong"}, {"Authorization": "Basic eA=="}])
def test_no_key_or_a_wrong_one_is_unauthenticated(front: Front, headers: dict[str, str]) -> None:
    for path in ("/v1/jobs", "/v1/models"):
        answer = httpx.get(front.url + path, headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    submit = httpx.post(front.url + "/v1/probe/noop", headers=headers, trust_env=False)
    assert submit.status_code == 401


def test_a_key_may_come_in_either_header(front: Front) -> None:
    key = front.key(Scope.SUBMIT)
    for headers in ({"Authorization": f"Bearer {key}"}, {"authorization": f"bearer  {key}"}, {"X-API-Key": key}):
        assert httpx.get(front.url + "/v1/jobs", headers=headers, trust_env=False).status_code == 200


def test_only_administrators_make_keys_and_the_key_is_shown_once(front: Front, client: httpx.Client) -> None:
    made = client.post("/v1/keys", json={"name": "ana", "scopes": ["submit"]})
    assert made.status_code == 201
    key = made.json()["key"]
    with front.database.reading() as conn:
        stored = conn.execute("SELECT hash FROM api_keys WHERE name = 'ana'").fetchone()
    assert stored == (hash_of(key),)
    listed = client.get("/v1/keys")
    assert key not in listed.text
    assert {k["name"] for k in listed.json()["items"]} == {"ana", "tester"}
    with front.client(key) as ana:
        assert ana.post("/v1/probe/noop").json()["actor"] == "ana"
        for refused in (ana.post("/v1/keys", json={"name": "bob", "scopes": ["admin"]}), ana.get("/v1/keys")):
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_a_repeated_request_for_a_key_does_not_show_it_again(front: Front, client: httpx.Client) -> None:
    body, headers = {"name": "ana", "scopes": ["submit"]}, {"Idempotency-Key": "one"}
    first = client.post("/v1/keys", json=body, headers=headers)
    second = client.post("/v1/keys", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json() | {"key": None}
    with front.database.reading() as conn:
        kept = conn.execute("SELECT body::text FROM idempotency_keys").fetchall()
    assert first.json()["key"] not in str(kept)


def test_a_revoked_key_is_of_no_use_within_seconds_even_where_it_was_just_believed(
    front: Front, client: httpx.Client
) -> None:
    made = client.post("/v1/keys", json={"name": "ana", "scopes": ["submit"]}).json()
    with front.client(made["key"]) as ana:
        assert ana.get("/v1/jobs").status_code == 200
        with front.database.transaction() as conn:  # as another front does it
            conn.execute("UPDATE api_keys SET revoked_at = now() WHERE id = %s", [made["id"]])
        wait_until(lambda: ana.get("/v1/jobs").status_code == 401, timeout=3)
    revoked = client.post(f"/v1/keys/{made['id']}/revoke").json()
    assert revoked["revoked_at"] is not None


def test_revoking_through_a_front_holds_there_at_once(front: Front, client: httpx.Client) -> None:
    made = client.post("/v1/keys", json={"name": "ana", "scopes": ["submit"]}).json()
    with front.client(made["key"]) as ana:
        assert ana.get("/v1/jobs").status_code == 200
        client.post(f"/v1/keys/{made['id']}/revoke")
        assert ana.get("/v1/jobs").status_code == 401
    assert client.post(f"/v1/keys/{'key_' + '0' * 32}/revoke").status_code == 404
