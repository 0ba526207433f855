//! Runs the tasks of one warehouse, and gives the result of each as a line of JSON. A reader is opened when it is first used, so that
//! the memory of one can be measured without the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::json::ArrayWriter;
use datafusion::prelude::SessionContext;
use diaflight::warehouse::Warehouse;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::answer::Answer;
use crate::bare::BareReader;
use crate::delayed::Delayed;
use crate::engine::{EngineReader, columns_of};

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Task {
    Lookups(Lookups),
    Cones(Cones),
    /// SQL over the sources, read by the engine's own scan.
    Statement(String),
    /// How much the engine's index holds.
    Index,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookups {
    reader: Reader,
    /// Served names; all where there are none.
    columns: Option<Vec<String>>,
    /// The ids of each lookup.
    lookups: Vec<Vec<i64>>,
    /// How long each request to slow storage takes.
    #[serde(default)]
    delay_ms: u64,
}

/// Searches of the engine, as REST asks them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cones {
    columns: Vec<String>,
    places: Vec<[f64; 2]>,
    radius_arcsec: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reader {
    Engine,
    Bare,
    Storage,
}

pub struct Readers {
    runtime: Runtime,
    warehouse: Warehouse,
    pub engine: EngineReader,
    bare: Option<BareReader>,
    storage: Option<(Arc<Delayed>, EngineReader)>,
    /// One for all statements, so that footers are read once.
    session: Option<SessionContext>,
}

impl Readers {
    pub fn open(runtime: Runtime, warehouse: Warehouse) -> Self {
        let engine = runtime.block_on(EngineReader::open(&warehouse));
        Self { runtime, warehouse, engine, bare: None, storage: None, session: None }
    }

    pub fn answer(&mut self, task: &Task) -> Value {
        let said = match task {
            Task::Lookups(asked) => serde_json::to_value(match asked.reader {
                Reader::Engine => self.of_engine(asked),
                Reader::Bare => self.of_bare(asked),
                Reader::Storage => self.of_storage(asked),
            }),
            Task::Cones(asked) => serde_json::to_value(self.cones(asked)),
            Task::Statement(text) => Ok(self.statement(text)),
            Task::Index => Ok(self.engine.index()),
        };
        said.expect("JSON")
    }

    fn of_engine(&self, asked: &Lookups) -> Answer {
        let columns = columns_of(asked.columns.as_deref());
        let mut answer = Answer::default();
        for ids in &asked.lookups {
            let begun = Instant::now();
            let batches = self.runtime.block_on(self.engine.lookup(ids, &columns));
            answer.add(begun.elapsed(), &batches);
        }
        answer
    }

    fn cones(&self, asked: &Cones) -> Answer {
        let mut answer = Answer::default();
        for place in &asked.places {
            let begun = Instant::now();
            let search = self.engine.cone(*place, asked.radius_arcsec, &asked.columns);
            let batches = self.runtime.block_on(search);
            answer.add(begun.elapsed(), &batches);
        }
        answer
    }

    fn of_bare(&mut self, asked: &Lookups) -> Answer {
        let open = || self.runtime.block_on(BareReader::open(&self.warehouse));
        let bare = self.bare.get_or_insert_with(open);
        let served = self.engine.columns();
        let projection = bare.projection(asked.columns.as_deref().unwrap_or(&served));
        let mut answer = Answer::default();
        for ids in &asked.lookups {
            let begun = Instant::now();
            let batches = bare.lookup(ids, &projection);
            answer.add(begun.elapsed(), &batches);
        }
        answer
    }

    fn of_storage(&mut self, asked: &Lookups) -> Answer {
        let (store, engine) = self.storage.get_or_insert_with(|| {
            let store = Delayed::local();
            let engine = EngineReader::open_in(&self.warehouse, store.clone());
            (store.clone(), self.runtime.block_on(engine))
        });
        let columns = columns_of(asked.columns.as_deref());
        store.delay(Duration::from_millis(asked.delay_ms));
        let mut answer = Answer::default();
        for ids in &asked.lookups {
            store.forget();
            let begun = Instant::now();
            let batches = self.runtime.block_on(engine.lookup(ids, &columns));
            answer.add(begun.elapsed(), &batches);
            answer.traffic.push(store.traffic());
        }
        answer
    }

    /// Seconds until the last row, and the rows.
    fn statement(&mut self, text: &str) -> Value {
        let open = || self.runtime.block_on(self.engine.session());
        let session = self.session.get_or_insert_with(open);
        let begun = Instant::now();
        let batches = self.runtime.block_on(async { session.sql(text).await?.collect().await });
        let (batches, seconds) = (batches.expect("an answer"), begun.elapsed().as_secs_f64());
        let mut rows = ArrayWriter::new(Vec::new());
        rows.write_batches(&Vec::from_iter(&batches)).expect("rows");
        rows.finish().expect("rows");
        let rows: Value = serde_json::from_slice(&rows.into_inner()).expect("JSON");
        json!({ "seconds": seconds, "rows": rows })
    }
}
