"""The programs of a run: installs the Debian packages that are missing, and builds our own programs."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
OPTIMISED = ["--config", "profile.dev.opt-level=3"]  # of our own code, as for `just bench`


@dataclass
class Programs:
    diaflight: Path
    measurer: Path  # benches/peers/engine
    postgres: Path  # benches/peers/postgres


def install():
    """PostgreSQL's server, its q3c, and wrk, from Debian."""
    missing = [name for name, there in [("postgresql", server_folder()), ("wrk", shutil.which("wrk"))] if not there]
    get(missing)
    if not q3c():
        get([f"postgresql-{server_folder().parent.name}-q3c"])


def q3c():
    """Where PostgreSQL has its index of the sky."""
    return next(Path("/usr/share/postgresql").glob(f"{server_folder().parent.name}/extension/q3c.control"), None)


def get(missing):
    if not missing:
        return
    if not shutil.which("apt-get"):
        sys.exit(f"missing: {', '.join(missing)}; install them, since there is no apt-get here")
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    # At this run level Debian does not start a cluster of its own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update", "-qq"], ["install", "-qq", "--no-install-recommends", *missing]):
        subprocess.run([*as_root, "apt-get", *command], check=True, env=environment, stdout=subprocess.DEVNULL)


def server_folder():
    """Of the newest PostgreSQL; `None` without one."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max((path.parent for path in found), key=lambda folder: int(folder.parent.name), default=None)


def build(folder):
    measurer = ["bench", "--no-run", "--profile", "dev", *OPTIMISED, "--bench", "peers"]
    client = ["build", "--release", "--target-dir", str(folder / "postgres-client")]
    return Programs(
        executable("diaflight", ["build", *OPTIMISED, "--bin", "diaflight"], REPOSITORY),
        executable("peers", measurer, REPOSITORY),
        executable("peers-postgres", client, REPOSITORY / "benches/peers/postgres"),
    )


def built_in(folder):
    programs = Programs(folder / "diaflight", folder / "peers", folder / "peers-postgres")
    for path in vars(programs).values():
        if not path.exists():
            sys.exit(f"--programs: no {path}")
    return programs


def executable(name, command, folder):
    """Builds, and answers with the path of the program of this name."""
    command = ["cargo", *command, "--locked", "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    messages = map(json.loads, built.stdout.splitlines())
    made = [message for message in messages if message.get("executable") and message["target"]["name"] == name]
    return Path(made[-1]["executable"]) if made else sys.exit(f"cargo made no {name}")
