"""What the endpoints work with: one ``Front`` for each process, made at its start and closed at its end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import anyio.to_thread
from fastapi import Depends
from starlette.requests import Request

from api.addresses import AddressBook
from api.metrics import Metrics
from api.recorder import Recorder
from api.security import KeyRing, Principal, requires
from api.sessions import Sessions
from api.sign_ins import SignInLimit
from api.submitting import Submitter
from api.waiting import Waiter
from shared.artifact_stores import open_store
from shared.artifacts import ArtifactStore
from shared.contracts import Scope
from shared.db.pool import Database
from shared.settings import Settings
from workers.calls import Caller
from workers.dispatch import Dispatcher


@dataclass(frozen=True, kw_only=True)
class Front:
    """The parts of a running front. Endpoints get it as a ``FrontDep``."""

    settings: Settings
    database: Database
    artifacts: ArtifactStore
    dispatcher: Dispatcher
    submitter: Submitter
    waiter: Waiter
    keys: KeyRing
    sessions: Sessions
    sign_ins: SignInLimit
    caller: Caller
    addresses: AddressBook
    recorder: Recorder
    metrics: Metrics


@asynccontextmanager
async def running_front(settings: Settings) -> AsyncIterator[Front]:
    """Start the parts in order, and stop them in reverse: nothing that was accepted is lost on a normal stop."""
    database = Database(settings.dsn(), settings.database_pool_size)
    dispatcher = Dispatcher(database)
    recorder = Recorder(database)
    caller = Caller(settings.broker(), settings.call_timeout_seconds)
    submitter = Submitter(database, dispatcher)
    waiter = Waiter(database)
    dispatcher.start()
    await recorder.start()
    await caller.start()
    try:
        yield Front(
            settings=settings,
            database=database,
            artifacts=open_store(settings.artifacts(), settings),
            dispatcher=dispatcher,
            submitter=submitter,
            waiter=waiter,
            keys=KeyRing(database),
            sessions=Sessions(database, hours=settings.session_hours, days=settings.session_days),
            sign_ins=SignInLimit(),
            caller=caller,
            addresses=AddressBook(database),
            recorder=recorder,
            metrics=Metrics(database, recorder),
        )
    finally:
        await waiter.stop()
        await caller.stop()
        await recorder.stop()
        for stop in (submitter.stop, dispatcher.stop, database.close):
            await anyio.to_thread.run_sync(stop)


async def _front(request: Request) -> Front:
    front: Front = request.app.state.front
    return front


FrontDep = Annotated[Front, Depends(_front)]

Reader = Annotated[Principal, requires()]
"""Any key may read."""
Submits = Annotated[Principal, requires(Scope.SUBMIT)]
Reviews = Annotated[Principal, requires(Scope.REVIEW)]
Promotes = Annotated[Principal, requires(Scope.PROMOTE)]
Administers = Annotated[Principal, requires(Scope.ADMIN)]
