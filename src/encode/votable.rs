//! VOTable 1.4 (IVOA recommendation of 2019-10-21) with its rows as TABLEDATA.
//!
//! TABLEDATA and not BINARY2: every VOTable client reads it, shells and browsers too; it is exact, since
//! floats have the fewest digits that read back the same and XML holds characters that the two bytes of
//! a binary `unicodeChar` do not; a null costs five bytes and not a whole value. An empty cell is null
//! in every type since VOTable 1.3, which is what null and NaN become. Strings are `unicodeChar`, whatever
//! the rows hold: `char` is ASCII. An empty string cannot be told from null; a control
//! character that XML forbids becomes U+FFFD. Units are VOUnits, as the schema has them. Times in TAI and positions refer to their
//! systems. Texts have the length of the longest where the answer is small enough to be known whole: FITS has no others.
//!
//! The `votable` crate is not used: its rows are those of a table it holds whole, and with its YAML, TOML
//! and older XML libraries it would serve for the few lines before them alone.

mod fields;
mod service;
mod systems;
mod text;

use std::io;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use quick_xml::Writer;

use self::fields::{datatype, field_ids, write_fields};
use self::systems::{SYSTEMS, System, system};
use self::text::{escaped, xml_characters};
use super::cells::Cells;
use super::{Encoder, FormatDefinition};
use crate::error::Result;
use crate::schema::{Family, KEY, OVERFLOW, SERVER};

/// `output-format=votable`.
pub(super) const DEFINITION: FormatDefinition = FormatDefinition {
    name: "votable",
    content_type: "application/x-votable+xml",
    extension: "vot",
    open: |schema, _| {
        let (lengths, held) = (vec![1; schema.fields().len()], Some(Vec::new()));
        Ok(Box::new(Votable { schema: schema.clone(), lengths, held }))
    },
};

/// Bytes of rows, as text, that wait until the lengths of texts are known.
const HELD_BYTES: usize = 4 << 20;

/// Every later version 1.x has the namespace of 1.3.
const PROLOGUE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
"#;
const HEAD: &str = r#"<RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/>
"#;

struct Votable {
    schema: SchemaRef,
    /// The length of each column's longest text, in UTF-16 as `unicodeChar` counts.
    lengths: Vec<usize>,
    /// Rows that wait; `None` once the beginning of the document is written.
    held: Option<Vec<u8>>,
}

impl Encoder for Votable {
    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let Some(held) = &mut self.held else { return write_rows(rows, out) };
        write_rows(rows, held)?;
        for (length, column) in self.lengths.iter_mut().zip(rows.columns()) {
            *length = longest(column).max(*length);
        }
        if held.len() > HELD_BYTES { self.begin(false, out) } else { Ok(()) }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.begin(true, out)?;
        if !self.schema.fields().is_empty() {
            out.extend_from_slice(b"</TABLEDATA></DATA>\n");
        }
        out.extend_from_slice(b"</TABLE>\n");
        // DALI has the status again after a table that lacks rows.
        if self.schema.metadata().contains_key(OVERFLOW) {
            out.extend_from_slice(b"<INFO name=\"QUERY_STATUS\" value=\"OVERFLOW\"/>\n");
        }
        out.extend_from_slice(b"</RESOURCE>\n");
        if let Some(address) = self.schema.metadata().get(SERVER) {
            write_services(&self.schema, address, &mut Writer::new(&mut *out))?;
        }
        out.extend_from_slice(b"</VOTABLE>\n");
        Ok(())
    }
}

/// A document that says what is wrong, as DALI and Simple Cone Search have it.
pub fn error_document(text: &str) -> Result<Vec<u8>> {
    let mut document = PROLOGUE.as_bytes().to_vec();
    let text = xml_characters(text);
    let error = [("ID", "Error"), ("name", "Error"), ("value", text.as_ref())];
    Writer::new(&mut document).create_element("INFO").with_attributes(error).write_empty()?;
    document.extend_from_slice(b"\n</VOTABLE>\n");
    Ok(document)
}

impl Votable {
    /// Writes the beginning of the document, if that is not done yet, and the rows that waited.
    fn begin(&mut self, is_whole: bool, out: &mut Vec<u8>) -> Result<()> {
        let Some(held) = self.held.take() else { return Ok(()) };
        out.extend_from_slice([PROLOGUE, HEAD].concat().as_bytes());
        let lengths = is_whole.then_some(self.lengths.as_slice());
        write_about(&self.schema, &mut Writer::new(&mut *out))?;
        write_fields(&self.schema, lengths, out)?;
        // Without columns there is no DATA: an empty element would not be valid.
        if !self.schema.fields().is_empty() {
            out.extend_from_slice(b"<DATA><TABLEDATA>\n");
            out.extend_from_slice(&held);
        }
        Ok(())
    }
}

fn longest(column: &ArrayRef) -> usize {
    let texts = column.as_string_opt::<i32>().into_iter().flatten().flatten();
    texts.map(|text| text.encode_utf16().count()).max().unwrap_or_default()
}

fn write_rows(rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    let columns = rows.columns().iter().map(cells).collect::<Result<Vec<_>>>()?;
    for row in 0..rows.num_rows() {
        out.extend_from_slice(b"<TR>");
        for cells in &columns {
            match cells.get(row) {
                "" => out.extend_from_slice(b"<TD/>"),
                cell => {
                    out.extend_from_slice(b"<TD>");
                    out.extend_from_slice(cell.as_bytes());
                    out.extend_from_slice(b"</TD>");
                }
            }
        }
        out.extend_from_slice(b"</TR>\n");
    }
    Ok(())
}

/// The cells of a column, as XML text.
fn cells(column: &ArrayRef) -> Result<Cells> {
    match column.data_type() {
        DataType::Utf8 => {
            let texts = column.as_string::<i32>().iter();
            Ok(Cells::from_texts(texts.map(|text| text.map(escaped)).collect()))
        }
        DataType::Float32 | DataType::Float64 => Cells::from_column(column, float),
        _ => Cells::from_column(column, |text| text),
    }
}

/// Floats as VOTable spells them.
fn float(number: &str) -> &str {
    match number {
        "NaN" => "",
        "inf" => "+Inf",
        "-inf" => "-Inf",
        number => number,
    }
}

/// Writes the snapshot that the answer is from, and the coordinate systems of its columns.
fn write_about(schema: &Schema, writer: &mut Writer<&mut Vec<u8>>) -> Result<()> {
    let about = schema.metadata().iter().filter(|(key, _)| *key != SERVER);
    let mut about: Vec<_> = about.collect();
    about.sort();
    for (key, value) in about {
        let [name, value] = [key, value].map(|text| xml_characters(text));
        let info = [("name", name.as_ref()), ("value", value.as_ref())];
        writer.create_element("INFO").with_attributes(info).write_empty()?;
        writer.get_mut().push(b'\n');
    }
    let used = |of: &&System| schema.fields().iter().any(|field| system(field) == Some(of.id));
    for System { element, attributes, .. } in SYSTEMS.iter().filter(used) {
        writer
            .create_element(*element)
            .with_attributes(attributes.iter().copied())
            .write_empty()?;
        writer.get_mut().push(b'\n');
    }
    writer.get_mut().extend_from_slice(b"<TABLE>\n");
    Ok(())
}

/// Writes what the server can be asked of the objects in the rows, if they are named there.
fn write_services(
    schema: &Schema,
    address: &str,
    writer: &mut Writer<&mut Vec<u8>>,
) -> io::Result<()> {
    let key = format!("{}:{KEY}", Family::Rubin.prefix());
    let ids = field_ids(schema);
    match schema.column_with_name(&key) {
        Some((place, field)) => service::write(address, &ids[place], datatype(field), writer),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
