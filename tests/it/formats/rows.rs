//! Random rows over every column type, and cells that compare exactly.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::datatypes::{Schema, SchemaRef};
use diaflight::encode::Format;
use proptest::collection::{hash_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

#[derive(Debug)]
pub struct Rows {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
}

/// A value. Floats are kept as bits, so that -0.0 is not 0.0; all NaNs are one.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(u32),
    Double(u64),
    Text(String),
}

impl Cell {
    pub fn float(value: f32) -> Cell {
        Cell::Float(if value.is_nan() { f32::NAN } else { value }.to_bits())
    }

    pub fn double(value: f64) -> Cell {
        Cell::Double(if value.is_nan() { f64::NAN } else { value }.to_bits())
    }

    pub fn of(column: &dyn Array, row: usize) -> Cell {
        if column.is_null(row) {
            return Cell::Null;
        }
        match column.data_type() {
            DataType::Boolean => Cell::Boolean(column.as_boolean().value(row)),
            DataType::Int32 => Cell::Integer(column.as_primitive::<Int32Type>().value(row).into()),
            DataType::Int64 => Cell::Integer(column.as_primitive::<Int64Type>().value(row)),
            DataType::Float32 => Cell::float(column.as_primitive::<Float32Type>().value(row)),
            DataType::Float64 => Cell::double(column.as_primitive::<Float64Type>().value(row)),
            DataType::Utf8 => Cell::Text(column.as_string::<i32>().value(row).to_string()),
            other => panic!("{other} was not encoded"),
        }
    }

    /// What is left of the value in a format.
    pub fn in_format(&self, format: Format) -> Cell {
        let (is_nan, is_finite) = match *self {
            Cell::Float(bits) => (f32::from_bits(bits).is_nan(), f32::from_bits(bits).is_finite()),
            Cell::Double(bits) => (f64::from_bits(bits).is_nan(), f64::from_bits(bits).is_finite()),
            _ => (false, true),
        };
        let is_forbidden = |c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
        match (format, self) {
            (Format::Json, _) if !is_finite => Cell::Null,
            (Format::Csv | Format::Votable, _) if is_nan => Cell::Null,
            (Format::Csv | Format::Votable, Cell::Text(text)) if text.is_empty() => Cell::Null,
            (Format::Votable, Cell::Text(text)) => {
                Cell::Text(text.replace(is_forbidden, "\u{fffd}"))
            }
            _ => self.clone(),
        }
    }
}

/// One to six columns, up to sixty rows, in batches of any size.
pub fn arbitrary() -> impl Strategy<Value = Rows> {
    let names = hash_set("[rfv]:[a-zA-Z0-9_ :é😀\"'<&>,\n-]{1,8}", 1..7);
    (names, 0..60usize).prop_flat_map(|(names, rows)| {
        let columns: Vec<_> = names.into_iter().map(|name| column(name, rows)).collect();
        (columns, vec(0..=rows, 0..6)).prop_map(|(columns, cuts)| split(columns, cuts))
    })
}

fn split(columns: Vec<(Field, ArrayRef)>, mut cuts: Vec<usize>) -> Rows {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let schema = Arc::new(Schema::new(fields));
    let whole = RecordBatch::try_new(schema.clone(), arrays).unwrap();
    cuts.extend([0, whole.num_rows()]);
    cuts.sort();
    let batches = cuts.windows(2).map(|cut| whole.slice(cut[0], cut[1] - cut[0])).collect();
    Rows { schema, batches }
}

fn column(name: String, rows: usize) -> BoxedStrategy<(Field, ArrayRef)> {
    let booleans = cells(any::<bool>().boxed(), rows).prop_map(|v| array(BooleanArray::from(v)));
    let ints = cells(number(&[0, 1, -1, i32::MIN, i32::MAX]), rows);
    let longs = cells(number(&[0, 170094456272322680, i64::MIN, i64::MAX, 1 << 53 | 1]), rows);
    let floats = cells(number(&FLOATS), rows).prop_map(|v| array(Float32Array::from(v)));
    let doubles = cells(number(&DOUBLES), rows).prop_map(|v| array(Float64Array::from(v)));
    let strings = cells(text(), rows).prop_map(|v| array(StringArray::from(v)));
    Union::new([
        booleans.boxed(),
        ints.prop_map(|v| array(Int32Array::from(v))).boxed(),
        longs.prop_map(|v| array(Int64Array::from(v))).boxed(),
        floats.boxed(),
        doubles.boxed(),
        strings.boxed(),
    ])
    .prop_map(move |array| (Field::new(&name, array.data_type().clone(), true), array))
    .boxed()
}

fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

fn cells<T: std::fmt::Debug + 'static>(
    values: BoxedStrategy<T>,
    rows: usize,
) -> BoxedStrategy<Vec<Option<T>>> {
    vec(prop::option::weighted(0.8, values), rows).boxed()
}

const FLOATS: [f32; 11] = [
    0.0,
    -0.0,
    0.1,
    1e-45,
    1e20,
    16777216.0,
    f32::MIN_POSITIVE,
    f32::MAX,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
];
const DOUBLES: [f64; 14] = [
    0.0,
    -0.0,
    0.1,
    5e-324,
    1e20,
    1e21,
    1e-7,
    61105.093643486834,
    1480360995.0,
    f64::MIN_POSITIVE,
    f64::MAX,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];
/// One a word; the spaces at the ends of words count.
const TEXTS: &str = "|  a b |r|1|1e5|-0|nan|NaN|null|None|True|inf|\"|'|a,b|a\nb|\r\n|\r|\t|]]>|&<>&amp;|&#13;|\
    <TD/>|\\|\\n|\u{1}\u{7f}\0|é|😀|\u{2028}|\u{fffd}|\u{ffff}|=1+1|;|#";

/// proptest's own floats leave out NaN and infinities; the lists have them.
fn number<T>(special: &'static [T]) -> BoxedStrategy<T>
where
    T: Copy + std::fmt::Debug + Arbitrary + 'static,
{
    prop_oneof![select(special), any::<T>()].boxed()
}

fn text() -> BoxedStrategy<String> {
    let tricky: Vec<_> = TEXTS.split('|').map(str::to_string).collect();
    prop_oneof![select(tricky), ".{0,12}", any::<String>()].boxed()
}
