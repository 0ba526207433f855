//! Alert packets to table rows. In: files or prefixes of Avro or Parquet alerts. Out: one commit
//! per table, and a [`Summary`].
