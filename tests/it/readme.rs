//! What README.md, API.md and OPERATIONS.md tell their readers to type, typed: every command and every script, against a server of
//! alerts, of the demonstration survey and of a bucket.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::seaweed::Bucket;
use crate::{nights, python};

#[tokio::test(flavor = "multi_thread")]
async fn every_block_runs() {
    let folder = tempfile::tempdir().unwrap();
    let alerts = folder.path().join("path/to/alerts");
    fs::create_dir_all(&alerts).unwrap();
    nights::write(&alerts);
    let bucket = Bucket::create("my-bucket").await;

    let repository = env!("CARGO_MANIFEST_DIR");
    let script = Path::new(repository).join("tests/python/readme.py");
    let arguments = [repository, env!("CARGO_BIN_EXE_diaflight"), folder.path().to_str().unwrap()];
    let ran: Value =
        serde_json::from_str(&python::run(&script, &arguments, &bucket.variables())).unwrap();
    for document in ["README.md", "API.md", "OPERATIONS.md"] {
        assert!(ran[document].as_u64() > Some(3), "{ran}");
    }
}
