"""Runs a command and measures it: elapsed seconds, processor seconds, and its output."""

import os
import subprocess
import time
from dataclasses import dataclass


@dataclass
class Usage:
    seconds: float
    cpu_seconds: float  # in the program and, for it, in the kernel


def used_by(command):
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {process.returncode}")
    return Usage(seconds, used.ru_utime + used.ru_stime), said
