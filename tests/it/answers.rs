//! The answers of a server about some objects: every endpoint in every format, as bytes, so that two servers
//! with the same rows can be compared, whatever versions their tables have.

use std::sync::Arc;

use arrow::datatypes::Schema;
use bytes::Bytes;
use diaflight::encode::Format;
use diaflight::schema::Table;
use serde_json::json;

use crate::formats::decode::decode;
use crate::server::Server;

/// An answer and what it is of: `sources as json`.
pub type Answer = (String, Bytes);

/// All columns of the rows of `ids`.
pub async fn answers(server: &Server, ids: &[i64]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for table in Table::ALL {
        for format in Format::ALL {
            let table = table.name();
            let arguments = json!({ "diaObjectId": ids, "output-format": format.name() });
            let answer = server.post(&format!("/api/v1/{table}"), &arguments).await;
            assert_eq!(answer.status(), 200, "{table} as {format:?}");
            let body = answer.bytes().await.unwrap();
            answers.push((format!("{table} as {format:?}"), without_snapshot(format, body)));
        }
    }
    answers
}

/// The rows alone where the format says what they are from.
fn without_snapshot(format: Format, body: Bytes) -> Bytes {
    match format {
        Format::Json | Format::Csv => body,
        Format::Votable | Format::Parquet | Format::Arrow => {
            let table = decode(format, &body, &Arc::new(Schema::empty()));
            format!("{:?} {:?}", table.columns, table.rows).into()
        }
    }
}

/// Equal byte for byte; says which answer is not, and where.
pub fn assert_same(left: &[Answer], right: &[Answer]) {
    assert_eq!(left.len(), right.len());
    for ((what, left), (_, right)) in left.iter().zip(right) {
        let differs = left.iter().zip(right).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{what}: first different byte");
        assert_eq!(left.len(), right.len(), "{what}: length");
    }
}
