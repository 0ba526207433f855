"""Starts a PostgreSQL server for this run and loads the sources of a survey: in the order of our files (which suits it best), with a
B-tree on (diaObjectId, midpointMjdTai), all of it in PostgreSQL's cache. Gives the parameters to connect with."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow
import pyarrow.csv as csv
import pyarrow.parquet as parquet

import machine
from programs import server_folder

TYPES = {
    pyarrow.bool_(): "boolean",
    pyarrow.int32(): "integer",
    pyarrow.int64(): "bigint",
    pyarrow.float32(): "real",
    pyarrow.float64(): "double precision",
    pyarrow.string(): "text",
}
START_LIMIT_S = 30


class Cluster:
    def __enter__(self):
        # The server refuses to run as root.
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        self.programs = server_folder()
        # A socket's path is at most 107 bytes long, so not in the run's folder.
        self.folder = Path(tempfile.mkdtemp(prefix="peers-postgres-"))
        self.parameters = f"host={self.folder} user=postgres dbname=postgres"
        self.process = None
        try:
            if self.user:
                shutil.chown(self.folder, "postgres", "postgres")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        data = self.folder / "data"
        initdb = [self.programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self.user)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.folder,
            "shared_buffers": f"{machine.memory_bytes() * 45 // 100 // 2**20}MB",
            "maintenance_work_mem": "512MB",
            "max_wal_size": "8GB",
            # Loading need not survive a crash, and compiling a lookup would take longer than running it.
            "fsync": "off", "wal_level": "minimal", "max_wal_senders": "0", "jit": "off",
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        command = [self.programs / "postgres", "-D", data, *flags]
        log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self.user)
        ready = [self.programs / "pg_isready", "-q", "-h", self.folder]
        limit = time.monotonic() + START_LIMIT_S
        while subprocess.run(ready).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > limit:
                sys.exit(f"PostgreSQL did not start: {(self.folder / 'log').read_text()}")
            time.sleep(0.1)

    def __exit__(self, *_):
        if self.process:
            self.process.send_signal(signal.SIGINT)  # a fast shutdown
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def psql(self, *statements, **options):
        commands = [argument for statement in statements for argument in ("-c", statement)]
        command = [self.programs / "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.parameters, *commands]
        return subprocess.Popen(command, text=True, cwd=self.folder, **options)

    def asked(self, *statements):
        process = self.psql(*statements, stdout=subprocess.PIPE)
        said = process.communicate()[0]
        if process.returncode != 0:
            sys.exit("PostgreSQL refused a statement")
        return said.strip()

    def copied(self, before, copy, rows, *after):
        """What statements say, in one session with rows for a COPY among them."""
        process = self.psql(before, copy, *after, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        said = process.communicate(rows)[0]
        if process.returncode != 0:
            sys.exit("PostgreSQL refused a statement")
        return said.strip()

    def load_places(self, table):
        """The sources of a table of packets, in the order of the sky, with an index of q3c."""
        print(f"PostgreSQL loads {table.sources:,} places", file=sys.stderr)
        fields = parquet.read_schema(table.files[0]).field("diaSource").type
        columns = ", ".join(f'"{field.name}" {TYPES[field.type]}' for field in fields)
        copy = "COPY sources FROM STDIN (FORMAT csv)"
        loader = self.psql("CREATE EXTENSION q3c", f"CREATE TABLE sources ({columns})", copy, stdin=subprocess.PIPE)
        for batch in parquet.ParquetFile(table.files[0]).iter_batches(65_536, columns=["diaSource"]):
            rows = pyarrow.RecordBatch.from_struct_array(batch["diaSource"])
            csv.write_csv(rows, loader.stdin.buffer, csv.WriteOptions(include_header=False))
        loader.stdin.close()
        if loader.wait() != 0:
            sys.exit("PostgreSQL did not take the places")
        self.asked("CREATE INDEX by_place ON sources (q3c_ang2ipix(ra, dec))", "CLUSTER sources USING by_place")
        self.asked("VACUUM ANALYZE sources", "CREATE EXTENSION pg_prewarm")
        self.asked("SELECT pg_prewarm('sources') + pg_prewarm('by_place')")

    def load(self, survey):
        print(f"PostgreSQL loads {survey.sources:,} sources", file=sys.stderr)
        schema = parquet.read_schema(survey.files[0])
        columns = ", ".join(f'"{name}" {TYPES[schema.field(name).type]}' for name in survey.stored)
        # Frozen rows need no look at who wrote them.
        copy = "COPY sources FROM STDIN (FORMAT csv, FREEZE)"
        loader = self.psql("BEGIN", f"CREATE TABLE sources ({columns})", copy, "COMMIT", stdin=subprocess.PIPE)
        for file in survey.files:
            for batch in parquet.ParquetFile(file).iter_batches(65_536, columns=survey.stored):
                batch = batch.select(survey.stored)
                csv.write_csv(batch, loader.stdin.buffer, csv.WriteOptions(include_header=False))
        loader.stdin.close()
        if loader.wait() != 0:
            sys.exit("PostgreSQL did not take the sources")
        self.asked('CREATE INDEX by_object ON sources ("diaObjectId", "midpointMjdTai")')
        self.asked("VACUUM ANALYZE sources", "CREATE EXTENSION pg_prewarm")
        pages = self.asked("SELECT pg_prewarm('sources') + pg_prewarm('by_object')")
        room = self.asked("SELECT setting FROM pg_settings WHERE name = 'shared_buffers'")
        if int(pages) > int(room) * 0.95:
            sys.exit(f"PostgreSQL's cache has {room} pages, its table and index {pages}: lower --peers-up-to")
