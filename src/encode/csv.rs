//! CSV as Python writes it: a header, `\n` after every line, quotes only where a cell could not be read
//! without them (`,`, `"`, `\n`, `\r`, or an empty cell alone in its line), `True` and `False`.
//! Null and NaN are empty, infinities `inf` and `-inf`; floats have the fewest digits that read back the same.

use std::io;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use csv::Writer;

use super::cells::{Cells, Spelling};
use super::{Encoder, FormatDefinition};
use crate::error::Result;

/// `output-format=csv`.
pub(super) const DEFINITION: FormatDefinition = FormatDefinition {
    name: "csv",
    content_type: "text/csv; charset=utf-8",
    extension: "csv",
    open: |schema, out| {
        let name = |name: &String| Cells::from_texts(vec![name.as_str()].into());
        let header: Vec<_> = schema.fields().iter().map(|field| name(field.name())).collect();
        write_lines(&header, 1, out)?;
        Ok(Box::new(Csv))
    },
};

struct Csv;

impl Encoder for Csv {
    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = rows.columns().iter().map(cells).collect::<Result<Vec<_>>>()?;
        Ok(write_lines(&columns, rows.num_rows(), out)?)
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

/// The cells of a column, in Python's words.
fn cells(column: &ArrayRef) -> Result<Cells> {
    let spelling: Spelling = match column.data_type() {
        DataType::Boolean => |word| if word == "true" { "True" } else { "False" },
        DataType::Float32 | DataType::Float64 => |number| if number == "NaN" { "" } else { number },
        _ => |text| text,
    };
    Cells::from_column(column, spelling)
}

fn write_lines(columns: &[Cells], rows: usize, out: &mut Vec<u8>) -> io::Result<()> {
    if columns.is_empty() {
        // For a line without cells the writer would write `""`, which is one empty cell.
        out.extend(std::iter::repeat_n(b'\n', rows));
        return Ok(());
    }
    let mut lines = Writer::from_writer(out);
    for row in 0..rows {
        for cells in columns {
            lines.write_field(cells.get(row))?;
        }
        lines.write_record(None::<&[u8]>)?;
    }
    lines.flush()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;

    use super::super::Format;
    use super::super::tests::{column, text, tricky};

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
