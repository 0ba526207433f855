//! The fields of a VOTable: what its columns are.

use std::collections::HashSet;
use std::io;

use arrow::datatypes::{DataType, Field, Schema};
use quick_xml::Writer;
use quick_xml::events::BytesText;

use super::systems::{SYSTEMS, system};
use super::text::xml_characters;
use crate::error::Result;
use crate::schema::{ASCII, DESCRIPTION, UCD, UNIT};

/// The XML IDs of the fields.
pub(super) fn field_ids(schema: &Schema) -> Vec<String> {
    let mut taken = SYSTEMS.iter().map(|system| system.id.to_string()).collect();
    schema.fields().iter().map(|field| unique_id(field.name(), &mut taken)).collect()
}

/// Writes the fields. `lengths` has the length of the longest text of each column, if all are known.
pub(super) fn write_fields(
    schema: &Schema,
    lengths: Option<&[usize]>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let mut writer = Writer::new(out);
    for (i, (field, id)) in schema.fields().iter().zip(field_ids(schema)).enumerate() {
        let longest = lengths.map_or("*".to_string(), |lengths| format!("{}*", lengths[i]));
        write_field(field, &longest, &id, &mut writer)?;
        writer.get_mut().push(b'\n');
    }
    Ok(())
}

/// The type of a column in VOTables.
pub(super) fn datatype(field: &Field) -> &'static str {
    match field.data_type() {
        DataType::Boolean => "boolean",
        DataType::Int32 => "int",
        DataType::Int64 => "long",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        _ if field.metadata().contains_key(ASCII) => "char",
        _ => "unicodeChar",
    }
}

fn write_field(
    field: &Field,
    longest: &str,
    id: &str,
    writer: &mut Writer<&mut Vec<u8>>,
) -> io::Result<()> {
    let datatype = datatype(field);
    let arraysize = ["char", "unicodeChar"].contains(&datatype).then_some(longest);
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
        ("ref", system(field)),
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
    use super::*;

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
