"""Runs every `sh` and `python` block of README.md, API.md and OPERATIONS.md as its reader would: from top to bottom, in a folder that
looks like a clone in which the program is built, with `diaflight demo` running and alerts in path/to/alerts.

What is put in place of what stands there is in SUBSTITUTIONS, and nothing else is. A command that serves goes on in the
background until another one serves or the document ends. Every id in a block has to be one that the server knows then.
Prints how many blocks of each document ran as one JSON object; fails at the first that does, naming file and line.
Usage: readme.py REPOSITORY DIAFLIGHT FOLDER (AWS_* variables: an S3 server with a bucket my-bucket)
"""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

REPOSITORY, DIAFLIGHT, FOLDER = (Path(argument) for argument in sys.argv[1:])
with socket.create_server(("127.0.0.1", 0)) as free:
    ADDRESS = f"127.0.0.1:{free.getsockname()[1]}"
PATIENCE_S = 120

SUBSTITUTIONS = [  # where it stands in a line, what is run instead, why
    (r"\blocalhost:8080\b", ADDRESS, "tests take a free port"),
    (r"^cargo run (--locked )?--(?= )", "target/debug/diaflight", "this run has built it"),
    (r"^cargo (build|test)\b.*", "true", ".ci/run does"),
    (r"^(pip install|python3 -m venv) .*", "true", "the tests' environment has exact versions"),
    (r"^git clone .*", "true", "this is the clone"),
    (r"^docker compose .*", "true", "tests/it/compose.rs runs the services as processes"),
    (r"^(.*\S)\s+# a prompt$", r"echo 'SELECT 1' | \1", "tests/python/prompt.py types at it"),
]
RUN, OTHER = {"sh", "python"}, {"text", "json", "toml", "sql", "yaml"}
SERVES = r"^((?:\w+=\S+ )*(?:target/\w+/)?diaflight (?:serve|demo)\b.*?)(?:\s+#.*)?$"
PRELUDE = f"""
set -Eeuo pipefail
trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
ended() {{
    if [ -s serving.pid ]; then kill "$(<serving.pid)"; while kill -0 "$(<serving.pid)" 2>&-; do sleep 0.1; done; fi
    rm -f serving.pid
}}
ready() {{ echo $! > serving.pid; until curl -o /dev/null {ADDRESS}/health/ready 2>&-; do kill -0 $!; sleep 0.1; done; }}
"""
# On a busy machine pyarrow 26 aborts about one in thirty programs that end while its threads still start: leave without it.
LEAVE = "\nimport os, sys\nsys.stdout.flush()\nos._exit(0)\n"
CURLRC = "fail-with-body\nshow-error\nsilent\nnoproxy = *\n"  # an error of the server is one of the command


def prepare():
    """What a reader has who has cloned, built and followed the text so far."""
    for profile in ("debug", "release"):
        (FOLDER / "target" / profile).mkdir(parents=True)
        (FOLDER / "target" / profile / "diaflight").symlink_to(DIAFLIGHT)
    (FOLDER / "examples").symlink_to(REPOSITORY / "examples")
    (FOLDER / "prelude.sh").write_text(PRELUDE)
    (FOLDER / ".curlrc").write_text(CURLRC)
    path = f"{FOLDER / 'target/debug'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    own = {"PATH": path, "HOME": str(FOLDER), "BASH_ENV": str(FOLDER / "prelude.sh"), "DIAFLIGHT_LISTEN": ADDRESS}
    return kept | own | {"NO_PROXY": "*", "MPLBACKEND": "Agg"}


def blocks(document):
    """Language, number of the first line, and lines of each block."""
    language, number, lines = None, 0, []
    for line_number, line in enumerate(document.read_text().splitlines(), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif language is None:
            language, number, lines = line[3:].strip(), line_number + 1, []
            assert language in RUN | OTHER, f"{document.name}:{line_number}: {language!r} is neither run nor known"
        else:
            if language in RUN:
                yield language, number, lines
            language = None


def as_run(language, line):
    for pattern, instead, _ in SUBSTITUTIONS:
        line = re.sub(pattern, instead, line)
    return re.sub(SERVES, r"ended; \1 >> served.log 2>&1 & ready", line) if language == "sh" else line


def run(name, language, number, lines, environment):
    """Runs one block, its lines under the numbers that they have in the document."""
    script = FOLDER / f"{name}.{language}"
    text = "\n" * (number - 1) + "\n".join(as_run(language, line) for line in lines) + "\n"
    script.write_text(text + LEAVE if language == "python" else text)
    shell = ["bash", script] if language == "sh" else [sys.executable, script]
    with open(FOLDER / "block.log", "w+") as log:
        code = subprocess.run(
            shell, cwd=FOLDER, env=environment, timeout=PATIENCE_S, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ).returncode
        log.seek(0)
        assert code == 0, f"{name}, the block from line {number}, ends with {code}:\n{log.read()[-4000:]}{server_log()}"
    for dia_object_id in set(re.findall(r"\b\d{15,19}\b", "\n".join(lines))):
        url = f"http://{ADDRESS}/api/v1/objects?diaObjectId={dia_object_id}&columns=r:diaObjectId"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as answer:
            assert json.load(answer), f"{name}, the block from line {number}: no object has the id {dia_object_id}"


def server_log():
    log = FOLDER / "served.log"
    return "\n== served\n" + log.read_text()[-2000:] if log.exists() else ""


def end_server():
    serving = FOLDER / "serving.pid"
    if serving.exists():
        with contextlib.suppress(ProcessLookupError):  # it could not even start
            os.kill(int(serving.read_text()), signal.SIGTERM)


def main():
    environment = prepare()
    ran = {}
    try:
        for name in ["README.md", "API.md", "OPERATIONS.md"]:
            run(name, "sh", 1, ["diaflight demo"], environment)
            ran[name] = 0
            for block in blocks(REPOSITORY / name):
                run(name, *block, environment)
                ran[name] += 1
        print(json.dumps(ran))
    finally:
        end_server()


main()
