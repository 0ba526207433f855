"""How long a server with very many files takes until it is ready, in a folder and in a bucket of SeaweedFS; so with a log of very many
commits. The files are links to one, each with a range of keys of its own in the log."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from deltalake import DeltaTable
from pyarrow import fs

from program import run

KEY, SECRET, BUCKET = "diaflight", "only-for-benches", "growth"
STARTS = 5


def many_files(program, folder, count):
    """One file, so many, and twice as many in so many commits."""
    warehouse = folder / "many-files"
    for files, each in ((1, 1), (count, 1000), (2 * count, 2)):
        shutil.rmtree(warehouse, ignore_errors=True)
        run(program, "generate", "--warehouse", warehouse, "--objects", 10, "--seed", 1)
        commits = grow(warehouse / "sources", files, each)
        size = {"files": files, "commits": commits}
        yield {"storage": "folder", **size, **starts(program, str(warehouse), {})}
        if shutil.which("weed"):
            with seaweed() as variables:
                upload(warehouse, variables)
                yield {"storage": "bucket", **size, **starts(program, f"s3://{BUCKET}/many-files", variables)}
        shutil.rmtree(warehouse)


def grow(table, count, each):
    """Adds links to the table's file until it has `count`, in commits of `each`, and a checkpoint. Returns how many commits there are."""
    log = table / "_delta_log"
    [entry] = sorted(log.glob("*.json"))
    [add] = [action["add"] for action in map(json.loads, entry.read_text().splitlines()) if "add" in action]
    stats = json.loads(add["stats"])
    last, version = stats["maxValues"]["diaObjectId"], 0
    for first in range(1, count, each):
        version += 1
        actions = []
        for number in range(first, min(first + each, count)):
            path = f"part-{uuid.uuid4()}.parquet"
            os.link(table / add["path"], table / path)
            stats["minValues"]["diaObjectId"], stats["maxValues"]["diaObjectId"] = last + 2 * number, last + 2 * number + 1
            actions.append({"add": {**add, "path": path, "stats": json.dumps(stats)}})
        actions.append({"commitInfo": {"timestamp": int(time.time() * 1000), "operation": "WRITE"}})
        (log / f"{version:020}.json").write_text("\n".join(map(json.dumps, actions)))
    DeltaTable(str(table)).create_checkpoint()
    return version + 1


def starts(program, warehouse, variables):
    """The median of some starts: seconds until `/health/ready` answers, and the memory then."""
    measured = sorted(start(program, warehouse, variables) for _ in range(STARTS))
    seconds, kib = measured[len(measured) // 2]
    return {"ready_s": seconds, "memory_mib": kib / 1024}


def start(program, warehouse, variables):
    port = free_port()
    command = [program, "serve", "--warehouse", warehouse, "--listen", f"127.0.0.1:{port}", "--log-file", "/dev/null"]
    began = time.monotonic()
    server = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, env={**os.environ, **variables})
    try:
        while not answers(f"http://127.0.0.1:{port}/health/ready"):
            time.sleep(0.005)
        seconds = time.monotonic() - began
        status = Path(f"/proc/{server.pid}/status").read_text()
        return seconds, int(status.split("VmRSS:")[1].split()[0])
    finally:
        server.terminate()
        server.wait()


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def seaweed():
    """An S3 server until the end of the block: the variables that let a program use it."""
    names = [f"{part}.port{kind}" for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")]
    ports = {name: free_port() for name in names}
    with tempfile.TemporaryDirectory(prefix="weed-") as folder:
        (Path(folder) / "data").mkdir()
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": KEY, "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": actions}
        (Path(folder) / "s3.json").write_text(json.dumps({"identities": [identity]}))
        command = [
            "weed", "server", "-dir=data", "-ip=127.0.0.1", "-master.telemetry=false", "-volume.max=100", "-volume.preStopSeconds=0",
            "-filer", "-filer.localSocket=filer.sock", "-s3", "-s3.config=s3.json", "-s3.localSocket=s3.sock", "-s3.port.iceberg=0",
            "-s3.port.lance=0", *(f"-{name}={port}" for name, port in ports.items()),
        ]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(command, cwd=folder, **silent)
        try:
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3.port']}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
            }
        finally:
            server.terminate()
            server.wait()


def upload(warehouse, variables):
    """Copies a warehouse into a new bucket."""
    endpoint = variables["AWS_ENDPOINT_URL"].removeprefix("http://")
    store = fs.S3FileSystem(
        access_key=KEY, secret_key=SECRET, endpoint_override=endpoint, scheme="http", region="us-east-1", allow_bucket_creation=True
    )
    for _ in range(120):
        try:
            store.create_dir(BUCKET)
            break
        except OSError:
            time.sleep(0.5)

    def copy(path):
        with store.open_output_stream(f"{BUCKET}/many-files/{path.relative_to(warehouse)}") as out:
            out.write(path.read_bytes())

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(copy, (path for path in warehouse.rglob("*") if path.is_file())))
