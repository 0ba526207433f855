"""Tickets of a folder: read at two servers, before and after it has changed.

Usage: folder_tickets.py FOLDER GRPC_URL GRPC_URL
"""
import json
import os
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import flight

folder, *urls = sys.argv[1:]
one, other = map(flight.connect, urls)
COMMANDS = [{"endpoint": "sources"}, {"endpoint": "sources", "diaObjectId": [1, 2, 150]}]


def info(client, command):
    return client.get_flight_info(flight.FlightDescriptor.for_command(json.dumps(command)))


def rows(client, tickets):
    return pa.concat_tables([client.do_get(ticket).read_all() for ticket in tickets])


def refused(client, ticket):
    try:
        client.do_get(ticket).read_all()
    except (flight.FlightError, pa.ArrowInvalid) as error:
        return str(error)
    return None


def followed(snapshot):
    """Waits until both servers answer from another listing."""
    for client in (one, other):
        while json.loads(info(client, COMMANDS[0]).app_metadata)["snapshot"] == snapshot:
            time.sleep(0.02)


found = [info(one, command) for command in COMMANDS]
snapshot = json.loads(found[0].app_metadata)["snapshot"]
tickets = [[endpoint.ticket for endpoint in asked.endpoints] for asked in found]
before = [rows(one, of) for of in tickets]
assert [table.num_rows for table in before] == [540, 9]
assert [rows(other, of) for of in tickets] == before, "another server gives other rows"

# A file more takes nothing away from who has seen the folder before.
more = pq.read_table(f"{folder}/0.parquet").slice(0, 50)
more = more.set_column(1, "diaSourceId", pa.array(range(50)))
pq.write_table(more, f"{folder}/.more")
os.rename(f"{folder}/.more", f"{folder}/more.parquet")
followed(snapshot)
assert [rows(one, of) for of in tickets] == before, "the rows of a ticket changed"

# A file that is written over does, for everybody.
changed = pq.read_table(f"{folder}/1.parquet")
pq.write_table(changed.set_column(3, "psfFlux", pa.array([-1.0] * len(changed), pa.float32())), f"{folder}/.changed")
snapshot = json.loads(info(one, COMMANDS[0]).app_metadata)["snapshot"]
os.rename(f"{folder}/.changed", f"{folder}/1.parquet")
followed(snapshot)
for client in (one, other):
    for ticket in sum(tickets, []):
        said = refused(client, ticket)
        assert said and "the folder of sources has changed" in said, said
        assert "precondition" in said.lower(), said
    assert rows(client, [endpoint.ticket for endpoint in info(client, COMMANDS[0]).endpoints]).num_rows == 590
