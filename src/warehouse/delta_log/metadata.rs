//! What the metadata of a table say besides its schema.

use deltalake_core::kernel::Metadata;
use twox_hash::XxHash3_64;

/// The property, and its value, of a table that was created by `generate` and so holds made-up rows. It stays in the table's metadata
/// even when the log entries are cleaned away.
pub(super) const SYNTHETIC: (&str, &str) = ("diaflight.synthetic", "true");

/// A hash of the id of a table.
pub(super) fn id_of(metadata: &Metadata) -> u64 {
    XxHash3_64::oneshot(metadata.id().as_bytes())
}

/// Whether the table holds made-up rows.
pub(super) fn is_synthetic(metadata: &Metadata) -> bool {
    let value = metadata.configuration().get(SYNTHETIC.0);
    value.is_some_and(|value| value == SYNTHETIC.1)
}

/// Whether metadata differ from those before only in properties that do not change what is read.
pub(super) fn read_alike(before: &Metadata, after: &Metadata) -> bool {
    let of = |metadata: &Metadata| {
        let partitions = metadata.partition_columns().to_vec();
        (id_of(metadata), metadata.parse_schema().ok(), partitions, is_synthetic(metadata))
    };
    of(before) == of(after)
}
