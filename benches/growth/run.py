"""How a table grows: one night beside tables of several sizes, many nights one after the other, lookups while nights are not merged, and the
start of a server with very many files. Writes results.json, in which what is not measured now stays as it was. Python needs requirements.txt.

    python benches/growth/run.py --program target/debug/diaflight --folder /tmp/diaflight-growth
"""

import argparse
import json
import os
import platform
import subprocess
from datetime import date
from pathlib import Path

from many_files import many_files
from many_nights import many_nights
from one_night import one_night
from unmerged import unmerged

HERE = Path(__file__).parent


def main():
    arguments = parse()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.alerting:
        sizes = (arguments.objects, arguments.alerting, arguments.first_night)
        save(arguments, "one night", one_night(arguments.program, arguments.folder, *sizes))
    if arguments.nights:
        sizes = (arguments.objects, arguments.nights, arguments.lookups)
        save(arguments, "many nights", many_nights(arguments.program, arguments.folder, *sizes))
    if arguments.unmerged:
        sizes = (min(arguments.objects), 300, arguments.unmerged, arguments.lookups, 5)
        save(arguments, "unmerged nights", unmerged(arguments.program, arguments.folder, *sizes))
    if arguments.files:
        save(arguments, "many files", many_files(arguments.program, arguments.folder, arguments.files))


def save(arguments, name, rows):
    """Measures the rows, one after the other, and writes them in place of those that there were of this name."""
    rows = list(rows)
    results = json.loads(arguments.results.read_text()) if arguments.results.exists() else {}
    version = subprocess.run([arguments.program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    machine = {"date": date.today().isoformat(), "cores": os.cpu_count(), "system": platform.platform(), "diaflight": version}
    results.setdefault("machines", {})[name] = machine
    arguments.results.write_text(json.dumps(results | {name: rows}, indent=1) + "\n")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True, help="diaflight, built with optimisation")
    parser.add_argument("--folder", type=Path, required=True, help="for surveys and packets")
    parser.add_argument("--objects", type=lambda text: [int(count) for count in text.split(",")], default=[55_000, 550_000])
    parser.add_argument("--alerting", type=int, default=22_000, help="of these objects, whose alerts are ingested: one alert each, about; 0 for none")
    parser.add_argument("--first-night", type=int, default=393, help="of the night that is ingested beside each table; it ends with 399")
    parser.add_argument("--nights", type=int, default=60, help="that are ingested one after the other; 0 for none")
    parser.add_argument("--unmerged", type=int, default=30, help="nights that are ingested and not merged; 0 for none")
    parser.add_argument("--files", type=int, default=10_000, help="of the table whose server is started; 0 for none")
    parser.add_argument("--lookups", type=int, default=500)
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
