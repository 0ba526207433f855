# Common tasks. `just` lists them. Without just, run the commands below a name.

default:
    @just --list

# Everything that has to pass, as on a fresh clone.
check:
    .ci/run

# All tests, or those whose name contains FILTER.
test FILTER="":
    cargo test --locked {{FILTER}}

# Format, then lint with warnings refused.
lint:
    cargo fmt --all
    cargo clippy --locked --workspace --all-targets -- -D warnings

# The tests that take minutes: long attacks by hostile clients, and an object whose transfer takes longer than the limit for a request.
hostile:
    cargo test --locked --test it -- --ignored

# Fuzzes the decoder of alerts, maps or pages with damaged input; needs a nightly Rust, cargo-fuzz and a C++ compiler.
fuzz TARGET *OPTIONS:
    cargo +nightly fuzz run --features libfuzzer {{TARGET}} {{OPTIONS}}

# Makes a synthetic survey and serves it.
demo:
    cargo run --locked -- demo

# The benches, compared with the last run on this machine. They use the dev profile, whose dependencies are already built.
bench:
    cargo bench --locked --profile dev --config profile.dev.opt-level=3

# Compares bulk reading over Flight with pyarrow and DuckDB, and measures lookups during long work; needs pyarrow, duckdb and adbc-driver-flightsql.
bench-bulk FOLDER="/tmp/diaflight-bulk":
    cargo build --locked --config profile.dev.opt-level=3
    python3 benches/bulk.py --program target/debug/diaflight --folder {{FOLDER}}
    python3 benches/latency.py --program target/debug/diaflight --warehouse {{FOLDER}}/survey-560000

# Measures what a night costs beside tables of several sizes, and sixty nights one after the other; writes benches/growth/results.json. Takes
# 10 GB and half an hour; less with `FOLDER --objects 5500,55000 --nights 10`. Beside 91 million sources, 40 GB:
# `FOLDER --objects 55000,550000,5500000 --nights 0 --unmerged 0 --files 0`.
bench-growth FOLDER="/tmp/diaflight-growth" *OPTIONS:
    cargo build --locked --config profile.dev.opt-level=3
    python3 -m venv {{FOLDER}}/python
    {{FOLDER}}/python/bin/pip install --quiet --requirement benches/growth/requirements.txt
    PATH={{FOLDER}}/python/bin:$PATH python benches/growth/run.py --program target/debug/diaflight --folder {{FOLDER}} {{OPTIONS}}
    {{FOLDER}}/python/bin/python benches/growth/report.py

# Measures how fast `live` reads a full topic, how soon an alert is served, and what that costs lookups; writes benches/live/results.json. Takes 10 GB
# of disk, 14 GB of memory and half an hour; less with `FOLDER --objects 20000 --alerts 8000 --burst 1000 --seconds 10`.
bench-live FOLDER="/tmp/diaflight-live" *OPTIONS:
    cargo build --locked --config profile.dev.opt-level=3
    python3 -m venv {{FOLDER}}/python
    {{FOLDER}}/python/bin/pip install --quiet --requirement benches/live/requirements.txt
    {{FOLDER}}/python/bin/python benches/live/run.py --program target/debug/diaflight --folder {{FOLDER}} {{OPTIONS}}
    {{FOLDER}}/python/bin/python benches/live/report.py

# Compares with PostgreSQL, DuckDB and a plain Parquet reader; writes BENCHMARKS.md. Takes 45 GB and an hour; less with `FOLDER --objects 20000`.
bench-peers FOLDER="/tmp/diaflight-peers" *OPTIONS:
    python3 -m venv {{FOLDER}}/python
    {{FOLDER}}/python/bin/pip install --quiet --requirement benches/peers/requirements.txt
    {{FOLDER}}/python/bin/python benches/peers/run.py --folder {{FOLDER}} {{OPTIONS}}
    {{FOLDER}}/python/bin/python benches/peers/report.py
