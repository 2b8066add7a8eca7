"""What a process cost, by the operating system's account of it: the one stopwatch of the benchmarks."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path


def measured(command: list[str], environment: dict[str, str], cwd: Path) -> dict[str, float]:
    """Run `command` and return wall and CPU seconds and peak memory (MiB) of it and its children; raises SystemExit with its output if it fails.

    The peak is the system's `ru_maxrss`, which is never below the caller's own peak at this moment (Linux carries it over exec): measure before working.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{output.read()[-4000:]}")
    return {
        "wall_seconds": round(time.monotonic() - started, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }
