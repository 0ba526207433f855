//! Reads server-sent events as the HTML standard has them.

use std::time::Duration;

use futures::{Stream, StreamExt};
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::time::timeout;

use crate::server::Server;

const PATIENCE: Duration = Duration::from_secs(120);

/// One event.
#[derive(Debug, Default, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: Value,
}

/// What was told of a version.
#[derive(Debug)]
pub struct Told {
    pub rows: Vec<Value>,
    pub version: u64,
    pub id: String,
}

pub struct Events {
    chunks: std::pin::Pin<Box<dyn Stream<Item = reqwest::Result<Vec<u8>>> + Send>>,
    read: Vec<u8>,
}

pub async fn ask(server: &Server, arguments: &str, last: Option<&str>) -> Response {
    let request = Client::builder().no_proxy().build().unwrap();
    let request = request.get(format!("{}/api/v1/stream?{arguments}", server.url));
    let last = last.map(|last| ("last-event-id", last));
    last.into_iter()
        .fold(request, |request, (name, id)| request.header(name, id))
        .send()
        .await
        .unwrap()
}

impl Events {
    pub async fn open(server: &Server, arguments: &str, last: Option<&str>) -> Self {
        let answer = ask(server, arguments, last).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let chunks = answer.bytes_stream().map(|chunk| chunk.map(|chunk| chunk.to_vec())).boxed();
        Self { chunks, read: Vec::new() }
    }

    /// The next event; comments are passed over. Panics at the end.
    pub async fn next(&mut self) -> Event {
        self.try_next().await.expect("the stream has ended")
    }

    /// The next event; `None` at the end.
    pub async fn try_next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let rest = self.read.split_off(end + 2);
                let block = std::mem::replace(&mut self.read, rest);
                match event(std::str::from_utf8(&block).unwrap()) {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = timeout(PATIENCE, self.chunks.next()).await.expect("nothing came");
            self.read.extend(chunk?.unwrap());
        }
    }

    /// All rows up to the end of the next version.
    pub async fn version(&mut self) -> Told {
        let mut rows = Vec::new();
        loop {
            let event = self.next().await;
            match event.name.as_str() {
                "sources" => rows.extend(event.data.as_array().unwrap().iter().cloned()),
                "version" => {
                    assert_eq!(event.data["rows"], rows.len());
                    let (version, newest) =
                        (event.data["version"].as_u64().unwrap(), event.data["newest"].as_u64());
                    assert!(newest >= Some(version));
                    return Told { rows, version, id: event.id.unwrap() };
                }
                _ => panic!("{event:?}"),
            }
        }
    }
}

fn event(block: &str) -> Option<Event> {
    let mut event = Event::default();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event.name = value.to_string(),
            "id" => event.id = Some(value.to_string()),
            "data" => event.data = serde_json::from_str(value).unwrap(),
            _ => {}
        }
    }
    (!event.name.is_empty()).then_some(event)
}
