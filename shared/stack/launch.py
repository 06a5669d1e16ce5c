"""Become another program that dies when its parent dies.

Usage: ``launch.py PARENT SIGNAL ACCOUNT PROGRAM [ARGUMENT ...]`` (ACCOUNT ``-``: the present one). It is run
by path with ``python -I -S`` and imports only the standard library, so it costs some 15 ms.

A supervisor that is killed with SIGKILL can clean up nothing; the kernel can: PR_SET_PDEATHSIG. It must be set after
the change of account (which clears it) and before the program runs, which is why this stands between the two.
"""

import ctypes
import os
import pwd
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, death_signal: int, account: str, command: list[str]) -> None:
    """Replace this process with the command; exits with 127 when there is no such program."""
    if account != "-":
        entry = pwd.getpwnam(account)
        os.initgroups(account, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the supervisor blocks signals, to take them one by one
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it died before the call above
        sys.exit("the parent is gone")
    try:
        os.execvp(command[0], command)  # noqa: S606  (no shell is wanted)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201  (no logging before the program runs)
        sys.exit(127)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
