"""Identifiers: a prefix that says what a thing is, then 32 hex digits.

Two kinds: made (UUIDv7, so they sort by time) and derived (SHA-256 of content, so the same content gives the
same id on any machine).
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import uuid_utils

JOB: Final = "job"
DATASET: Final = "ds"
MODEL: Final = "mdl"
PREDICTION: Final = "pred"
PROMOTION: Final = "promo"
EVALUATION: Final = "eval"
EXAMPLE: Final = "ex"
IMAGE: Final = "img"  # an example of the pipeline images
KEY: Final = "key"
CALL: Final = "call"
FILE: Final = "file"  # of the OpenAI-compatible API, as is the next one
FINE_TUNE: Final = "ftjob"
PROVIDER_JOB: Final = "pj"
CANARY: Final = "canary"
PIN: Final = "pin"
RESPONSE: Final = "resp"
REWORK: Final = "rework"
SESSION: Final = "ses"

_HEX_DIGITS = 32


def new_id(prefix: str) -> str:
    """Make an id that sorts by creation time (UUIDv7, RFC 9562)."""
    return f"{prefix}_{uuid_utils.uuid7().hex}"


def new_dashed_id(prefix: str) -> str:
    """Make an id that sorts by creation time too, written as OpenAI writes its ids (``file-…``, ``ftjob-…``)."""
    return f"{prefix}-{uuid_utils.uuid7().hex}"


def made_at(identifier: str) -> datetime:
    """Return when an id of ``new_id`` was made."""
    milliseconds = int(identifier.rpartition("_")[2][:12], 16)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def earliest_id(prefix: str, at: datetime) -> str:
    """Return the smallest id that ``new_id`` could make at that moment: to ask for what is as new."""
    return f"{prefix}_{int(at.timestamp() * 1000):012x}{'0' * (_HEX_DIGITS - 12)}"


def content_id(prefix: str, *parts: str) -> str:
    """Derive an id from its content: equal parts give an equal id, and parts never run together."""
    digest = hashlib.sha256(orjson.dumps(parts))  # the bytes of canonical_json, five times faster
    return f"{prefix}_{digest.hexdigest()[:_HEX_DIGITS]}"


def canonical_json(value: Any) -> bytes:
    """Encode JSON so that equal values give equal bytes (sorted keys, no spaces, UTF-8).

    Raises ValueError for NaN and infinity, which JSON cannot say.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def prefix_of(identifier: str) -> str:
    """Return what stands before the first underscore, the kind of thing that an id names."""
    return identifier.partition("_")[0]
