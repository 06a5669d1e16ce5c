"""How the parts of a running stack are, asked of the parts themselves."""

from collections.abc import Callable
from typing import Final

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from shared.contracts import Contract
from shared.stack.parts import answers, flower_probe
from shared.stack.state import PartPhase, PartState, StackState


class PartReport(Contract):
    """How one part is, asked of the part itself where it can answer."""

    name: str
    pid: int | None
    phase: PartPhase
    health: str
    """``ok``, ``no answer``, or the phase when it is not up."""
    restarts: int


def examine(state: StackState) -> list[PartReport]:
    """Ask every part how it is. Servers that are not embedded are asked too."""
    outside = [_outside(name, state) for name in ("postgres", "redis") if name not in state.parts]
    return outside + [
        PartReport(
            name=name,
            pid=part.process.pid if part.process else None,
            phase=part.phase,
            health=_health(name, part, state),
            restarts=part.restarts,
        )
        for name, part in state.parts.items()
    ]


def _outside(name: str, state: StackState) -> PartReport:
    health = _word(ok=_PROBES[name](state))
    return PartReport(name=name, pid=None, phase=PartPhase.READY, health=health, restarts=0)


def _health(name: str, part: PartState, state: StackState) -> str:
    if part.phase is not PartPhase.READY:
        return part.phase.value
    if part.process and not part.process.is_running():
        return "ended"
    return _word(ok=name not in _PROBES or _PROBES[name](state))


def _word(*, ok: bool) -> str:
    return "ok" if ok else "no answer"


def _postgres_answers(state: StackState) -> bool:
    try:
        psycopg.connect(state.exports["DATABASE_URL"], connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _redis_answers(state: StackState) -> bool:
    with Redis.from_url(state.exports["REDIS_URL"], socket_connect_timeout=2, socket_timeout=2) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


_PROBES: Final[dict[str, Callable[[StackState], bool]]] = {
    "postgres": _postgres_answers,
    "redis": _redis_answers,
    "api": lambda state: answers(f"{state.url}/readyz"),
    "flower": lambda state: answers(flower_probe(state.flower_url)),
}
