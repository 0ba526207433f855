"""Replays alert packets to a topic of Kafka, so many a second, for `diaflight live` to read.

The packets are those of the Avro files below a folder, in the order of their names; `diaflight generate --packets` makes some.
--framing confluent is Rubin's: the id of the schema, then the packet. There is no registry: the schemas are written to
--schema-dir, with their checksums as ids. fink: the schema is the key. container is ZTF's: an Avro file of one packet.

Usage: replay.py localhost:9092 TOPIC path/to/packets --schema-dir path/to/schemas [--rate 20] [--framing confluent] [--partitions 3]
Needs: pip install confluent-kafka fastavro
"""
import argparse
import struct
import time
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import fastavro
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

LARGEST_MESSAGE = 8 << 20
SAY_EACH_S = 10


@dataclass
class Packet:
    """A packet as it stands in a file, with the schema that it was written with: as text, and as fastavro has parsed it."""

    text: str
    schema: dict
    data: bytes
    diaObjectId: int
    diaSourceId: int


def packets(folder):
    """The packets below a folder."""
    for path in sorted(Path(folder).rglob("*.avro")):
        with path.open("rb") as file:
            blocks = fastavro.block_reader(file)
            text, schema, ids = blocks.metadata["avro.schema"], blocks.writer_schema, ids_alone(blocks.writer_schema)
            for block in blocks:
                for _ in range(block.num_records):
                    begin = block.bytes_.tell()
                    source = fastavro.schemaless_reader(block.bytes_, schema, ids)["diaSource"]
                    data = block.bytes_.getbuffer()[begin : block.bytes_.tell()].tobytes()
                    yield Packet(text, schema, data, source["diaObjectId"], source["diaSourceId"])


def ids_alone(schema):
    """The schema with the ids of the source alone: to read these, and skip all else, takes less time."""
    (source,) = [field["type"] for field in schema["fields"] if field["name"] == "diaSource"]
    ids = [field for field in source["fields"] if field["name"] in ("diaObjectId", "diaSourceId")]
    return schema | {"fields": [{"name": "diaSource", "type": source | {"fields": ids}}]}


def framed(framing, packet):
    """Key and value of the message for a packet."""
    if framing == "confluent":
        return None, struct.pack(">BI", 0, schema_id(packet.text)) + packet.data
    if framing == "fink":
        return packet.text, packet.data
    file = BytesIO()
    fastavro.writer(file, packet.schema, [fastavro.schemaless_reader(BytesIO(packet.data), packet.schema)])
    return None, file.getvalue()


def schema_id(text):
    return zlib.crc32(text.encode())


class Topic:
    """A topic that messages are produced to, one partition after the other. It is made if it is missing. More settings are librdkafka's."""

    def __init__(self, broker, name, partitions, **more):
        config = {"bootstrap.servers": broker} | more
        admin = AdminClient(config)
        if name not in admin.list_topics(timeout=60).topics:
            admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])[name].result()
        self.producer = Producer(config | {"message.max.bytes": LARGEST_MESSAGE, "linger.ms": 5})
        self.name, self.partitions, self.count = name, partitions, 0

    def send(self, key, value):
        while True:
            try:
                self.producer.produce(self.name, value, key, partition=self.count % self.partitions, on_delivery=delivered)
                break
            except BufferError:  # it is full of messages that the broker has not taken yet
                self.producer.poll(0.1)
        self.count += 1
        self.producer.poll(0)

    def flush(self):
        left = self.producer.flush(60)
        assert left == 0, f"the broker does not take {left} messages"


def delivered(error, _message):
    assert error is None, error


def main(arguments):
    topic, begun, schemas = Topic(arguments.broker, arguments.topic, arguments.partitions), time.monotonic(), set()
    say_at = begun + SAY_EACH_S
    for packet in packets(arguments.packets):
        if packet.text not in schemas and arguments.framing == "confluent":
            arguments.schema_dir.mkdir(parents=True, exist_ok=True)
            (arguments.schema_dir / f"{schema_id(packet.text)}.avsc").write_text(packet.text)
        schemas.add(packet.text)
        time.sleep(max(0, begun + topic.count / arguments.rate - time.monotonic()))
        topic.send(*framed(arguments.framing, packet))
        if time.monotonic() > say_at:
            print(f"{topic.count} alerts, the last one of object {packet.diaObjectId}", flush=True)
            say_at += SAY_EACH_S
    topic.flush()
    print(f"{topic.count} alerts in all")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("broker")
    parser.add_argument("topic")
    parser.add_argument("packets", type=Path)
    parser.add_argument("--schema-dir", type=Path)
    parser.add_argument("--rate", type=float, default=20, help="alerts a second")
    parser.add_argument("--framing", choices=["confluent", "fink", "container"], default="confluent")
    parser.add_argument("--partitions", type=int, default=3, help="of the topic")
    arguments = parser.parse_args()
    if arguments.framing == "confluent" and arguments.schema_dir is None:
        parser.error("give --schema-dir, or another --framing")
    return arguments


if __name__ == "__main__":
    main(parse())
