//! Readers that share nothing with the encoders: serde_json, csv, quick-xml, and the readers of Parquet and Arrow.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use diaflight::encode::Format;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

use super::rows::Cell;

#[derive(Debug)]
pub struct Table {
    /// Names and types; the types asked for where the format has none. `None` where nothing names them.
    pub columns: Option<Vec<(String, DataType)>>,
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn of(schema: &SchemaRef, batches: &[RecordBatch]) -> Table {
        let rows = batches.iter().flat_map(|batch| {
            let row = |row| batch.columns().iter().map(|c| Cell::of(c, row)).collect();
            (0..batch.num_rows()).map(row).collect::<Vec<_>>()
        });
        Table { columns: Some(columns(schema)), rows: rows.collect() }
    }
}

fn columns(schema: &SchemaRef) -> Vec<(String, DataType)> {
    schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
}

pub fn decode(format: Format, body: &[u8], schema: &SchemaRef) -> Table {
    match format {
        Format::Json => json(std::str::from_utf8(body).unwrap(), schema),
        Format::Csv => csv(body, schema),
        Format::Votable => votable(std::str::from_utf8(body).unwrap()),
        Format::Parquet => parquet(body),
        Format::Arrow => arrow(body),
    }
}

/// A number or a word, as its column has it; numbers must have the fewest digits.
fn parse(text: &str, data_type: &DataType) -> Cell {
    let digits = |number: &str| {
        let mantissa = number.split(['e', 'E']).next().unwrap();
        mantissa.replace(['.', '-'], "").trim_matches('0').len()
    };
    let shortest = |least: String| assert!(digits(text) <= digits(&least), "{text}, not {least}");
    match data_type {
        DataType::Boolean => Cell::Boolean(text.to_lowercase().parse().unwrap()),
        DataType::Int32 => Cell::Integer(text.parse::<i32>().unwrap().into()),
        DataType::Int64 => Cell::Integer(text.parse().unwrap()),
        DataType::Float32 => {
            let value: f32 = text.parse().unwrap();
            if value.is_finite() {
                shortest(format!("{value:e}"));
            }
            Cell::float(value)
        }
        DataType::Float64 => {
            let value: f64 = text.parse().unwrap();
            if value.is_finite() {
                shortest(format!("{value:e}"));
            }
            Cell::double(value)
        }
        _ => Cell::Text(text.to_string()),
    }
}

fn json(body: &str, schema: &SchemaRef) -> Table {
    let rows: Vec<Map<String, Value>> = serde_json::from_str(body).unwrap();
    let mut numbers = json_numbers(body).into_iter();
    let row = |row: &Map<String, Value>| {
        assert!(row.keys().eq(schema.fields().iter().map(|f| f.name())), "{row:?}");
        let cell = |(value, field): (&Value, &arrow::datatypes::FieldRef)| match value {
            Value::Null => Cell::Null,
            Value::Number(_) => parse(numbers.next().unwrap(), field.data_type()),
            Value::Bool(value) => Cell::Boolean(*value),
            Value::String(text) => Cell::Text(text.clone()),
            other => panic!("{other}"),
        };
        row.values().zip(schema.fields()).map(cell).collect()
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    Table { columns: (!rows.is_empty()).then(|| columns(schema)), rows }
}

/// The numbers of a JSON document as they are written: serde_json may read a float one off.
fn json_numbers(body: &str) -> Vec<&str> {
    let (mut numbers, mut rest) = (Vec::new(), body);
    while let Some(start) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = &rest[start..];
        let end = match rest.strip_prefix('"') {
            Some(_) => {
                let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                strings.next().unwrap().unwrap();
                strings.byte_offset()
            }
            None => {
                let end = rest.find([',', '}']).unwrap();
                numbers.push(&rest[..end]);
                end
            }
        };
        rest = &rest[end..];
    }
    numbers
}

fn csv(body: &[u8], schema: &SchemaRef) -> Table {
    let mut reader = csv::Reader::from_reader(body);
    let names: Vec<_> = reader.headers().unwrap().iter().map(str::to_string).collect();
    let types: Vec<_> = schema.fields().iter().map(|f| f.data_type().clone()).collect();
    let row = |record: csv::StringRecord| {
        let cell = |(text, data_type): (&str, &DataType)| match (text, data_type) {
            ("", _) => Cell::Null,
            ("True" | "False", _) | (_, DataType::Utf8) => parse(text, data_type),
            (number, DataType::Boolean) => panic!("{number} is no boolean"),
            _ => parse(text, data_type),
        };
        record.iter().zip(&types).map(cell).collect()
    };
    let rows = reader.records().map(|record| row(record.unwrap())).collect();
    Table { columns: Some(names.into_iter().zip(types.clone()).collect()), rows }
}

fn votable(body: &str) -> Table {
    assert!(!body.contains('\r'), "a bare carriage return is read as a line feed");
    let mut reader = Reader::from_str(body);
    let (mut columns, mut ids, mut rows) = (Vec::new(), Vec::new(), Vec::<Vec<Cell>>::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == "FIELD" => {
                ids.push(attribute(&tag, "ID"));
                columns.push((attribute(&tag, "name"), votable_type(&attribute(&tag, "datatype"))));
            }
            Event::Start(tag) if tag.name().as_ref() == "TR" => rows.push(Vec::new()),
            Event::Empty(tag) if tag.name().as_ref() == "TD" => {
                rows.last_mut().unwrap().push(Cell::Null)
            }
            Event::Start(tag) if tag.name().as_ref() == "TD" => {
                let text = reader.read_text(tag.name()).unwrap();
                let row = rows.last_mut().unwrap();
                let data_type = &columns[row.len()].1;
                row.push(parse(&unescape(&text).unwrap(), data_type));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    ids.sort();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    Table { columns: Some(columns), rows }
}

fn attribute(tag: &BytesStart, name: &str) -> String {
    let attribute = tag.try_get_attribute(name).unwrap().unwrap();
    attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap().into_owned()
}

fn votable_type(datatype: &str) -> DataType {
    match datatype {
        "boolean" => DataType::Boolean,
        "int" => DataType::Int32,
        "long" => DataType::Int64,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "unicodeChar" => DataType::Utf8,
        other => panic!("{other}"),
    }
}

fn parquet(body: &[u8]) -> Table {
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::copy_from_slice(body)).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    Table::of(&schema, &batches)
}

fn arrow(body: &[u8]) -> Table {
    let reader = arrow::ipc::reader::StreamReader::try_new(body, None).unwrap();
    let schema = reader.schema();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    Table::of(&schema, &batches)
}
