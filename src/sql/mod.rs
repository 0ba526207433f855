//! SQL for maintainers and tools: any statement over the tables that only reads. Its text is planned as a [`Statement`], which gives its
//! rows as a stream.
//!
//! [`Sql::prepare`] takes or makes the [`session`] of the snapshots that the statement reads; their tables, views and older versions are in
//! the [`catalog`]. The [`statement`] is planned, and refused unless it only reads. It runs on the workers, within limits of memory,
//! temporary files and time; only so many statements run at once.

mod catalog;
mod extent;
mod growing;
mod placeholders;
mod plain_types;
mod positional;
mod session;
mod sizes;
mod statement;
mod steps;
mod stoppable;
mod versions;

use std::sync::Arc;

use parking_lot::Mutex;

pub use catalog::{Relation, RelationKind};
pub use session::{CATALOG, SCHEMA, SqlOptions};
pub use statement::{Statement, StatementParameter};
pub use versions::SqlVersions;

use self::session::Session;
use crate::error::Result;
use crate::limits::{Gate, GateUse};
use crate::query::Engine;
use crate::schema::Table;
use crate::workers::Workers;

/// Plans and runs statements. Cheap to clone: all clones share the limits.
#[derive(Clone)]
pub struct Sql {
    engine: Engine,
    workers: Workers,
    gate: Gate,
    /// Limits how many statements are planned at the same time, since nothing can stop the planning of one.
    planning: Gate,
    options: SqlOptions,
    environment: session::Environment,
    /// The session that was used last. Most statements read the newest snapshots, and share it.
    last: Arc<Mutex<Option<Arc<Session>>>>,
}

/// What the statements that run use now.
#[derive(Clone, Copy, Debug)]
pub struct SqlUse {
    /// Memory for sorts, joins and groups.
    pub memory_bytes: usize,
    /// The most that this may be.
    pub memory_limit_bytes: usize,
    /// Temporary files.
    pub temp_bytes: u64,
    /// The most that these may take.
    pub temp_limit_bytes: u64,
}

impl Sql {
    /// Statements over the tables of `engine`, run on `workers`.
    pub fn new(engine: Engine, workers: Workers, options: &SqlOptions) -> Result<Self> {
        let environment = session::environment(&engine, options)?;
        let gate = |work| {
            Gate::new(work, options.max_concurrent_statements, options.queue_limit)
                .with_setting("--max-concurrent-statements")
        };
        let (gate, planning) = (gate("statements"), gate("statements being planned"));
        let options = options.clone();
        Ok(Self { engine, workers, gate, planning, options, environment, last: Arc::default() })
    }

    /// Tables and views, as of the newest snapshots.
    pub async fn relations(&self) -> Result<Vec<Relation>> {
        self.session(None).await?.relations().await
    }

    /// Plans one statement against the snapshots named, or the newest ones. Its parameters are `$1`, `$2` and so on, or `?`.
    /// Errors: `Argument` for what does not parse, reads what is not there or would change anything; `TooLarge` for what would take
    /// too long to plan; `Busy` where too many are being planned.
    pub async fn prepare(&self, text: &str, versions: Option<&SqlVersions>) -> Result<Statement> {
        let place = self.planning.enter().await?;
        let session = self.session(versions).await?;
        let text = text.to_string();
        let run = statement::Execution {
            workers: self.workers.clone(),
            gate: self.gate.clone(),
            time_limit: self.options.time_limit,
        };
        // To plan a long statement takes time, so a worker does it.
        let planned = async move {
            let _place = place;
            Statement::plan(session, text, run).await
        };
        self.workers.run(planned).await
    }

    /// How the gates are used.
    pub fn gates(&self) -> [GateUse; 2] {
        [self.gate.usage(), self.planning.usage()]
    }

    /// How memory and temporary files are used.
    pub fn usage(&self) -> SqlUse {
        SqlUse {
            memory_bytes: self.environment.memory_pool.reserved(),
            memory_limit_bytes: self.options.memory_bytes,
            temp_bytes: self.environment.disk_manager.used_disk_space(),
            temp_limit_bytes: self.options.temp_bytes,
        }
    }

    async fn session(&self, versions: Option<&SqlVersions>) -> Result<Arc<Session>> {
        let newest = self.engine.tables();
        let asked = versions.cloned().unwrap_or_else(|| SqlVersions::from_tables(&newest));
        let last = self.last.lock().clone();
        if let Some(last) = last.filter(|last| last.versions == asked) {
            return Ok(last);
        }
        let mut tables = Vec::new();
        for table in Table::ALL {
            if let Some(version) = asked.get(table) {
                tables.push(self.engine.table(table, Some(&version)).await?);
            }
        }
        let session = Session::new(&self.engine, &self.environment, tables, asked).await?;
        let session = Arc::new(session);
        *self.last.lock() = Some(session.clone());
        Ok(session)
    }
}
