"""The head of the report: the machine, the versions of the programs, and the date."""

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pyarrow

from programs import REPOSITORY, server_folder


def describe(built):
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "processor": of_processor("model name"),
        "cores": os.cpu_count(),
        "memory GiB": round(memory_bytes() / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "diaflight": commit(),
        "rustc": said(["rustc", "--version"]).removeprefix("rustc "),
        "PostgreSQL": said([server_folder() / "postgres", "--version"]).split(") ")[1],
        "DuckDB": duckdb.__version__,
        "pyarrow": pyarrow.__version__,
        "wrk": said(["wrk", "-v"], status=1).split()[1],
    }


def memory_bytes():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def of_processor(field):
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith(field)), platform.machine())


def commit():
    head = said(["git", "rev-parse", "--short=12", "HEAD"])
    return head + (" and changes" if said(["git", "status", "--porcelain", "--", "src", "Cargo.toml"]) else "")


def said(command, status=0):
    """What a program says of itself; wrk ends with 1 after that."""
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if ended.returncode != status:
        raise SystemExit(f"{command}: {ended.stderr}")
    return ended.stdout.strip()
