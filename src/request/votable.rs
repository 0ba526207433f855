//! Reads two columns of a VOTable that a client sends: those of its first table, which has to have its rows as TABLEDATA.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::error::{Error, Result};

/// What has been read so far.
#[derive(Default)]
struct TableRows {
    fields: Vec<String>,
    /// The wanted columns, once the rows have begun.
    wanted: Option<[usize; 2]>,
    /// The cells of the row that is read, and the text of the cell.
    cells: Vec<String>,
    cell: Option<String>,
}

/// Takes the two `columns` of each row, which are chosen by the names of all.
pub(super) fn rows(
    document: &[u8],
    columns: impl Fn(&[&str]) -> Result<[usize; 2]>,
    mut take: impl FnMut([&str; 2]) -> Result<()>,
) -> Result<()> {
    let text = std::str::from_utf8(document);
    let text = text.map_err(|error| wrong(&format!("is not UTF-8: {error}")))?;
    let (mut reader, mut table) = (Reader::from_str(text), TableRows::default());
    loop {
        let event = reader.read_event();
        match event.map_err(|error| wrong(&format!("cannot be read: {error}")))? {
            Event::Start(tag) => match tag.local_name().as_ref() {
                "FIELD" => table.fields.push(name_of(&tag)),
                "TABLEDATA" => {
                    let names: Vec<_> = table.fields.iter().map(String::as_str).collect();
                    table.wanted = Some(columns(&names)?);
                }
                "BINARY" | "BINARY2" | "FITS" => {
                    return Err(wrong(
                        "has its rows as BINARY, BINARY2 or FITS: send it as TABLEDATA",
                    ));
                }
                "TR" => table.cells.clear(),
                "TD" => table.cell = Some(String::new()),
                _ => {}
            },
            Event::Empty(tag) => match tag.local_name().as_ref() {
                "FIELD" => table.fields.push(name_of(&tag)),
                "TD" => table.cells.push(String::new()),
                _ => {}
            },
            Event::Text(more) => table.add(&more),
            Event::CData(more) => table.add(&more),
            // No number has one.
            Event::GeneralRef(_) => table.add("&"),
            Event::End(tag) => match (tag.local_name().as_ref(), table.wanted) {
                ("TD", _) => {
                    let cell = table.cell.take().unwrap_or_default();
                    table.cells.push(cell);
                }
                ("TR", Some(wanted)) => {
                    take(wanted.map(|at| table.cells.get(at).map_or("", String::as_str)))?;
                }
                ("TABLE", Some(_)) => return Ok(()),
                _ => {}
            },
            Event::Eof => return Err(wrong("has no TABLEDATA that ends")),
            _ => {}
        }
    }
}

impl TableRows {
    fn add(&mut self, more: &str) {
        if let Some(cell) = &mut self.cell {
            cell.push_str(more);
        }
    }
}

fn name_of(field: &BytesStart<'_>) -> String {
    // To look for attributes that are there twice takes the square of their number.
    let name = field
        .attributes()
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.as_ref() == "name");
    name.map(|name| name.value.into_owned()).unwrap_or_default()
}

fn wrong(why: &str) -> Error {
    Error::argument(format!("places: the VOTable {why}"))
}
