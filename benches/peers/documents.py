"""Reads a light curve from each output format: the rows of an answer, and the sums by which answers are compared."""

import io
import json
import xml.etree.ElementTree as xml

import pyarrow
import pyarrow.csv as csv
import pyarrow.ipc as ipc
import pyarrow.parquet as parquet

from readers import checksum

TYPES = {"midpointMjdTai": pyarrow.float64(), "band": pyarrow.string(), "psfFlux": pyarrow.float32(), "psfFluxErr": pyarrow.float32()}
READERS = {
    "json": lambda body: of_rows(json.loads(body)),
    "csv": lambda body: csv.read_csv(io.BytesIO(body)),
    "votable": lambda body: of_votable(xml.fromstring(body)),
    "parquet": lambda body: parquet.read_table(io.BytesIO(body)),
    "arrow": lambda body: ipc.open_stream(body).read_all(),
}


def summed(name, body):
    table = READERS[name](body)
    table = table.rename_columns([column.split(":")[-1] for column in table.column_names])
    table = table.cast(pyarrow.schema([(column, TYPES[column]) for column in table.column_names]))
    values = sum(len(column) - column.null_count for column in table.columns)
    return {"rows": table.num_rows, "values": values, "checksum": checksum(table)}


def of_rows(rows):
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return pyarrow.table({name: pyarrow.array(values, TYPES[name.split(":")[-1]]) for name, values in columns.items()})


def of_votable(root):
    local = lambda element: element.tag.split("}")[-1]
    names = [element.get("name") for element in root.iter() if local(element) == "FIELD"]
    rows = [[cell.text for cell in element] for element in root.iter() if local(element) == "TR"]
    read = lambda name: str if TYPES[name.split(":")[-1]] == pyarrow.string() else float
    return of_rows([{name: None if cell is None else read(name)(cell) for name, cell in zip(names, row)} for row in rows])
