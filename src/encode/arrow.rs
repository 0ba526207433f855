//! An Arrow IPC stream: the schema with its metadata, then messages of a bounded number of values,
//! however large or small the batches were, then the end mark. No compression: HTTP has its own.

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use arrow::ipc::writer::StreamWriter;

use super::{Encoder, FormatDefinition};
use crate::error::Result;

/// Values in a message. A message has tens of bytes of its own for each column, which the values should
/// outweigh; a reader holds a whole one in memory.
const MESSAGE_VALUES: usize = 64 << 10;

/// `output-format=arrow`.
pub(super) const DEFINITION: FormatDefinition = FormatDefinition {
    name: "arrow",
    content_type: "application/vnd.apache.arrow.stream",
    extension: "arrows",
    open: |schema, out| {
        let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
        out.append(writer.get_mut());
        let message_rows = (MESSAGE_VALUES / schema.fields().len().max(1)).max(1);
        Ok(Box::new(Arrow { rows: BatchCoalescer::new(schema.clone(), message_rows), writer }))
    },
};

struct Arrow {
    rows: BatchCoalescer,
    writer: StreamWriter<Vec<u8>>,
}

impl Encoder for Arrow {
    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.rows.push_batch(rows.clone())?;
        self.messages(out)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.rows.finish_buffered_batch()?;
        self.messages(out)?;
        self.writer.finish()?;
        out.append(self.writer.get_mut());
        Ok(())
    }
}

impl Arrow {
    /// Writes the batches that are full.
    fn messages(&mut self, out: &mut Vec<u8>) -> Result<()> {
        while let Some(message) = self.rows.next_completed_batch() {
            self.writer.write(&message)?;
        }
        out.append(self.writer.get_mut());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::arrow::array::Int64Array;
    use ::arrow::ipc::reader::StreamReader;

    use super::super::Format;
    use super::super::tests::{column, document};
    use super::*;

    #[test]
    fn messages_are_bounded_and_full_whatever_the_batches() {
        let rows = 2 * MESSAGE_VALUES + 10;
        let values = Arc::new(Int64Array::from_iter_values(0..rows as i64));
        let whole = column("r:x", values, &[("unit", "d")]);
        let pieces: Vec<_> =
            (0..rows).step_by(100).map(|i| whole.slice(i, 100.min(rows - i))).collect();
        for batches in [pieces.as_slice(), std::slice::from_ref(&whole)] {
            let body = document(Format::Arrow, batches);
            let reader = StreamReader::try_new(body.as_slice(), None).unwrap();
            assert_eq!(reader.schema(), whole.schema());
            let lengths: Vec<_> = reader.map(|message| message.unwrap().num_rows()).collect();
            assert_eq!(lengths, [MESSAGE_VALUES, MESSAGE_VALUES, 10]);
        }
    }
}
