"""The errors of Tuneyard: one small tree that knows nothing of HTTP or Celery.

An error has a stable ``code`` (a promise to clients), a message that says what happened, and ``advice`` that says
what to do. ``api/errors.py`` turns it into a problem document, ``shared/jobs.py`` into a retry decision.
"""

from typing import Any, ClassVar


class TuneyardError(Exception):
    """Something went wrong inside Tuneyard; the log has more, and a retry may help."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, advice: str = "", code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.details = details
        self.instance_code = code or type(self).code

    def as_dict(self) -> dict[str, Any]:
        """Return the error as stored in the ledger and shown to clients (JSON-ready)."""
        error: dict[str, Any] = {"code": self.instance_code, "message": self.message}
        if self.advice:
            error["advice"] = self.advice
        if self.details:
            error["details"] = self.details
        return error


class InvalidInputError(TuneyardError):
    """What was sent breaks its contract."""

    code = "invalid-input"
    retryable = False


class NotFoundError(TuneyardError):
    """There is no such thing, or it was deleted."""

    code = "not-found"
    retryable = False


class ConflictError(TuneyardError):
    """It does not fit the present state: something else happened first."""

    code = "conflict"
    retryable = False


class UnauthenticatedError(TuneyardError):
    """The API key is missing, unknown or revoked."""

    code = "unauthenticated"
    retryable = False


class ForbiddenError(TuneyardError):
    """The API key lacks the scope for this."""

    code = "forbidden"
    retryable = False


class TooLargeError(TuneyardError):
    """It is over a limit of size, depth or count."""

    code = "too-large"
    retryable = False


class RefusedError(TuneyardError):
    """A rule of the policy says no (too few samples, a failed check); trying again changes nothing."""

    code = "refused"
    retryable = False


class UnavailableError(TuneyardError):
    """A part that is needed does not answer now; trying again later may work."""

    code = "unavailable"


class CorruptError(TuneyardError):
    """Stored bytes do not match their hash or cannot be read."""

    code = "corrupt"
    retryable = False


class JobStopped(TuneyardError):  # noqa: N818  (a signal to the running step, not a fault)
    """Base of the reasons for which a running step must stop now; a step lets it pass through."""

    retryable = False


class JobCancelled(JobStopped):
    """Somebody cancelled the job."""

    code = "cancelled"


class LeaseLostError(JobStopped):
    """Another attempt owns the job now: this one must write nothing."""

    code = "lease-lost"


class WorkerStopping(JobStopped):
    """The worker was asked to stop: the job goes back to the queue and no failure is counted."""

    code = "worker-stopping"


class SliceOver(JobStopped):
    """The step has used its slice of the queue's time: the job goes on in a new attempt, and no failure is counted."""

    code = "slice-over"
