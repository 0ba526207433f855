# The tasks people run. `just` lists them; without just, run the line below a name.

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

# The tests that take minutes: the long attacks, and an object that takes longer to arrive than a request may.
hostile:
    cargo test --locked --test it -- --ignored

# Feeds damaged alerts or pages to what decodes them until something breaks; needs a nightly Rust, cargo-fuzz and a C++ compiler.
fuzz TARGET *OPTIONS:
    cargo +nightly fuzz run --features libfuzzer {{TARGET}} {{OPTIONS}}

# A server on a survey it makes itself.
demo:
    cargo run --locked -- demo

# The benches, compared with the last run on this machine; the dev profile has the built dependencies.
bench:
    cargo bench --locked --profile dev --config profile.dev.opt-level=3

# Bulk reading over Flight beside pyarrow and DuckDB, and lookups beside long work; needs pyarrow, duckdb and adbc-driver-flightsql.
bench-bulk FOLDER="/tmp/diaflight-bulk":
    cargo build --locked --config profile.dev.opt-level=3
    python3 benches/bulk.py --program target/debug/diaflight --folder {{FOLDER}}
    python3 benches/latency.py --program target/debug/diaflight --warehouse {{FOLDER}}/survey-560000

# Beside PostgreSQL, DuckDB and a bare Parquet reader; writes BENCHMARKS.md. 45 GB and an hour; less with `FOLDER --objects 20000`.
bench-peers FOLDER="/tmp/diaflight-peers" *OPTIONS:
    python3 -m venv {{FOLDER}}/python
    {{FOLDER}}/python/bin/pip install --quiet --requirement benches/peers/requirements.txt
    {{FOLDER}}/python/bin/python benches/peers/run.py --folder {{FOLDER}} {{OPTIONS}}
    {{FOLDER}}/python/bin/python benches/peers/report.py
