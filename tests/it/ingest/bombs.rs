//! Small files that would become large: refused by a limit that is named, in memory near what was asked for.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::Place;
use crate::alerts::{Alert, Layout};
use crate::program::diaflight;
use crate::python;

/// The schema of the least alert, with one more field in its source.
fn schema(field: Value) -> Value {
    let field_of = |name: &str, data_type: Value| json!({ "name": name, "type": data_type });
    let record = |name: &str, fields: Vec<Value>| json!({ "type": "record", "name": name, "fields": fields });
    let source = vec![
        field_of("diaSourceId", json!("long")),
        field_of("midpointMjdTai", json!("double")),
        field,
    ];
    let object = record("O", vec![field_of("diaObjectId", json!("long"))]);
    let root = vec![
        field_of("diaSource", record("S", source)),
        field_of("diaObject", json!(["null", object])),
    ];
    record("alert", root)
}

fn long(value: i64) -> Vec<u8> {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while zigzag > 127 {
        bytes.push(zigzag as u8 | 128);
        zigzag >>= 7;
    }
    bytes.push(zigzag as u8);
    bytes
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [long(bytes.len() as i64), bytes.to_vec()].concat()
}

/// A container of one block.
fn container(schema: &Value, codec: &str, records: i64, data: &[u8]) -> Vec<u8> {
    let pairs = [("avro.schema", schema.to_string()), ("avro.codec", codec.to_string())];
    let pairs = pairs.map(|(key, value)| [text(key.as_bytes()), text(value.as_bytes())].concat());
    let sync = [7; 16];
    let header = [b"Obj\x01".to_vec(), long(2), pairs.concat(), vec![0], sync.to_vec()].concat();
    let block = [long(records), text(data), sync.to_vec()].concat();
    [header, block].concat()
}

fn start_of_a_record() -> Vec<u8> {
    [long(7), 61000.0_f64.to_le_bytes().to_vec()].concat()
}

#[tokio::test]
async fn arrays_of_nothing_are_refused_by_name() {
    let place = Place::new();
    let nothing =
        json!({ "type": "record", "name": "E", "fields": [{ "name": "n", "type": "null" }] });
    let junk = json!({ "name": "junk", "type": { "type": "array", "items": nothing } });
    let array = [long(i64::from(i32::MAX)), vec![0]].concat();
    let record = [start_of_a_record(), array, long(1), long(5)].concat();
    let bytes = container(&schema(junk), "null", 1, &record);
    let error = place.refusal("array.avro", bytes).await.to_string();
    assert!(error.contains("diaSource.junk") && error.contains("no bytes"), "{error}");
}

#[tokio::test]
async fn a_type_within_itself_is_refused_by_name() {
    let place = Place::new();
    let tree = json!({ "type": "record", "name": "T", "fields": [{ "name": "t", "type": ["null", "T"] }] });
    let field = json!({ "name": "tree", "type": ["null", tree] });
    let record = [start_of_a_record(), vec![0], long(1), long(5)].concat();
    let bytes = container(&schema(field), "null", 1, &record);
    let error = place.refusal("tree.avro", bytes).await.to_string();
    assert!(
        error.contains("diaSource.tree.t") && error.contains("T that contains itself"),
        "{error}"
    );
}

#[tokio::test]
async fn counts_that_no_block_can_hold_are_refused() {
    let place = Place::new();
    let flag = json!({ "name": "flag", "type": "boolean" });
    let record = [start_of_a_record(), vec![1], long(0)].concat();
    for records in [i64::MAX, 1 << 40] {
        let bytes = container(&schema(flag.clone()), "null", records, &record);
        let error = place.refusal("count.avro", bytes).await.to_string();
        assert!(error.contains("its header gives"), "{error}");
    }
    // An array that says it has 2^62 items, or that a block of it has a negative size.
    let flags = json!({ "name": "flags", "type": { "type": "array", "items": "boolean" } });
    for array in [long(1 << 62), long(-(1 << 62)), [long(-1), long(-5)].concat()] {
        let record = [start_of_a_record(), array, vec![1; 30]].concat();
        let bytes = container(&schema(flags.clone()), "null", 1, &record);
        let error = place.refusal("items.avro", bytes).await.to_string();
        assert!(error.contains("record 0") && error.contains("damaged"), "{error}");
    }
}

#[tokio::test]
async fn an_endless_header_is_refused() {
    let place = Place::new();
    let key = text(b"avro.schema");
    let bytes = [b"Obj\x01".to_vec(), long(1), key, long(1 << 40), vec![b' '; 3 << 20]].concat();
    let error = place.refusal("header.avro", bytes).await.to_string();
    assert!(error.contains("longer than 1 MiB"), "{error}");
}

/// The exit code of an ingest with the least memory, what it said, and the most memory it had, in MiB.
fn ingest_at_64_mib(input: &str) -> (i32, String, u64) {
    let warehouse = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/peak.py");
    let mut peak = Command::new(python::program("python"));
    peak.arg(script).arg(diaflight().get_program());
    peak.args(["ingest", "--ingest-memory-mib", "64", "--warehouse"])
        .arg(warehouse.path())
        .arg(input);
    let output = peak.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = printed.split_whitespace().map(|n| n.parse().unwrap()).collect();
    let [code, peak_kib] = numbers[..] else { panic!("{printed}{said}") };
    (code as i32, said, peak_kib >> 10)
}

/// A GiB of zeros in 150 KB.
#[test]
fn a_compressed_block_is_bounded_in_memory() {
    let place = Place::new();
    let bomb = place.file("zeros.xz", "");
    let make = "import lzma, sys\nxz = lzma.LZMACompressor(preset=0)\nzeros = bytes(1 << 26)\n\
                with open(sys.argv[1], 'wb') as out:\n    for _ in range(16): out.write(xz.compress(zeros))\n    out.write(xz.flush())";
    let made = Command::new(python::program("python")).args(["-c", make, &bomb]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let flag = json!({ "name": "flag", "type": "boolean" });
    let bytes = container(&schema(flag), "xz", 1, &std::fs::read(&bomb).unwrap());
    assert!(bytes.len() < 1 << 20, "{}", bytes.len());
    let (code, said, peak_mib) = ingest_at_64_mib(&place.file("bomb.avro", bytes));
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("bomb.avro") && said.contains("64 MiB"), "{said}");
    assert!(peak_mib < 512, "{peak_mib} MiB");
}

/// A thousand rows of a MiB each: as one batch, as one row group, they would be a GiB.
#[test]
fn long_texts_are_bounded_in_memory() {
    let place = Place::new();
    let long = "x".repeat(1 << 20);
    let packet = |id: i64| {
        let mut packet = Alert::new(id, id, 61000.5).packet();
        packet["target_name"] = json!(format!("{id} {long}"));
        packet
    };
    let files: Vec<_> = (0..8)
        .map(|file| {
            let packets: Vec<_> = (1..=128).map(|at| packet(file * 128 + at)).collect();
            let deflate = Some(arrow_avro::compression::CompressionCodec::Deflate);
            place.file(&format!("{file}.avro"), Layout::raw().avro(&packets, deflate, 1))
        })
        .collect();
    let folder = Path::new(&files[0]).parent().unwrap();
    let (code, said, peak_mib) = ingest_at_64_mib(folder.to_str().unwrap());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("sources: 1024 added"), "{said}");
    assert!(peak_mib < 800, "{peak_mib} MiB");
}

/// Nulls in a row take no bytes in Parquet, but a place each in memory.
#[tokio::test]
async fn pages_of_parquet_are_bounded_by_what_they_would_become() {
    let place = Place::new();
    let entry = json!({ "diaForcedSourceId": null });
    let mut many = Alert::new(1, 1, 61000.5).packet();
    many["prvDiaForcedSources"] = json!(vec![entry; (1 << 16) + 1]);
    let mut long = Alert::new(1, 1, 61000.5).packet();
    long["target_name"] = json!("x".repeat(65 << 20));
    let mut same = Alert::new(1, 1, 61000.5).packet();
    same["target_name"] = json!("x".repeat(1 << 19));
    for (packets, said) in [
        (vec![many], ["prvDiaForcedSources", "more than 65536 entries in one packet"]),
        (vec![long], ["a page of", "at most 64 MiB"]),
        (vec![same; 600], ["target_name", "a text of 524288 bytes"]),
    ] {
        let error =
            place.refusal("bomb.parquet", Layout::raw().parquet(&packets)).await.to_string();
        assert!(said.iter().all(|said| error.contains(said)), "{said:?}: {error}");
    }
}
