"""The Celery app: queues, and settings with a reason each. Celery wakes workers up; Postgres keeps the promises.

Figures behind the reasons were measured on Celery 5.7 over Redis. There is no result backend (results are in the
ledger), no Celery retry (the ledger is the one retry authority) and no ETA (the ledger knows what is due when).
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from celery import Celery
from kombu.entity import Queue as KombuQueue

from beat_schedule import ENTRIES, SWEEPS
from shared.contracts import Queue
from shared.settings import Settings, get_settings

F = TypeVar("F", bound=Callable[..., None])

KEY_PREFIX: Final = "tuneyard:"  # Redis may be shared with other programs

# What the front may wait for Redis is less than what a worker may: a request is waiting behind it.
_SOCKET_TIMEOUT_S: Final = 5

_PATIENCE_S: Final = 5.0  # what a message may take to a worker on a busy machine

TASK_OPTIONS: Final[dict[Queue, dict[str, Any]]] = {
    # acks_late is off wherever a lease owns recovery: a redelivered message would only be dropped at the claim.
    Queue.GPU: {"acks_late": False},
    # A poll of the outside takes seconds: whatever takes longer hangs. Expires: the next sweep asks again anyway.
    Queue.FINETUNE: {"acks_late": False, "soft_time_limit": 25, "time_limit": 30, "expires": 60},
    # Below it lies the statement_timeout of the database (shared/db/pool.py), which frees the server side first.
    Queue.DB: {"acks_late": False, "soft_time_limit": 900, "time_limit": 960},
    # A call whose worker dies is over before a redelivery would come: its caller has a deadline of seconds and a
    # fallback. Nor is it worth an event: three for each batch cost a third of the way there and back.
    Queue.INFERENCE: {"acks_late": False, "send_events": False, "Request": "workers.inference:CallRequest"},
    Queue.SWEEPS: {"acks_late": False},
}


def _beat_schedule() -> dict[str, dict[str, Any]]:
    sweeps = {
        sweep.name: {
            "task": f"sweeps.{sweep.name}",
            "schedule": sweep.every,
            # A sweep that comes late is no use: the next one does its work. But on a busy machine all of them may
            # be late, however often they are sent.
            "options": {"queue": sweep.queue.value, "expires": max(sweep.every.total_seconds(), _PATIENCE_S)},
        }
        for sweep in SWEEPS
    }
    entries = {
        entry.name: {
            "task": "sweeps.fire",
            "args": [entry.name],
            # Asked often (each minute), fired once a period: the database knows when it last did.
            "schedule": min(entry.every.total_seconds() / 2, get_settings().sweep_seconds * 12),
            "options": {"queue": Queue.SWEEPS.value, "expires": 60},
        }
        for entry in ENTRIES
    }
    return sweeps | entries


def _configuration(settings: Settings) -> dict[str, Any]:
    return {
        "broker_url": settings.redis_url.get_secret_value() or None,
        # JSON only: a message can never run code. No results: the ledger has them, and no publish hangs on Redis.
        "task_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "result_backend": None,
        "task_ignore_result": True,
        # A misspelt queue is an error at once, not a queue that nobody reads.
        # Calls need no acknowledgement (see above): without Redis's two transactions for it 0.8 ms instead of 1.1.
        "task_queues": [
            KombuQueue(q.value, exchange="", routing_key=q.value, no_ack=q is Queue.INFERENCE) for q in Queue
        ],
        "task_routes": {},  # filled by task(), below
        "task_default_queue": Queue.DB.value,
        "task_create_missing_queues": False,
        "broker_transport_options": {
            "global_keyprefix": KEY_PREFIX,
            # Longer than any task that acks late; what is lost in a worker is not waited for, the relay sends it again.
            "visibility_timeout": 600,
            # Looked at every 5 s times 1 instead of 10 s times 10: redelivery after kill -9 in 5 s instead of 91 s.
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            # A frozen Redis is noticed in seconds (the default never gives up).
            "socket_connect_timeout": 1,
            "socket_timeout": _SOCKET_TIMEOUT_S,
            "health_check_interval": 10,
        },
        # Never stop trying to reach Redis (the default gives up after 47 minutes).
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        # A task that kills its worker would come back for ever (24 runs in 12 s); the ledger counts its attempts.
        "task_reject_on_worker_lost": False,
        # A blink of Redis must not end an hour of training: the lease is in Postgres.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # A message that waits in a busy worker would be lost with it, and run twice after the visibility timeout.
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        # A child that is spawned imports everything anew. On a busy machine that takes longer than the default of 4 s,
        # after which it would be killed, again and again, and no job of the queue would ever run.
        "worker_proc_alive_timeout": 60,
        # Flower sees tasks by these.
        "worker_send_task_events": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "timezone": "UTC",
        "beat_schedule": _beat_schedule(),
        # In memory: beat's own file is a pickle, written every three minutes. The database knows what fired when.
        "beat_scheduler": "celery.beat:Scheduler",
        "beat_max_loop_interval": 1,
    }


def make_app(settings: Settings) -> Celery:
    """Build the Celery app of this process."""
    celery = Celery("tuneyard", set_as_current=True)
    celery.conf.update(_configuration(settings))
    celery.conf.include = ["workers.tasks"]
    return celery


app = make_app(get_settings())


def task(name: str, queue: Queue) -> Callable[[F], F]:
    """Register a function as the task of this name, with the options of its queue."""
    # expires belongs to the message (see workers/dispatch.py), the rest to the task
    options = {option: value for option, value in TASK_OPTIONS[queue].items() if option != "expires"}

    def register(function: F) -> F:
        app.task(function, name=name, **options)
        app.conf.task_routes[name] = {"queue": queue.value}
        return function

    return register
