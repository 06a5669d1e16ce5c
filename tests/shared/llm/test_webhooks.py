"""Webhooks: signed as the official SDK has it, and nothing else is believed."""

import base64
import json
import time

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInputError, TooLargeError, UnauthenticatedError, UnavailableError
from shared.llm.webhooks import MAX_BODY, TOLERANCE_S, job_of, sign, verify

SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of a secret ...").decode()
BODY = json.dumps(
    {"id": "evt_1", "type": "fine_tuning.job.succeeded", "created_at": 1, "data": {"id": "ftjob-1"}}
).encode()
NOW = 1_800_000_000
CLIENT = openai.OpenAI(api_key="none")


def signed(body: bytes = BODY, *, secret: str = SECRET, at: float | None = None, name: str = "wh_1") -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    signature = sign(body, message_id=name, timestamp=timestamp, secret=secret)
    return {"webhook-id": name, "webhook-timestamp": timestamp, "webhook-signature": signature}


@given(
    body=st.text(max_size=300),
    name=st.from_regex(r"[!-~]{1,40}", fullmatch=True),
    key=st.binary(min_size=1, max_size=64),
)
def test_the_sdk_believes_what_we_sign_and_we_verify_it(body: str, name: str, key: bytes) -> None:
    for secret in ("whsec_" + base64.b64encode(key).decode(), key.hex()):
        headers = signed(body.encode(), secret=secret, name=name)
        CLIENT.webhooks.verify_signature(body.encode(), headers, secret=secret)
        verify(body.encode(), headers, secret)
        with pytest.raises(openai.InvalidWebhookSignatureError):
            CLIENT.webhooks.verify_signature((body + "x").encode(), headers, secret=secret)
        with pytest.raises(UnauthenticatedError):
            verify((body + "x").encode(), headers, secret)


def test_the_sdk_unwraps_the_same_job() -> None:
    event = CLIENT.webhooks.unwrap(BODY, signed(), secret=SECRET)
    assert event.type == "fine_tuning.job.succeeded"
    assert event.data.id == job_of(BODY) == "ftjob-1"


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed()
    headers["webhook-signature"] = f"v1,AAAA v2,BBBB {headers['webhook-signature']}"
    verify(BODY, headers, SECRET)
    headers["webhook-signature"] = "v1,AAAA v2,BBBB"
    with pytest.raises(UnauthenticatedError, match="signature"):
        verify(BODY, headers, SECRET)


@pytest.mark.parametrize("age", [-TOLERANCE_S, 0, TOLERANCE_S])
def test_a_message_of_these_minutes_is_believed(age: int) -> None:
    verify(BODY, signed(at=NOW - age), SECRET, now=NOW)


@pytest.mark.parametrize("age", [-TOLERANCE_S - 1, TOLERANCE_S + 1, NOW])
def test_a_message_of_another_time_is_not(age: int) -> None:
    with pytest.raises(UnauthenticatedError, match="too old, or from the future"):
        verify(BODY, signed(at=NOW - age), SECRET, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "wh_2"},
        {"webhook-id": ""},
        {"webhook-id": "wh 1"},
        {"webhook-id": "w" * 300},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": f"+{NOW}"},
        {"webhook-timestamp": f"0{NOW}"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-timestamp": "١٨٠٠٠٠٠٠٠٠"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,é"},
    ],
)
def test_broken_headers_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(UnauthenticatedError):
        verify(BODY, signed(at=NOW) | change, SECRET, now=NOW)


def test_another_secret_is_refused_and_one_that_cannot_be_read_is_told() -> None:
    with pytest.raises(UnauthenticatedError):
        verify(BODY, signed(secret="whsec_AAAA"), SECRET)
    with pytest.raises(UnavailableError, match="OPENAI_WEBHOOK_SECRET"):
        verify(BODY, signed(), "whsec_A")


def test_a_large_body_is_not_even_hashed() -> None:
    with pytest.raises(TooLargeError):
        verify(b" " * (MAX_BODY + 1), {}, SECRET)


def event(kind: object, data: object) -> bytes:
    return json.dumps({"type": kind, "data": data}).encode()


@pytest.mark.parametrize(
    ("body", "job"),
    [
        (event("fine_tuning.job.failed", {"id": "ftjob-a_B"}), "ftjob-a_B"),
        (event("fine_tuning.job.cancelled", {"id": "ftjob-1", "more": [1]}), "ftjob-1"),
        (event("batch.completed", {"id": "batch_1"}), None),
        (event("batch.completed", None), None),
        (event(7, None), None),
    ],
)
def test_which_job_it_is_about(body: bytes, job: str | None) -> None:
    assert job_of(body) == job


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"\xff", b"[" * 100_000,
        b'{"type": "fine_tuning.job.failed"}', b'{"data": {"id": "ftjob-1"}}',
        event("fine_tuning.job.failed", {"id": 7}), event("fine_tuning.job.failed", {"id": "a b"}),
        event("fine_tuning.job.failed", {"id": "x" * 200}), event("fine_tuning.job.failed", ["id"]),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_without_quoting_it(body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        job_of(body)
