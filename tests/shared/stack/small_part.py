"""A part of ``small_stack.py``: starts a child, says that it is ready, and notes that it was asked to stop."""

import signal
import subprocess
import sys
from pathlib import Path

name, home, ready = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
signals = {signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before anybody is told that this runs
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
(home / f"{name}.child").write_text(str(child.pid))
ready.touch()
while True:
    signal.sigwait(signals)
    if "deaf" not in sys.argv:
        break
with (home / "stopped").open("a") as stopped:
    stopped.write(f"{name}\n")
