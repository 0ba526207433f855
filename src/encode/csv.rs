//! CSV as Python writes it: a header, `\n` after every line, quotes only where a cell could not be read
//! without them (`,`, `"`, `\n`, `\r`, or an empty cell alone in its line), `True` and `False`.
//! Null and NaN are empty, infinities `inf` and `-inf`; floats have the fewest digits that read back the same.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::csv::WriterBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::{Definition, Encoder};
use crate::error::Result;

pub(super) const DEFINITION: Definition = Definition {
    name: "csv",
    content_type: "text/csv; charset=utf-8",
    extension: "csv",
    open: |schema, out| {
        let fields = schema.fields().iter().map(|f| Field::new(f.name(), DataType::Utf8, true));
        let csv = Csv { schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())) };
        csv.lines(&RecordBatch::new_empty(csv.schema.clone()), true, out)?;
        Ok(Box::new(csv))
    },
};

struct Csv {
    /// The columns as text.
    schema: SchemaRef,
}

impl Encoder for Csv {
    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let cells = rows.columns().iter().map(cells).collect::<Result<Vec<_>>>()?;
        if cells.is_empty() {
            out.extend(std::iter::repeat_n(b'\n', rows.num_rows()));
            return Ok(());
        }
        self.lines(&RecordBatch::try_new(self.schema.clone(), cells)?, false, out)
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

impl Csv {
    fn lines(&self, cells: &RecordBatch, header: bool, out: &mut Vec<u8>) -> Result<()> {
        if self.schema.fields().is_empty() {
            // The writer would make `""` of it, one cell and not none.
            out.push(b'\n');
            return Ok(());
        }
        Ok(WriterBuilder::new().with_header(header).build(out).write(cells)?)
    }
}

/// A column as text, null where a cell is empty.
fn cells(column: &ArrayRef) -> Result<ArrayRef> {
    let text = cast(column, &DataType::Utf8)?;
    let cells = text.as_string::<i32>().iter();
    Ok(match column.data_type() {
        DataType::Boolean => {
            let words =
                cells.map(|cell| cell.map(|word| if word == "true" { "True" } else { "False" }));
            Arc::new(words.collect::<StringArray>())
        }
        DataType::Float32 | DataType::Float64 => {
            let numbers = cells.map(|cell| cell.filter(|number| *number != "NaN"));
            Arc::new(numbers.collect::<StringArray>())
        }
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::tests::{column, text, tricky};
    use super::*;

    #[test]
    fn cells_are_as_python_writes_and_reads_them() {
        let lines = "r:flag,r:int,r:long,r:float,r:double,f:text\n\
            True,-2147483648,-9223372036854775808,0.1,,\"a,\"\"b\"\"\n\"\n\
            ,,,,,\n\
            False,0,0,inf,-0.0,\n\
            ,2147483647,9223372036854775807,-inf,5e-324,\" ]]>&<é😀\t\r\u{1} \"\n";
        let batch = tricky();
        assert_eq!(text(Format::Csv, std::slice::from_ref(&batch)), lines);
        assert_eq!(text(Format::Csv, &[batch.slice(0, 2), batch.slice(2, 2)]), lines);
        assert_eq!(
            text(Format::Csv, &[batch.slice(0, 0)]),
            lines.split_inclusive('\n').next().unwrap()
        );
    }

    #[test]
    fn a_null_alone_in_its_line_is_quoted_lest_readers_skip_it() {
        let values = Arc::new(StringArray::from(vec![Some("a"), None, Some("b c"), Some("'")]));
        assert_eq!(text(Format::Csv, &[column("r:x", values, &[])]), "r:x\na\n\"\"\nb c\n'\n");
    }
}
