"""The provider's webhooks: whether a message is truly theirs, and which fine-tune it is about.

Signed as Standard Webhooks (https://www.standardwebhooks.com) and OpenAI's SDK have it: HMAC-SHA256 over
``id.timestamp.body``. A test compares this with the SDK, whose import would cost the front a second.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from typing import Final

from shared.errors import InvalidInputError, TooLargeError, UnauthenticatedError, UnavailableError

TOLERANCE_S: Final = 300
"""An older message is refused: it may be one that somebody has kept. A repeated one within that time does no harm."""
MAX_BODY: Final = 65_536
_EVENTS: Final = "fine_tuning.job."
_SECRET: Final = "whsec_"  # noqa: S105  (a prefix)
_VERSION: Final = "v1,"
_ID: Final = re.compile(r"[!-~]{1,256}")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_JOB: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


def verify(body: bytes, headers: Mapping[str, str], secret: str, now: float | None = None) -> None:
    """Raise UnauthenticatedError unless whoever knows the secret has sent this body within the last minutes.

    ``headers`` have names in lower case. ``now`` is a Unix time. Raises TooLargeError, and UnavailableError when the
    secret itself cannot be read.
    """
    if len(body) > MAX_BODY:
        raise TooLargeError(f"a webhook has {MAX_BODY:,} bytes at most")
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not _ID.fullmatch(message_id) or not _TIMESTAMP.fullmatch(timestamp):
        raise _refused("the headers webhook-id or webhook-timestamp are missing or broken")
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_S:
        raise _refused("it is too old, or from the future")
    expected = sign(body, message_id=message_id, timestamp=timestamp, secret=secret).encode()
    given = headers.get("webhook-signature", "").split()
    # there may be several while a secret is changed
    if not any(hmac.compare_digest(expected, each.encode()) for each in given):
        raise _refused("its signature is not ours")


def sign(body: bytes, *, message_id: str, timestamp: str, secret: str) -> str:
    """Return the signature of a message, as its header has it (``v1,…``)."""
    message = b".".join([message_id.encode(), timestamp.encode(), body])
    return _VERSION + base64.b64encode(hmac.digest(_key(secret), message, hashlib.sha256)).decode()


def job_of(body: bytes) -> str | None:
    """Return the id of the fine-tuning job that a message is about; None when it is about anything else.

    Raises InvalidInputError when it cannot be read.
    """
    try:
        event = json.loads(body)
        kind = event["type"]
        job_id = event["data"]["id"] if str(kind).startswith(_EVENTS) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidInputError("the webhook is not what the provider documents") from None
    if job_id is not None and not (isinstance(job_id, str) and _JOB.fullmatch(job_id)):
        raise InvalidInputError("the webhook names no job")
    return job_id


def _key(secret: str) -> bytes:
    if not secret.startswith(_SECRET):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET))
    except binascii.Error:
        raise UnavailableError("OPENAI_WEBHOOK_SECRET cannot be read", advice="copy it again, with whsec_") from None


def _refused(why: str) -> UnauthenticatedError:
    return UnauthenticatedError(
        f"the webhook was refused: {why}",
        advice="compare OPENAI_WEBHOOK_SECRET with the provider's page, and the clock",
    )
