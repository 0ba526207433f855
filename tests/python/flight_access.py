"""Opens a server that has a token and one place for bulk reads, in every way that pyarrow knows.

Fails where it is let in without the token, or not with it. Usage: flight_access.py GRPC_URL TOKEN
"""
import base64
import json
import sys

import pyarrow as pa
from pyarrow import flight

URL, TOKEN = sys.argv[1:]
client = flight.connect(URL)
WHOLE = flight.FlightDescriptor.for_command(json.dumps({"endpoint": "objects"}))
LONG = flight.FlightDescriptor.for_command(json.dumps({"endpoint": "sources"}))


def with_header(text):
    return flight.FlightCallOptions(headers=[(b"authorization", text.encode())])


def basic(password):
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def closed(call, *words):
    try:
        call()
    except flight.FlightUnauthenticatedError as error:
        assert all(word in str(error) for word in words + ("Bearer TOKEN",)), error
        assert TOKEN not in str(error)
    else:
        raise AssertionError("open to everyone")


# Lookups, lists and exchanges are open, as REST is.
assert len(list(client.list_flights())) == 3
info = client.get_flight_info(flight.FlightDescriptor.for_path("sources", "1003"))
assert client.do_get(info.endpoints[0].ticket).read_all().num_rows == 14
writer, reader = client.do_exchange(flight.FlightDescriptor.for_path("sources"))
with writer:
    writer.begin(pa.schema({"diaObjectId": pa.int64()}))
    writer.write_batch(pa.record_batch({"diaObjectId": [1003]}))
    writer.done_writing()
    assert reader.read_all().num_rows == 14

# Whole tables are not.
closed(lambda: client.get_flight_info(WHOLE), "a token is needed")
for header in ["Bearer wrong", "Bearer " + TOKEN + "x", basic("wrong"), basic("")]:
    closed(lambda: client.get_flight_info(WHOLE, with_header(header)), "the token is wrong")
for header in [f"Bearer {TOKEN}", f"bearer {TOKEN}", basic(TOKEN), "handshake"]:
    if header == "handshake":
        name, value = client.authenticate_basic_token("anybody", TOKEN)
        options = flight.FlightCallOptions(headers=[(name, value)])
    else:
        options = with_header(header)
    info = client.get_flight_info(WHOLE, options)
    rows = [client.do_get(endpoint.ticket, options).read_all().num_rows for endpoint in info.endpoints]
    assert sum(rows) == info.total_records == 100_000
    closed(lambda: client.do_get(info.endpoints[0].ticket).read_all(), "a token is needed")
closed(lambda: client.authenticate_basic_token("anybody", "wrong"), "the token is wrong")

# A client that goes away in the middle leaves its place to the next.
options = with_header(f"Bearer {TOKEN}")
info = client.get_flight_info(LONG, options)
for _ in range(5):
    reader = client.do_get(info.endpoints[0].ticket, options)
    reader.read_chunk()
    reader.cancel()
rows = [client.do_get(endpoint.ticket, options).read_all().num_rows for endpoint in info.endpoints]
assert sum(rows) == info.total_records == 1_400_000
