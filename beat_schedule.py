"""What runs when: data only. Celery Beat ticks by it; the database decides what a tick means."""

from dataclasses import dataclass, field
from datetime import timedelta

from shared.contracts import JsonObject, Queue
from shared.settings import get_settings


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A round that looks for work: ``sweeps.<name>``, every so often. Missing one does no harm."""

    name: str
    every: timedelta
    why: str
    queue: Queue = Queue.SWEEPS


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A step that is fired once each period, however many beats run and however often they restart."""

    name: str
    step: str
    every: timedelta
    why: str
    params: JsonObject = field(default_factory=dict)


SWEEPS = (
    Sweep(
        name="jobs",
        every=timedelta(seconds=get_settings().sweep_seconds),
        why="Rescues jobs whose worker died, and sends the wake-ups of those that are due or were never sent.",
    ),
    Sweep(
        name="prune",
        every=timedelta(hours=1),
        why="Deletes progress events of long finished jobs, idempotency keys nobody will repeat, what killed"
        " imports had staged, uploads that no job wants, and the texts of answered calls in Redis's file.",
    ),
    Sweep(
        name="providers",
        every=timedelta(seconds=get_settings().llm_sweep_seconds),
        why="Asks the provider for all fine-tunes under way with lists of a hundred, shows how far they are, and wakes"
        " the jobs of those that have ended. Costs no request while there are none.",
        queue=Queue.FINETUNE,
    ),
)

ENTRIES = (
    Entry(
        name="router-retrain",
        step="router.retrain",
        every=timedelta(days=30),
        why="New feedback becomes a new candidate, which is promoted only if it is no worse.",
    ),
    Entry(
        name="stages-ship",
        step="stages.ship-due",
        every=timedelta(days=7),
        why="Stages with enough newly approved rows are shipped: a dry run, unless their policy says live.",
    ),
    Entry(
        name="dedup-retrain",
        step="dedup.retrain-due",
        every=timedelta(days=7),
        why="Where people have decided enough pairs since the last time, a model is trained, and promoted if better.",
    ),
    Entry(
        name="images-retrain",
        step="images.retrain-due",
        every=timedelta(days=30),
        why="Surfaces with enough newly rated pictures are trained again; promoted only if no worse on unseen webcams.",
    ),
    Entry(
        name="llm-sunset",
        step="llm.sunset",
        every=timedelta(days=1),
        why="Providers end models: whoever depends on one is told weeks before.",
    ),
)
