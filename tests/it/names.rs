//! Names that file systems and S3 allow but that have a special meaning in URLs, patterns or shells: a table written under such a name
//! can be read under it, over every protocol.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path as FilePath;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tempfile::{TempDir, tempdir};

use crate::answers::{Answer, answers, assert_same};
use crate::nights;
use crate::program::{Finished, diaflight, finish};
use crate::python;
use crate::seaweed::Bucket;
use crate::server::Server;

const NAMES: [&str; 17] = [
    "plain",
    "a b",
    " ",
    "ü",
    "100%",
    "%41",
    "p%20q",
    "x%2541",
    "x#1",
    "x?y",
    "back\\slash",
    "a+b&c=d",
    "q'q\"<>|*",
    "[a]{b}^~`",
    ".hidden",
    "d:e",
    "_delta_log",
];

type Variables<'a> = &'a [(&'a str, String)];

fn ran(variables: Variables, arguments: &[&str]) -> Finished {
    finish(diaflight().args(arguments).envs(variables.iter().cloned())).succeeded()
}

/// Two nights, merged and tidied up, and what a server then says of them.
async fn kept(warehouse: &str, nights: &[String], variables: Variables<'_>) -> Vec<Answer> {
    for night in nights {
        ran(variables, &["ingest", "--warehouse", warehouse, night]);
    }
    let count = || {
        // Of a column that the log knows nothing of: the files are read.
        let count = "SELECT count(\"psfFlux\" + 1) AS n FROM sources";
        let counted = ran(variables, &["sql", "--warehouse", warehouse, "--format", "csv", count]);
        counted.stdout.trim().to_string()
    };
    let expected = format!("n\n{}", nights::SOURCES);
    assert_eq!(count(), expected, "{warehouse}");
    let compacted =
        ran(variables, &["maintain", "compact", "--json", "--warehouse", warehouse]).json();
    assert_eq!(compacted["sources"]["files_removed"], 2, "{warehouse}: {compacted}");
    ran(variables, &["maintain", "vacuum", "--grace-hours", "0", "--warehouse", warehouse]);
    assert_eq!(count(), expected, "{warehouse}");
    answers(&Server::serve(warehouse, variables).await, &nights::OBJECTS).await
}

/// The same rows from the tables' folders, served as anyone's Parquet files.
async fn served_as_folders(warehouse: &str, variables: Variables<'_>) -> Vec<Answer> {
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0"]).envs(variables.iter().cloned());
    for table in ["sources", "objects", "fp"] {
        command
            .arg(format!("--{table}-url"))
            .arg(format!("{}/{table}", warehouse.trim_end_matches('/')));
    }
    let server = Server::start(&mut command);
    server.ready().await;
    answers(&server, &nights::OBJECTS).await
}

/// Folders named so, with files named so, that hold two nights.
fn inputs(folder: &FilePath, name: &str) -> [String; 2] {
    let place = folder.join("inputs").join(name);
    fs::create_dir_all(&place).unwrap();
    let written = nights::write(&place);
    let [avro, parquet] = [("avro", &written[0]), ("parquet", &written[1])].map(|(end, file)| {
        let renamed = place.join(format!("{end} {name}"));
        fs::rename(file, &renamed).unwrap();
        renamed.to_str().unwrap().to_string()
    });
    [avro, parquet]
}

struct Plain {
    folder: TempDir,
    nights: [String; 2],
    answers: Vec<Answer>,
}

/// What all others must say.
async fn plain() -> Plain {
    let folder = tempdir().unwrap();
    let nights = nights::write(folder.path());
    let warehouse = folder.path().join("warehouse");
    let answers = kept(warehouse.to_str().unwrap(), &nights, &[]).await;
    Plain { folder, nights, answers }
}

#[tokio::test]
async fn any_path_is_a_warehouse() {
    let plain = plain().await;
    let root = plain.folder.path().join("names");
    let warehouse = plain.folder.path().join("warehouse");
    let folders = served_as_folders(warehouse.to_str().unwrap(), &[]).await;
    for name in NAMES {
        let warehouse = root.join(name);
        let warehouse = warehouse.to_str().unwrap();
        let nights = inputs(plain.folder.path(), name);
        assert_same(&kept(warehouse, &nights, &[]).await, &plain.answers);
        assert_same(&served_as_folders(warehouse, &[]).await, &folders);
        let url = url::Url::from_file_path(warehouse).unwrap();
        let again = ran(&[], &["ingest", "--json", "--warehouse", url.as_str(), &nights[0]]).json();
        assert_eq!(again["sources"]["present"], 2, "{again}");
    }
    let there = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name());
    let there: BTreeSet<_> = there.map(|name| name.into_string().unwrap()).collect();
    assert_eq!(there, NAMES.map(str::to_string).into());
}

#[tokio::test]
async fn any_key_is_a_warehouse() {
    let plain = plain().await;
    let bucket = Bucket::create("names").await;
    let (store, variables) = (bucket.store(), bucket.variables());
    let mut folders = None;
    // SeaweedFS, not S3, takes it for a slash.
    let names: Vec<_> = NAMES.into_iter().filter(|name| !name.contains('\\')).collect();
    for name in names.iter().copied() {
        let mut url = url::Url::parse(&bucket.url("")).unwrap();
        url.path_segments_mut().unwrap().pop_if_empty().push(name);
        let mut inputs = url.clone();
        inputs.path_segments_mut().unwrap().pop().extend(["inputs", name]);
        let mut nights = Vec::new();
        for night in &plain.nights {
            let (_, end) = night.rsplit_once('/').unwrap();
            let key = Path::parse(format!("inputs/{name}/{end} {name}")).unwrap();
            store.put(&key, fs::read(night).unwrap().into()).await.unwrap();
            let mut url = inputs.clone();
            url.path_segments_mut().unwrap().push(&format!("{end} {name}"));
            nights.push(url.to_string());
        }
        let warehouse = url.as_str();
        assert_same(&kept(warehouse, &nights, &variables).await, &plain.answers);
        let served = served_as_folders(warehouse, &variables).await;
        assert_same(&served, folders.get_or_insert_with(|| served.clone()));
        if !name.starts_with(['.', '_']) {
            let again = ["ingest", "--json", "--warehouse", warehouse, inputs.as_str()];
            assert_eq!(ran(&variables, &again).json()["sources"]["present"], nights::SOURCES);
        }
    }
    let objects: Vec<_> = store.list(None).try_collect().await.unwrap();
    let there: BTreeSet<_> =
        objects.iter().map(|object| object.location.as_ref().split('/').next().unwrap()).collect();
    assert_eq!(there, names.into_iter().chain(["inputs"]).collect());

    let warehouse = bucket.url("back\\slash");
    let [night, _] = &plain.nights;
    let ingest = ["ingest", "--warehouse", &warehouse, night];
    let refused = finish(diaflight().args(ingest).envs(variables));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("changes this name when it stores a file"), "{refused:?}");
    // Of what tried the store it keeps an empty object, under the name that only it knows.
    let mut left = store.list(None).try_collect::<Vec<_>>().await.unwrap();
    left.retain(|object| !object.location.as_ref().contains(".writable."));
    assert_eq!(left.len(), objects.len());
}

/// Delta's other readers decode some names twice; those that they leave alone they read here as well.
#[tokio::test]
async fn deltalake_reads_what_it_can_name() {
    let folder = tempdir().unwrap();
    let nights = nights::write(folder.path());
    for name in ["a b", " ", "ü", "100%", "x#1", "x?y", "a+b&c=d", ".hidden", "d:e"] {
        let warehouse = folder.path().join("names").join(name);
        let warehouse = warehouse.to_str().unwrap();
        kept(warehouse, &nights, &[]).await;
        let server = Server::serve(warehouse, &[]).await;
        let script = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read_delta.py");
        let said = python::run(&script, &[warehouse, &server.url], &[]);
        let rows: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(rows["sources"], nights::SOURCES, "{name}");
    }
}

#[test]
fn a_path_is_read_as_the_system_reads_it() {
    let folder = tempdir().unwrap();
    let [night, _] = nights::write(folder.path());
    let root = folder.path();
    fs::create_dir_all(root.join("sub/deep")).unwrap();
    std::os::unix::fs::symlink(root.join("sub/deep"), root.join("link")).unwrap();
    let ingest = |warehouse: &str| {
        let mut command = diaflight();
        command.current_dir(root.join("sub")).args(["ingest", "--warehouse", warehouse, &night]);
        finish(&mut command)
    };
    for (warehouse, expected) in [
        ("../up", "up"),
        ("deep/../beside", "sub/beside"),
        ("../link/../by-link", "sub/by-link"),
        ("../link/in", "sub/deep/in"),
        ("./here//", "sub/here"),
    ] {
        ingest(warehouse).succeeded();
        assert!(root.join(expected).join("sources/_delta_log").is_dir(), "{warehouse}");
    }
    let missing = ingest("missing/../x");
    assert_eq!(missing.code, Some(4), "{missing:?}");
    assert!(missing.stderr.contains("missing/.. does not exist"), "{missing:?}");
}

#[test]
fn what_cannot_be_stored_is_refused_before_anything_is_written() {
    let folder = tempdir().unwrap();
    let [night, _] = nights::write(folder.path());
    let root = folder.path().join("empty");
    fs::create_dir(&root).unwrap();
    for name in ["a\tb", "new\nline", "\u{7f}"] {
        for arguments in [
            vec!["ingest", "--warehouse", name, &night],
            vec!["generate", "--objects", "1", "--warehouse", name],
            vec!["sql", "--warehouse", name, "SELECT 1"],
            vec!["maintain", "vacuum", "--warehouse", name],
            vec!["serve", "--warehouse", name, "--listen", "127.0.0.1:0"],
            vec!["serve", "--sources-url", name, "--objects-url", name, "--fp-url", name],
        ] {
            let refused = finish(diaflight().current_dir(&root).args(&arguments));
            assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
            assert!(refused.stderr.contains("control characters"), "{refused:?}");
        }
    }
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
}
