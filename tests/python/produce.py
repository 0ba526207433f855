"""Produces alert packets to a topic of Kafka, with a client that is not ours, framed as their producers frame them.

produce.py BROKER TOPIC PARTITIONS FRAMING FOLDER [--schema-id N] [--schema-out FILE] [--bad N] [--times N] [--anew] [--set KEY=VALUE]...

FRAMING: confluent (Rubin), fink, container (ZTF). The packets are those of the Avro files below FOLDER, in order, one after the other to each
partition. --bad N: after every Nth packet comes one that is cut off. --times N: all of it N times. --anew: to a topic that is deleted first and made
again. --set: a setting of the client, as librdkafka names it. Prints how many messages were produced."""

import argparse
import io
import json
import struct
from pathlib import Path

import fastavro
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic


def main():
    arguments = parse()
    config = {"bootstrap.servers": arguments.broker, "message.max.bytes": 8 << 20, "compression.type": "snappy", "linger.ms": 5}
    config |= dict(setting.split("=", 1) for setting in arguments.set)
    admin = AdminClient(config)
    if arguments.anew:
        admin.delete_topics([arguments.topic])[arguments.topic].result(timeout=30)
    if arguments.anew or arguments.topic not in admin.list_topics(timeout=30).topics:
        created = admin.create_topics([NewTopic(arguments.topic, num_partitions=arguments.partitions, replication_factor=1)])
        created[arguments.topic].result(timeout=30)
    producer, failed, count = Producer(config), [], 0
    for key, value in list(messages(arguments)) * arguments.times:
        while True:
            try:
                producer.produce(arguments.topic, value, key, partition=count % arguments.partitions, on_delivery=lambda error, _: error and failed.append(error))
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
        producer.poll(0)
    assert producer.flush(60) == 0 and not failed, failed
    print(count)


def messages(arguments):
    packets = 0
    for file in sorted(Path(arguments.folder).rglob("*.avro")):
        with file.open("rb") as opened:
            reader = fastavro.reader(opened)
            text = reader.metadata["avro.schema"]
            if arguments.schema_out:
                arguments.schema_out.write_text(text)
            for record in reader:
                yield framed(arguments, reader.writer_schema, text, record)
                packets += 1
                if arguments.bad and packets % arguments.bad == 0:
                    key, value = framed(arguments, reader.writer_schema, text, record)
                    yield key, value[: len(value) // 2]


def framed(arguments, schema, text, record):
    datum = io.BytesIO()
    if arguments.framing == "container":
        fastavro.writer(datum, schema, [record], codec="deflate")
        return str(record["diaSource"]["diaObjectId"]), datum.getvalue()
    fastavro.schemaless_writer(datum, schema, record)
    if arguments.framing == "fink":
        return json.dumps(json.loads(text)), datum.getvalue()
    return None, struct.pack(">bi", 0, arguments.schema_id) + datum.getvalue()


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("broker")
    parser.add_argument("topic")
    parser.add_argument("partitions", type=int)
    parser.add_argument("framing", choices=["confluent", "fink", "container"])
    parser.add_argument("folder")
    parser.add_argument("--schema-id", type=int, default=1100)
    parser.add_argument("--schema-out", type=Path)
    parser.add_argument("--bad", type=int, default=0)
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--set", action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    main()
