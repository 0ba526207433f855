//! What an attacked server serves: a synthetic survey in a folder, and the ids of its objects.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow_flight::Ticket;
use diaflight::schema::{KEY, Table};
use diaflight::survey::{Nights, SurveyOptions, generate};
use diaflight::warehouse::{self, Warehouse};
use futures::TryStreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

pub struct Survey {
    pub folder: TempDir,
    pub ids: Vec<i64>,
    /// The ids of the snapshots, by table.
    tables: HashMap<&'static str, u64>,
}

impl Survey {
    /// One that all tests read and none writes.
    pub async fn shared() -> Arc<Self> {
        static SHARED: OnceCell<Arc<Survey>> = OnceCell::const_new();
        SHARED.get_or_init(|| async { Arc::new(Self::of(600).await) }).await.clone()
    }

    pub async fn of(objects: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
        generate(&warehouse, &SurveyOptions { objects, seed: 5, nights: Nights::ALL }, &|_| {})
            .await
            .unwrap();
        let objects = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
        let mut ids = Vec::new();
        for file in &objects.files {
            let keys = warehouse::read(objects.store.clone(), file, Some(&[KEY]), 8192);
            for batch in keys.try_collect::<Vec<_>>().await.unwrap() {
                ids.extend(batch.column(0).as_primitive::<Int64Type>().values().iter().copied());
            }
        }
        let mut tables = HashMap::new();
        for table in Table::ALL {
            let snapshot = warehouse.snapshot(table, None).await.unwrap().unwrap();
            tables.insert(table.name(), snapshot.id());
        }
        Self { folder, ids, tables }
    }

    /// The ticket of a request for version 0 of its table.
    pub fn ticket(&self, request: &Value, keys: Option<RangeInclusive<i64>>) -> Ticket {
        let table = self.tables[request["endpoint"].as_str().unwrap()];
        let table = format!("{table:016x}");
        let request = request.to_string();
        let mut ticket = json!({"diaflight": 2, "snapshot": 0, "table": table, "request": request});
        if let Some(keys) = keys {
            ticket["keys"] = json!([keys.start(), keys.end()]);
        }
        Ticket::new(ticket.to_string())
    }

    /// The path of a lookup of so many objects, others for each `turn`.
    pub fn lookup(&self, objects: usize, turn: usize) -> String {
        let step = self.ids.len() / objects;
        let ids = self.ids.iter().skip(turn % step).step_by(step).take(objects);
        let ids: Vec<_> = ids.map(i64::to_string).collect();
        let columns = "r:psfFlux,r:midpointMjdTai";
        format!("/api/v1/sources?columns={columns}&diaObjectId={}", ids.join(","))
    }

    /// A request for all columns of every object: some tens of MiB of answer. REST passes over the `endpoint`.
    pub fn everything(&self) -> Value {
        json!({"endpoint": "sources", "diaObjectId": self.ids})
    }
}
