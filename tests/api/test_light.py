"""The front is thin: what it loads, and how much memory that takes."""

import subprocess
import sys

HEAVY = {"numpy", "scipy", "sklearn", "nltk", "torch", "onnxruntime", "pandas", "safetensors", "boto3"}
MOST_MIB = 120

SCRIPT = """
import re, sys
import api.app
print(*sorted({name.partition(".")[0] for name in sys.modules}))
print(int(re.search("VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1024)
"""


def test_importing_the_application_loads_no_heavy_library() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60)
    modules, mib = done.stdout.splitlines()
    assert not HEAVY & set(modules.split())
    assert int(mib) <= MOST_MIB
