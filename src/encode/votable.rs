//! VOTable 1.4 (IVOA recommendation of 2019-10-21) with its rows as TABLEDATA.
//!
//! TABLEDATA and not BINARY2: every VOTable client reads it, shells and browsers too; it is exact, since
//! floats have the fewest digits that read back the same and XML holds characters that the two bytes of
//! a binary `unicodeChar` do not; a null costs five bytes and not a whole value. An empty cell is null
//! in every type since VOTable 1.3, which is what null and NaN become. Strings are `unicodeChar`, whatever
//! the rows hold: `char` is ASCII. An empty string cannot be told from null; a control
//! character that XML forbids becomes U+FFFD. Units are VOUnits, as the schema has them.
//!
//! The `votable` crate is not used: its rows are those of a table it holds whole, and with its YAML, TOML
//! and older XML libraries it would serve for the few lines before them alone.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use quick_xml::Writer;
use quick_xml::escape::partial_escape;
use quick_xml::events::BytesText;

use super::cells::Cells;
use super::{Definition, Encoder};
use crate::error::Result;
use crate::schema::{DESCRIPTION, UCD, UNIT};

pub(super) const DEFINITION: Definition = Definition {
    name: "votable",
    content_type: "application/x-votable+xml",
    extension: "vot",
    open: |schema, out| {
        out.extend_from_slice(HEAD.as_bytes());
        write_fields(schema, out)?;
        out.extend_from_slice(b"<DATA><TABLEDATA>\n");
        Ok(Box::new(Votable))
    },
};

/// The namespace is that of 1.3 in every later 1.x.
const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/>
<TABLE>
"#;

struct Votable;

impl Encoder for Votable {
    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
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

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(b"</TABLEDATA></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n");
        Ok(())
    }
}

/// The cells of a column, as XML text.
fn cells(column: &ArrayRef) -> Result<Cells> {
    let text = cast(column, &DataType::Utf8)?.as_string::<i32>().clone();
    Ok(match column.data_type() {
        DataType::Utf8 => {
            Cells::new(text.iter().map(|cell| cell.map(escaped)).collect(), |text| text)
        }
        DataType::Float32 | DataType::Float64 => Cells::new(text, float),
        _ => Cells::new(text, |word| word),
    })
}

/// The standard's words for what is not a number.
fn float(number: &str) -> &str {
    match number {
        "NaN" => "",
        "inf" => "+Inf",
        "-inf" => "-Inf",
        number => number,
    }
}

fn escaped(text: &str) -> Cow<'_, str> {
    match xml_characters(text) {
        Cow::Borrowed(text) => partial_escape(text),
        Cow::Owned(text) => Cow::Owned(partial_escape(&text).into_owned()),
    }
}

/// The text without what XML 1.0 has no spelling for, escaped or not.
fn xml_characters(text: &str) -> Cow<'_, str> {
    let is_forbidden = |c: char| match c {
        '\t' | '\n' | '\r' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        c => c < ' ',
    };
    match text.contains(is_forbidden) {
        true => Cow::Owned(text.replace(is_forbidden, "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}

fn write_fields(schema: &Schema, out: &mut Vec<u8>) -> Result<()> {
    let mut writer = Writer::new(out);
    let mut ids = HashSet::new();
    for field in schema.fields() {
        write_field(field, &unique_id(field.name(), &mut ids), &mut writer)?;
        writer.get_mut().push(b'\n');
    }
    Ok(())
}

fn write_field(field: &Field, id: &str, writer: &mut Writer<&mut Vec<u8>>) -> io::Result<()> {
    let (datatype, arraysize) = match field.data_type() {
        DataType::Boolean => ("boolean", None),
        DataType::Int32 => ("int", None),
        DataType::Int64 => ("long", None),
        DataType::Float32 => ("float", None),
        DataType::Float64 => ("double", None),
        _ => ("unicodeChar", Some("*")),
    };
    let about = |key| field.metadata().get(key).map(|value| xml_characters(value));
    let name = xml_characters(field.name());
    let (unit, ucd) = (about(UNIT), about(UCD));
    let attributes = [
        ("ID", Some(id)),
        ("name", Some(name.as_ref())),
        ("datatype", Some(datatype)),
        ("arraysize", arraysize),
        ("unit", unit.as_deref()),
        ("ucd", ucd.as_deref()),
    ];
    let known = attributes
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.filter(|v| !v.is_empty())?)));
    let element = writer.create_element("FIELD").with_attributes(known);
    match about(DESCRIPTION) {
        Some(description) => element.write_inner_content(|writer| {
            writer
                .create_element("DESCRIPTION")
                .write_text_content(BytesText::new(&description))?;
            Ok(())
        })?,
        None => element.write_empty()?,
    };
    Ok(())
}

/// An XML ID like the name: `r_psfFlux` for `r:psfFlux`; numbered where another column has it already.
fn unique_id(name: &str, taken: &mut HashSet<String>) -> String {
    let is_in_ids = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let mut stem = name.replace(|c: char| !is_in_ids(c), "_");
    if !stem.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        stem.insert(0, '_');
    }
    let mut id = stem.clone();
    let mut number = 2;
    while !taken.insert(id.clone()) {
        id = format!("{stem}_{number}");
        number += 1;
    }
    id
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::tests::{column, text, tricky};
    use super::*;

    #[test]
    fn cells_are_words_of_the_standard_and_nulls_are_empty() {
        let rows = "<TR><TD>true</TD><TD>-2147483648</TD><TD>-9223372036854775808</TD><TD>0.1</TD><TD/>\
            <TD>a,\"b\"\n</TD></TR>\n\
            <TR><TD/><TD/><TD/><TD/><TD/><TD/></TR>\n\
            <TR><TD>false</TD><TD>0</TD><TD>0</TD><TD>+Inf</TD><TD>-0.0</TD><TD/></TR>\n\
            <TR><TD/><TD>2147483647</TD><TD>9223372036854775807</TD><TD>-Inf</TD><TD>5e-324</TD>\
            <TD> ]]&gt;&amp;&lt;é😀\t&#13;\u{fffd} </TD></TR>\n";
        let document = text(Format::Votable, &[tricky()]);
        assert!(document.contains(&format!("<TABLEDATA>\n{rows}</TABLEDATA>")), "{document}");
    }

    #[test]
    fn fields_carry_what_is_known_of_their_columns() {
        let about = [(UNIT, "nJy"), (UCD, "phot.flux"), (DESCRIPTION, "Flux < 5 σ & \"more\"")];
        let values = std::sync::Arc::new(arrow::array::Float32Array::new_null(0));
        let document = text(Format::Votable, &[column("r:psfFlux", values, &about)]);
        let field = "<FIELD ID=\"r_psfFlux\" name=\"r:psfFlux\" datatype=\"float\" unit=\"nJy\" ucd=\"phot.flux\">\
            <DESCRIPTION>Flux &lt; 5 σ &amp; &quot;more&quot;</DESCRIPTION></FIELD>";
        assert!(document.contains(field), "{document}");
    }

    #[test]
    fn ids_are_unique_whatever_the_names() {
        let mut taken = HashSet::new();
        let mut id = |name| unique_id(name, &mut taken);
        assert_eq!(id("r:a"), "r_a");
        assert_eq!(id("r_a"), "r_a_2");
        assert_eq!(id("r_a_2"), "r_a_2_2");
        assert_eq!(id("r a"), "r_a_3");
        assert_eq!(id("1é"), "_1_");
        assert_eq!(id(""), "_");
        assert_eq!(id("f:x-1.5"), "f_x-1.5");
    }
}
