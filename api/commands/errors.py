"""How a command ends: exit codes that scripts can rely on, and errors that say what to do."""

from enum import IntEnum

from shared.contracts import JsonObject

_USAGE_STATUSES = frozenset({400, 413, 415, 422})
_REFUSALS = frozenset({"refused", "import-refused", "gold-refused", "not-drafts", "report-refused"})
_AWAY_STATUSES = frozenset({502, 503, 504})


class ExitCode(IntEnum):
    """What the shell sees. The values are a promise; ``docs/cli.md`` lists them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    CANCELLED = 4
    REFUSED = 5
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "It is done. A candidate that a gate did not let through is a result too, not a failure.",
    ExitCode.FAILED: "The job failed, or the API answered with an error.",
    ExitCode.USAGE: "The command, an option or the data sent is wrong; nothing was started.",
    ExitCode.UNREACHABLE: "The API does not answer, or no running stack was found.",
    ExitCode.CANCELLED: "The job was cancelled.",
    ExitCode.REFUSED: "A rule refused the job: too few samples, a file with bad lines.",
    ExitCode.INTERRUPTED: "Stopped with Ctrl-C; a job that was being followed goes on.",
}


class CommandError(Exception):
    """A command cannot do what it was asked: what happened, what to do, and lists of details (bad lines)."""

    def __init__(
        self,
        message: str,
        *,
        advice: str = "",
        details: JsonObject | None = None,
        exit_code: ExitCode = ExitCode.FAILED,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.details = details or {}
        self.exit_code = exit_code


class UnreachableError(CommandError):
    """The API does not answer."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message, advice=advice, exit_code=ExitCode.UNREACHABLE)


class ProblemError(CommandError):
    """The API answered with a problem document (RFC 9457)."""

    def __init__(self, status: int, problem: JsonObject) -> None:
        self.status = status
        self.problem = problem
        message = str(problem.get("detail") or problem.get("title") or f"the API answered {status}")
        super().__init__(
            message,
            advice=str(problem.get("advice") or ""),
            details=problem.get("details"),
            exit_code=_exit_code(status),
        )


class JobError(CommandError):
    """A job that a command followed did not succeed."""

    def __init__(self, job: JsonObject) -> None:
        error = job.get("error") or {}
        super().__init__(
            f"{job['kind']} {job['id']}: {error.get('message') or job['state']}",
            advice=error.get("advice", ""),
            details=error.get("details"),
            exit_code=exit_code_of_job(job),
        )


def _exit_code(status: int) -> ExitCode:
    if status in _USAGE_STATUSES:
        return ExitCode.USAGE
    return ExitCode.UNREACHABLE if status in _AWAY_STATUSES else ExitCode.FAILED


def exit_code_of_job(job: JsonObject) -> ExitCode:
    """Return how a command that followed this job to its end exits."""
    state = job["state"]
    if state == "succeeded":
        return ExitCode.OK
    if state == "cancelled":
        return ExitCode.CANCELLED
    refused = (job.get("error") or {}).get("code") in _REFUSALS
    return ExitCode.REFUSED if refused else ExitCode.FAILED
