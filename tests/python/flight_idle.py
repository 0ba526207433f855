"""Clients that keep a channel open while the server ends it: flight_idle.py URL. Each asks, waits until its connection is gone, and asks again."""

import sys
import time
import urllib.request

import adbc_driver_flightsql.dbapi
import pyarrow.flight as flight

url = sys.argv[1]
address = url.replace("http://", "grpc://")


def connections():
    text = urllib.request.urlopen(url + "/metrics").read().decode()
    return int(text.split("\ndiaflight_connections ")[1].split()[0])


def gone():
    end = time.monotonic() + 60
    while connections() > 1:  # this one's own
        assert time.monotonic() < end, "the server keeps an idle connection"
        time.sleep(0.1)


client = flight.connect(address)
asked = flight.FlightDescriptor.for_command('{"endpoint": "objects", "limit": 5}')


def rows():
    info = client.get_flight_info(asked)
    return client.do_get(info.endpoints[0].ticket).read_all().num_rows


with adbc_driver_flightsql.dbapi.connect(address, autocommit=True) as connection, connection.cursor() as cursor:
    for _ in range(3):
        assert rows() == 5
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
        gone()
print("closed and asked again")
