//! How a table's Parquet files are laid out: codec, row groups, pages, statistics.
