//! A small survey in memory, and a server over it that ends with the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use diaflight::origin::Origins;
use diaflight::query::{Engine, EngineOptions};
use diaflight::schema::{Family, Table, provenance, stored_field};
use diaflight::server::{ServerOptions, ServerParts, serve};
use diaflight::sql::{Sql, SqlOptions};
use diaflight::token::Tokens;
use diaflight::warehouse::{Change, Operation, SortedWriter, Warehouse};
use diaflight::workers::Workers;
use reqwest::{Client, RequestBuilder, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const ONE: i64 = 170_028_485_706_776_685;
pub const TWO: i64 = 313_897_383_979_122_767;
/// The times of every object's measurements, MJD.
pub const TIMES: [f64; 3] = [61105.093643486834, 61104.25, 59000.25];

/// A warehouse of its own.
pub fn warehouse() -> Warehouse {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Warehouse::open(&format!("memory://rest-{number}/survey")).unwrap()
}

/// Commits the rows of two objects to every table, as one more version of each.
pub async fn fill(warehouse: &Warehouse) {
    for table in Table::ALL {
        fill_table(warehouse, table, &[ONE, TWO]).await;
    }
}

/// Commits three measurements of each object (`objects`: one row).
pub async fn fill_table(warehouse: &Warehouse, table: Table, objects: &[i64]) {
    let rows = if table == Table::Objects { 1 } else { TIMES.len() };
    let base = warehouse.snapshot(table, None).await.unwrap();
    let first_id = 1000 * base.as_ref().map_or(1, |base| base.version as i64 + 2);
    let schema = schema(table);
    let mut writer = SortedWriter::new(warehouse, table, schema.clone());
    for (i, object) in objects.iter().enumerate() {
        let first_id = first_id + (rows * i) as i64;
        writer.write(&batch(table, &schema, *object, first_id, rows)).await.unwrap();
    }
    let (add, remove) = (writer.finish().await.unwrap(), Vec::new());
    let change = Change { operation: Operation::Ingest, schema, add, remove };
    warehouse.commit(table, base.as_ref(), change).await.unwrap();
}

fn schema(table: Table) -> SchemaRef {
    let rubin = |name, data_type| stored_field(Family::Rubin, name, data_type);
    let mut fields = vec![rubin("diaObjectId", DataType::Int64)];
    if table != Table::Objects {
        fields.push(rubin(table.id_column(), DataType::Int64));
    }
    fields.push(rubin("midpointMjdTai", DataType::Float64));
    fields.push(rubin("psfFlux", DataType::Float32));
    if table == Table::Sources {
        fields.push(rubin("ra", DataType::Float64));
        fields.push(rubin("dec", DataType::Float64));
    }
    fields.push(stored_field(Family::Fink, "main_label_classifier", DataType::Utf8));
    fields.extend(provenance::fields(table));
    Arc::new(Schema::new(fields))
}

/// Rows of one object, oldest first, as the tables are sorted.
fn batch(table: Table, schema: &SchemaRef, object: i64, first_id: i64, rows: usize) -> RecordBatch {
    let times = || TIMES.iter().rev().take(rows).copied();
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "diaObjectId" => Arc::new(Int64Array::from(vec![object; rows])),
            "midpointMjdTai" => Arc::new(Float64Array::from_iter_values(times())),
            "ra" => Arc::new(Float64Array::from(vec![53.25; rows])),
            "dec" => Arc::new(Float64Array::from(vec![-27.86; rows])),
            "psfFlux" => {
                Arc::new(Float32Array::from_iter_values((0..rows).map(|i| i as f32 + 0.1)))
            }
            "main_label_classifier" => Arc::new(StringArray::from(vec!["a, \"b\""; rows])),
            name if name == table.id_column() => {
                Arc::new(Int64Array::from_iter_values(first_id..first_id + rows as i64))
            }
            _ => arrow::array::new_null_array(field.data_type(), rows),
        }
    });
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}

/// A running server.
pub struct Server {
    url: String,
    client: Client,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Server {
    pub async fn over(warehouse: &Warehouse) -> Self {
        Self::with(warehouse, ServerOptions::DEFAULT).await
    }

    pub async fn with(warehouse: &Warehouse, options: ServerOptions) -> Self {
        let mut tables = EngineOptions::from_warehouse(warehouse);
        tables.refresh = Duration::from_millis(5);
        let engine = Engine::open(tables).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let workers = Workers::new().unwrap();
        let sql = Sql::new(engine.clone(), workers.clone(), &SqlOptions::DEFAULT).unwrap();
        let (tls, origins, stopping) = (None, Origins::default(), stop.clone());
        let tokens = Tokens::open(None, None).unwrap();
        let served = ServerParts { engine, sql, workers, options, tokens, tls, origins, stopping };
        let serving = async { serve(listener, served).await.unwrap() };
        let client = Client::builder().no_proxy().build().unwrap();
        Self { url, client, stop, ended: tokio::spawn(serving) }
    }

    /// A server over the two objects.
    pub async fn filled() -> Self {
        let warehouse = warehouse();
        fill(&warehouse).await;
        Self::over(&warehouse).await
    }

    pub async fn stop(self) {
        drop(self.client);
        self.stop.cancel();
        self.ended.await.unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().unwrap();
        self.client.request(method, self.url(path)).header("Origin", "https://a.b")
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request("GET", path).send().await.unwrap()
    }

    /// A POST of a JSON body.
    pub async fn post(&self, path: &str, body: &str) -> Response {
        let request = self.request("POST", path).header("Content-Type", "application/json");
        request.body(body.to_string()).send().await.unwrap()
    }
}

pub fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}
