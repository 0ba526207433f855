//! The engine as a reader of lookups, over a warehouse or the same files in another store. Gives the batches of a lookup, and its
//! table for statements.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::prelude::SessionContext;
use diaflight::plan::{SnapshotTable, base_config};
use diaflight::query::{
    Circle, Columns, ConeQuery, Engine, EngineOptions, Query, SkySearch, Source,
};
use diaflight::schema::Table;
use diaflight::warehouse::{Location, Warehouse};
use futures::TryStreamExt;
use object_store::ObjectStore;
use serde_json::{Value, json};

pub struct EngineReader(Engine);

/// No engine looks for new commits while it is measured.
const REFRESH: Duration = Duration::from_secs(24 * 3600);
/// An engine that has read nothing of its index for so long has read it all.
const READ_AHEAD: Duration = Duration::from_millis(500);

impl EngineReader {
    pub async fn open(warehouse: &Warehouse) -> Self {
        let options =
            EngineOptions { refresh: REFRESH, ..EngineOptions::from_warehouse(warehouse) };
        Self::of(options).await
    }

    /// Measured once it has read its index ahead, as a server does in its first seconds.
    async fn of(options: EngineOptions) -> Self {
        let engine = Engine::open(options).await.expect("an engine");
        let mut before = None;
        while before != Some(engine.usage().index.reads) {
            before = Some(engine.usage().index.reads);
            tokio::time::sleep(READ_AHEAD).await;
        }
        Self(engine)
    }

    /// Over the same Parquet files in another store.
    pub async fn open_in(warehouse: &Warehouse, store: Arc<dyn ObjectStore>) -> Self {
        let folder = |table: Table| {
            let location = warehouse.location();
            let url = location.url.join(&format!("{}/", table.name())).expect("a URL");
            let prefix = location.prefix.clone().join(table.name());
            Source::Folder(Location { url, store: store.clone(), prefix, bucket: None })
        };
        let options = EngineOptions {
            sources: folder(Table::Sources),
            objects: folder(Table::Objects),
            fp: folder(Table::Fp),
            refresh: REFRESH,
            ..EngineOptions::from_warehouse(warehouse)
        };
        Self::of(options).await
    }

    /// The served columns of the sources.
    pub fn columns(&self) -> Vec<String> {
        let schema = self.0.schema(Table::Sources).expect("sources");
        schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    pub async fn lookup(&self, ids: &[i64], columns: &Columns) -> Vec<RecordBatch> {
        let query = Query::newest_first(Table::Sources, ids.to_vec(), columns.clone());
        let answer = self.0.run(&query).await.expect("an answer");
        answer.rows.try_collect().await.expect("batches")
    }

    /// The objects in a circle.
    pub async fn cone(
        &self,
        [ra_deg, dec_deg]: [f64; 2],
        radius_arcsec: f64,
        columns: &[String],
    ) -> Vec<RecordBatch> {
        let columns = Columns::Named(columns.to_vec());
        let search = SkySearch { time: None, columns, as_of: None, objects_version: None };
        let circle = Circle { ra_deg, dec_deg, radius_deg: radius_arcsec / 3600.0 };
        let cone = ConeQuery { circle, most: 1000, search };
        let found = match self.0.find_if_few(&cone).await.expect("few objects") {
            Some(few) => few,
            None => self.0.find(&cone).await.expect("objects"),
        };
        let answer = self.0.newest_sources(found).await.expect("an answer");
        answer.rows.try_collect().await.expect("batches")
    }

    /// The sources for statements, which read them as a server's do.
    pub async fn session(&self) -> SessionContext {
        let table = self.0.table(Table::Sources, None).await.expect("sources");
        let session = SessionContext::new_with_config(base_config());
        let url = SnapshotTable::store_url(table.snapshot()).expect("a URL");
        session.register_object_store(url.as_ref(), table.snapshot().store.clone());
        session.register_table(Table::Sources.name(), table).expect("a table");
        session
    }

    /// What the index holds, in bytes.
    pub fn index(&self) -> Value {
        let held = self.0.usage().index;
        json!({ "files": held.file_bytes, "row groups": held.group_bytes })
    }
}

pub fn columns_of(names: Option<&[String]>) -> Columns {
    names.map_or(Columns::All, |names| Columns::Named(names.to_vec()))
}
