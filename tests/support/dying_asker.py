"""A process that asks for a completion, and is killed before it has it: ``python -m tests.support.dying_asker URL``.

The database is the environment's.
"""

import sys

from shared.db.pool import get_database
from tests.support.askers import asking, question


def main(url: str, timeout_s: float) -> None:
    """Ask and print who answered."""
    with asking(url, get_database()) as completions:
        sys.stdout.write(completions.complete(question(), purpose="test", timeout_s=timeout_s).path + "\n")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
