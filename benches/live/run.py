"""How fast `diaflight live` reads a backlog, with how much memory; how long after it was produced an alert is served; and what live costs
lookups. All on one machine, with the broker and the producer. Writes results.json. Python needs requirements.txt.

    python benches/live/run.py --program target/debug/diaflight --folder /tmp/diaflight-live
"""

import argparse
import json
import os
import platform
import subprocess
from datetime import date
from pathlib import Path

from backlog import backlog
from broker import read_alerts
from fresh import fresh
from program import Program

HERE = Path(__file__).parent


def main():
    arguments = parse()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    program = Program(arguments.program, arguments.folder)
    survey = ["--objects", arguments.objects, "--seed", 1]
    if not (arguments.folder / "packets").exists():
        program.run("generate", "--packets", arguments.folder / "packets", *survey, "--nights", "200..211", "--cutouts")
    if not (arguments.folder / "survey").exists():
        program.run("generate", "--warehouse", arguments.folder / "survey", *survey, "--nights", "0..199")
    alerts = read_alerts(arguments.folder / "packets", arguments.alerts, arguments.folder / "schemas")
    version = subprocess.run([arguments.program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    machine = {"date": date.today().isoformat(), "cores": os.cpu_count(), "system": platform.platform(), "diaflight": version}
    results = {"machine": machine, "backlog": [backlog(program, alerts[:count]) for count in (len(alerts) // 4, len(alerts) // 2, len(alerts))]}
    save(arguments, results)
    results["fresh"] = fresh(program, alerts, arguments.rate, arguments.burst, arguments.seconds, arguments.turns)
    save(arguments, results)


def save(arguments, results):
    arguments.results.write_text(json.dumps(results, indent=1) + "\n")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True, help="diaflight, built with optimisation")
    parser.add_argument("--folder", type=Path, required=True, help="for packets and warehouses")
    parser.add_argument("--objects", type=int, default=120_000)
    parser.add_argument("--alerts", type=int, default=50_000, help="of the largest backlog; the smaller ones have a quarter and a half")
    parser.add_argument("--rate", type=int, default=300, help="alerts a second")
    parser.add_argument("--burst", type=int, default=10_000, help="alerts at once, half-way")
    parser.add_argument("--seconds", type=int, default=40, help="of a turn, without the burst")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
