//! A schema registry for the tests: what it knows are the files of a folder.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use tempfile::TempDir;
use tokio::net::TcpListener;

#[derive(Clone)]
struct Known {
    folder: Arc<TempDir>,
    is_down: Arc<AtomicBool>,
}

pub struct Registry {
    known: Known,
    address: String,
}

impl Registry {
    pub async fn start() -> Self {
        let known =
            Known { folder: Arc::new(tempfile::tempdir().unwrap()), is_down: Arc::default() };
        let router =
            Router::new().route("/schemas/ids/{id}", get(schema)).with_state(known.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { known, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The file of a schema.
    pub fn file(&self, id: u32) -> PathBuf {
        self.known.folder.path().join(id.to_string())
    }

    /// Whether it fails to answer.
    pub fn set_down(&self, is_down: bool) {
        self.known.is_down.store(is_down, Ordering::SeqCst);
    }
}

async fn schema(State(known): State<Known>, Path(id): Path<u32>) -> (StatusCode, String) {
    if known.is_down.load(Ordering::SeqCst) {
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    match fs::read_to_string(known.folder.path().join(id.to_string())) {
        Ok(schema) => (StatusCode::OK, serde_json::json!({ "schema": schema }).to_string()),
        Err(_) => (
            StatusCode::NOT_FOUND,
            r#"{"error_code": 40403, "message": "Schema not found"}"#.to_string(),
        ),
    }
}
