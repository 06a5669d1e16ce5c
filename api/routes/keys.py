"""API keys: make, list, revoke. For administrators."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from psycopg import Connection
from pydantic import Field, StringConstraints

from api.deps import Administers, FrontDep
from api.paging import Cursor, KeyId, Limit
from api.transaction import Work, in_transaction, reading
from api.views import KeyView, NewKey, Page, page
from shared import keys
from shared.contracts import Contract, Scope
from shared.db import keys as rows

router = APIRouter(prefix="/v1/keys", tags=["keys"])


class KeyRequest(Contract):
    """Whose key it is (what they do is recorded under this name), and what it may do."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,99}$")] = Field(
        examples=["ana@example.org"]
    )
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope), examples=[["submit", "review"]])


@router.post("", summary="Make a key", status_code=HTTPStatus.CREATED)
@in_transaction
def create_key(work: Work, body: KeyRequest, _who: Administers) -> NewKey:
    """Make a key. It is shown this once: what is stored is its hash."""
    row, plaintext = keys.issue(work.conn, body.name, body.scopes)
    return NewKey.model_validate({**vars(row), "key": plaintext})


@router.get("", summary="List keys")
@reading
def list_keys(conn: Connection, _who: Administers, cursor: Cursor = None, limit: Limit = 50) -> Page[KeyView]:
    """Show keys, newest first, revoked ones too."""
    return page(KeyView.model_validate, rows.list_keys(conn, before=cursor, limit=limit + 1), limit)


@router.post("/{key_id}/revoke", summary="Revoke a key")
@in_transaction
def revoke_key(work: Work, key_id: KeyId, _who: Administers, front: FrontDep) -> KeyView:
    """Revoke a key for good. Other fronts notice within two seconds."""
    revoked = KeyView.model_validate(keys.revoke(work.conn, key_id))
    front.keys.forget()
    return revoked
