"""The thresholds of confidence that count now: the policy's, or those that a person has put in their place."""

from dataclasses import dataclass
from typing import Literal

from psycopg import Connection

from shared.db import dedup
from shared.pipelines.dedup.policy import policy

Course = Literal["merge", "propose", "new"]
"""What follows from a prediction: merge at once, ask a person, or keep both."""


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Confidence (0 to 1) from which a merge is made without a person, and from which a person is asked."""

    auto_merge: float
    propose: float
    applied_by: str | None = None
    """Who put them in the place of the policy's; None: they are the policy's."""

    def course(self, *, should_merge: bool, confidence: float, by_model: bool) -> Course:
        """Return what follows from a prediction. Without a model nothing is merged at once, however alike."""
        if not should_merge or confidence < self.propose:
            return "new"
        return "merge" if by_model and confidence >= self.auto_merge else "propose"


def thresholds(conn: Connection) -> Thresholds:
    """Return the thresholds that count now."""
    applied = dedup.applied_thresholds(conn)
    if applied is None:
        return from_policy()
    return Thresholds(auto_merge=applied.auto_merge, propose=applied.propose, applied_by=applied.actor)


def from_policy() -> Thresholds:
    """Return the policy's thresholds."""
    rules = policy().thresholds
    return Thresholds(auto_merge=rules.auto_merge, propose=rules.propose)
