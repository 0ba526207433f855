//! Computes from the writer's schema, before any record is decoded, how much memory a few bytes of Avro can take. The result is the most
//! bytes that one packet may have in the file, or a refusal that names the field.
//!
//! Avro's decoders believe the file: an array of 2^31 items that take no bytes is 6 bytes long, a null record costs a byte in the
//! file and a place in each of its columns in memory, and ten types of ten fields of the next are 10^10 fields. So the
//! number of types, their depth, and what memory a byte of the file may cost are computed here and bounded. A named
//! type is measured once, where it is defined, so the time is that of reading the schema.

use std::collections::HashMap;

use serde_json::Value;

use super::sections;
use crate::error::{Error, Result};

/// The most types in a schema. A named type counts wherever it is used. Rubin's schema has about 700.
const MAX_TYPES: u64 = 1 << 14;
/// How deeply types may be nested. Rubin's are 5 deep.
const MAX_DEPTH: u64 = 64;
/// The most bytes of a packet in the file. Rubin's have up to about 2 MB.
const MAX_PACKET_BYTES: u64 = 16 << 20;
/// The most bytes of a packet in memory.
const MAX_DECODED_BYTES: u64 = 256 << 20;

/// The sizes of the values of a type.
#[derive(Clone, Copy, Default)]
struct TypeExtent {
    /// The fewest bytes of a value in the file.
    least: u64,
    /// The bytes in memory of a value with empty texts and arrays. A null takes as many.
    width: u64,
    /// For the arrays in it, the most bytes in memory for one byte in the file.
    ratio: u64,
    types: u64,
    depth: u64,
}

/// Checks a schema whose names are split from their namespaces. Returns the most bytes that a packet may have, which follow from its stored
/// sections, and how many a packet takes in memory at least.
pub(crate) fn packet_bytes(schema: &Value, history: bool) -> Result<(u64, u64)> {
    let mut names = Names(HashMap::new());
    let (mut stored, mut all) = (TypeExtent::default(), TypeExtent::default());
    let namespace = text(schema, "namespace");
    for field in schema["fields"].as_array().into_iter().flatten() {
        let name = text(field, "name");
        let extent = names.extent(&field["type"], namespace, name)?;
        all = all.and(extent, name)?.bounded(name)?;
        if sections::is_stored(name, history) {
            stored = stored.and(extent, name)?;
        }
    }
    if all.least == 0 {
        return Err(Error::input("the Avro schema has packets that take no bytes"));
    }
    if stored.width > MAX_PACKET_BYTES {
        let (width, most) = (stored.width, MAX_PACKET_BYTES);
        return Err(Error::input(format!(
            "every packet of this Avro schema would take {width} bytes; the limit is {most}"
        )));
    }
    Ok((MAX_PACKET_BYTES.min(MAX_DECODED_BYTES / stored.ratio.max(1)), stored.width))
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema[key].as_str().unwrap_or_default()
}

/// The named types so far; `None` while one is being defined.
struct Names(HashMap<(String, String), Option<TypeExtent>>);

impl Names {
    /// The extent of a type in `namespace`; errors name it by `place`.
    fn extent(&mut self, schema: &Value, namespace: &str, place: &str) -> Result<TypeExtent> {
        let extent = match schema {
            Value::String(name) => self.of_name(name, namespace, place)?,
            Value::Array(branches) => self.of_union(branches, namespace, place)?,
            Value::Object(_) => self.of_object(schema, namespace, place)?,
            other => return Err(wrong(place, &format!("{other} in place of a type"))),
        };
        extent.bounded(place)
    }

    fn of_name(&self, name: &str, namespace: &str, place: &str) -> Result<TypeExtent> {
        let (least, width) = match name {
            "null" => (0, 0),
            "boolean" => (1, 1),
            "int" => (1, 4),
            "long" => (1, 8),
            "float" => (4, 4),
            "double" => (8, 8),
            "bytes" | "string" => (1, 4),
            _ => {
                let (namespace, name) = name.rsplit_once('.').unwrap_or((namespace, name));
                return match self.0.get(&(namespace.to_string(), name.to_string())) {
                    Some(Some(extent)) => Ok(*extent),
                    Some(None) => {
                        Err(wrong(place, &format!("a record {name} that contains itself")))
                    }
                    None => Err(wrong(place, &format!("the unknown type {name}"))),
                };
            }
        };
        Ok(TypeExtent { least, width, types: 1, depth: 1, ratio: 0 })
    }

    fn of_union(&mut self, branches: &[Value], namespace: &str, place: &str) -> Result<TypeExtent> {
        let (mut union, mut least, mut width) = (TypeExtent::default(), u64::MAX, 0);
        for branch in branches {
            let extent = self.extent(branch, namespace, place)?;
            least = least.min(extent.least);
            width = width.max(extent.width);
            union = union.and(extent, place)?;
        }
        let least = if branches.is_empty() { 1 } else { 1 + least };
        // Each value also has one byte for its branch and four for its place in that branch.
        Ok(TypeExtent { least, width: 5 + width, ..union.deeper() })
    }

    fn of_object(&mut self, schema: &Value, namespace: &str, place: &str) -> Result<TypeExtent> {
        let kind = match &schema["type"] {
            Value::String(kind) => kind.as_str(),
            inner => return self.extent(inner, namespace, place),
        };
        let own = schema["namespace"].as_str().unwrap_or(namespace);
        let name = (own.to_string(), text(schema, "name").to_string());
        let extent = match kind {
            "record" | "error" => {
                self.0.insert(name.clone(), None);
                let mut record = TypeExtent::default();
                for field in schema["fields"].as_array().into_iter().flatten() {
                    let place = format!("{place}.{}", text(field, "name"));
                    record = record.and(self.extent(&field["type"], own, &place)?, &place)?;
                }
                record.deeper()
            }
            "fixed" => {
                let size = schema["size"].as_u64().unwrap_or_default();
                TypeExtent { least: size, width: size.max(32), types: 1, depth: 1, ratio: 0 }
            }
            "enum" => {
                // The symbols are in memory for every packet.
                let symbols = schema["symbols"].as_array().map_or(0, Vec::len) as u64;
                TypeExtent { least: 1, width: 4, types: 1 + symbols, depth: 1, ratio: 0 }
            }
            "array" => return self.list(&schema["items"], TypeExtent::default(), namespace, place),
            "map" => {
                let key = TypeExtent { least: 1, width: 4, ..TypeExtent::default() };
                return self.list(&schema["values"], key, namespace, place);
            }
            primitive => {
                let mut extent = self.of_name(primitive, namespace, place)?;
                if schema.get("logicalType").is_some() {
                    // Decimals may have any length.
                    extent.width = extent.width.max(32);
                }
                return Ok(extent);
            }
        };
        self.0.insert(name, Some(extent));
        Ok(extent)
    }

    /// An array of items, or a map: of keys and values.
    fn list(
        &mut self,
        items: &Value,
        key: TypeExtent,
        at: &str,
        place: &str,
    ) -> Result<TypeExtent> {
        let item = key.and(self.extent(items, at, place)?, place)?;
        if item.least == 0 {
            let reason = "an array of items that take no bytes, whose number has no limit";
            return Err(wrong(place, reason));
        }
        let ratio = item.ratio.max(item.width.div_ceil(item.least));
        Ok(TypeExtent { least: 1, width: 4, ratio, ..item.deeper() })
    }
}

impl TypeExtent {
    /// The extent of two values, one after the other.
    fn and(self, other: Self, place: &str) -> Result<Self> {
        let sum = |a: u64, b: u64| {
            a.checked_add(b).ok_or_else(|| wrong(place, "values larger than any memory"))
        };
        Ok(Self {
            least: sum(self.least, other.least)?,
            width: sum(self.width, other.width)?,
            ratio: self.ratio.max(other.ratio),
            types: sum(self.types, other.types)?,
            depth: self.depth.max(other.depth),
        })
    }

    fn bounded(self, place: &str) -> Result<Self> {
        if self.types > MAX_TYPES {
            return Err(wrong(
                place,
                &format!("more than {MAX_TYPES} types, once named types are expanded"),
            ));
        }
        if self.depth > MAX_DEPTH {
            return Err(wrong(place, &format!("types nested more than {MAX_DEPTH} levels deep")));
        }
        Ok(self)
    }

    fn deeper(self) -> Self {
        Self { types: self.types + 1, depth: self.depth + 1, ..self }
    }
}

fn wrong(place: &str, what: &str) -> Error {
    Error::input(format!("the Avro schema has {what}, in {place}; such a file is not read"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn most(fields: Value) -> Result<u64> {
        packet_bytes(&record("alert", fields), true).map(|(most, _)| most)
    }

    fn refusal(fields: Value) -> String {
        most(fields).unwrap_err().to_string()
    }

    fn record(name: &str, fields: Value) -> Value {
        json!({ "type": "record", "name": name, "fields": fields })
    }

    #[test]
    fn arrays_of_nothing_are_refused_wherever_they_are() {
        let nothing = record("N", json!([{ "name": "a", "type": "null" }]));
        for items in [
            json!("null"),
            record("E", json!([])),
            record("R", json!([{ "name": "n", "type": nothing }])),
            json!({ "type": "fixed", "name": "F", "size": 0 }),
        ] {
            let array = json!({ "type": "array", "items": items });
            let place = record("J", json!([{ "name": "junk", "type": ["null", array] }]));
            let error = refusal(json!([{ "name": "unread", "type": place }]));
            assert!(error.contains("no bytes") && error.contains("unread.junk"), "{error}");
        }
        let map = json!({ "type": "map", "values": "null" });
        most(json!([{ "name": "unread", "type": map }])).unwrap();
        assert!(refusal(json!([{ "name": "a", "type": "null" }])).contains("take no bytes"));
    }

    #[test]
    fn a_type_within_itself_ends() {
        let tree = record("T", json!([{ "name": "left", "type": ["null", "T"] }]));
        let error = refusal(json!([{ "name": "tree", "type": tree }]));
        assert!(error.contains("T that contains itself") && error.contains("tree.left"), "{error}");
    }

    /// Each type has so many fields of the one before.
    fn tower(height: usize, fields_each: usize) -> Value {
        let of = |level: usize| match level {
            0 => json!("long"),
            level => json!(format!("t{level}")),
        };
        let levels = (0..height).map(|level| {
            let field = |at| json!({ "name": format!("f{at}"), "type": of(level) });
            let fields = (0..fields_each).map(field).collect();
            json!({ "name": format!("l{level}"), "type": record(&format!("t{}", level + 1), fields) })
        });
        levels.collect()
    }

    #[test]
    fn schemas_that_unfold_or_nest_without_measure_are_refused() {
        most(tower(3, 10)).unwrap();
        assert!(refusal(tower(10, 10)).contains("more than 16384 types"));
        assert!(refusal(tower(2000, 1)).contains("more than 64 levels deep"));
    }

    #[test]
    fn a_packet_is_bounded_by_what_its_bytes_may_become() {
        let value = json!({ "name": "v", "type": ["null", "double"] });
        let item = |nulls: bool, columns: usize| {
            let fields =
                (0..columns).map(|at| json!({ "name": format!("v{at}"), "type": value["type"] }));
            let item = record("I", fields.collect());
            let items = if nulls { json!(["null", item]) } else { item };
            json!([{ "name": "prvDiaSources", "type": { "type": "array", "items": items } }])
        };
        assert_eq!(most(item(false, 100)).unwrap(), MAX_PACKET_BYTES);
        // A null item is one byte, and a place in a hundred columns.
        assert_eq!(most(item(true, 100)).unwrap(), MAX_DECODED_BYTES / (100 * 13 + 5));
        let fixed = json!({ "type": "fixed", "name": "F", "size": 1 << 30 });
        let error = refusal(json!([{ "name": "diaSource", "type": ["null", fixed] }]));
        assert!(error.contains("every packet"), "{error}");
    }
}
