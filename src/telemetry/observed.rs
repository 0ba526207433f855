//! What the server holds and what is known of the tables, at the time of each scrape.

use std::fmt::{self, Debug, Formatter};
use std::time::UNIX_EPOCH;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use crate::limits::Limits;
use crate::query::{Engine, EngineUse, ServedSnapshot, TableLooks, TableUse};
use crate::sql::{Sql, SqlUse};

/// The parts of a server that are looked at.
pub struct Observed {
    /// Answers queries.
    pub engine: Engine,
    /// Answers statements.
    pub sql: Sql,
    /// The limits of requests.
    pub limits: Limits,
    /// Cancelled when the server is to stop.
    pub stopping: CancellationToken,
}

impl Debug for Observed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Observed")
    }
}

impl Collector for Observed {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut lines = Lines::new(encoder);
        lines.info("build", "The program", ("version", env!("CARGO_PKG_VERSION")))?;
        let ready = self.engine.ready().is_ok() && !self.stopping.is_cancelled();
        let ready = u8::from(ready);
        lines.gauge("ready", "Whether /health/ready answers 200", None, ready.into())?;
        tables(&mut lines, &self.engine.table_uses())?;
        let (engine, sql) = (self.engine.usage(), self.sql.usage());
        caches(&mut lines, &engine)?;
        let gates = self.limits.gates().into_iter().chain(self.sql.gates());
        lines.gates(&gates.collect::<Vec<_>>())?;
        let bytes = Some(Unit::Bytes);
        let help = "Temporary files of statements";
        lines.gauge("temporary_files", help, bytes.clone(), sql.temp_bytes as f64)?;
        let (help, most) = ("Most that temporary files may take", sql.temp_limit_bytes);
        lines.gauge("temporary_files_limit", help, bytes, most as f64)?;
        self.memory(&mut lines, &engine, &sql)
    }
}

impl Observed {
    /// Memory that has a limit, by what it is for.
    fn memory(&self, lines: &mut Lines<'_>, engine: &EngineUse, sql: &SqlUse) -> fmt::Result {
        let options = self.engine.options();
        let pools = [
            ("statements", sql.memory_bytes, sql.memory_limit_bytes),
            ("spare memory of large answers", engine.spare_bytes, options.spare_bytes),
            ("index of row groups", engine.index.group_bytes, options.index_bytes),
            ("footers", engine.footer_bytes, options.footer_cache_bytes),
        ];
        let budgets = self.limits.budgets();
        let budgets = budgets.map(|budget| (budget.what, budget.taken_bytes, budget.most_bytes));
        let pools: Vec<_> = pools.into_iter().chain(budgets).collect();
        let used = pools.iter().map(|(pool, used, _)| (*pool, *used as f64));
        let bytes = Some(Unit::Bytes);
        lines.gauges("memory", "Memory that has a limit", bytes.clone(), "pool", used)?;
        let limits = pools.iter().map(|(pool, _, limit)| (*pool, *limit as f64));
        lines.gauges("memory_limit", "The limits of memory", bytes, "pool", limits)
    }
}

fn tables(lines: &mut Lines<'_>, tables: &[TableUse]) -> fmt::Result {
    let mut served = |name, help, unit, figure: fn(&ServedSnapshot) -> Option<f64>| {
        let figures = tables
            .iter()
            .filter_map(|table| Some((table.table.name(), figure(table.snapshot.as_ref()?)?)));
        lines.gauges(name, help, unit, "table", figures)
    };
    served("table_version", "Version that is served", None, |served| Some(served.version as f64))?;
    served("table_files", "Files of this version", None, |served| Some(served.files as f64))?;
    let bytes = Some(Unit::Bytes);
    served("table", "Size of these files", bytes, |served| Some(served.bytes as f64))?;
    let help = "When the rows were last changed";
    served("table_change_timestamp", help, Some(Unit::Seconds), |served| {
        Some(served.changed?.timestamp_millis() as f64 / 1e3)
    })?;
    let looks = |figure: fn(&TableLooks) -> f64| {
        tables.iter().map(move |table| (table.table.name(), figure(&table.looks)))
    };
    let help = "Files of this version that are not in the storage";
    lines.gauges(
        "table_missing_files",
        help,
        None,
        "table",
        looks(|looks| looks.missing_files as f64),
    )?;
    let help = "When the table was last looked at with success";
    let succeeded = looks(|looks| {
        let since = looks.succeeded.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        since.map_or(0.0, |since| since.as_secs_f64())
    });
    lines.gauges("table_refresh_timestamp", help, Some(Unit::Seconds), "table", succeeded)?;
    let help = "Looks at the table that failed";
    lines.counters(
        "table_refresh_failures",
        help,
        "table",
        tables.iter().map(|table| (table.table.name(), table.looks.failures)),
    )
}

fn caches(lines: &mut Lines<'_>, engine: &EngineUse) -> fmt::Result {
    let index = &engine.index;
    for (name, help, unit, figure) in [
        ("index_files", "Files in the key index", None, index.files),
        ("index_files", "Memory of the key index of files", Some(Unit::Bytes), index.file_bytes),
        (
            "index_row_groups",
            "Row groups whose pages are cached, and files whose filter of objects is",
            None,
            index.groups,
        ),
        ("footer_cache_entries", "Parquet footers cached for scans", None, engine.footers),
    ] {
        lines.gauge(name, help, unit, figure as f64)?;
    }
    for (name, help, figure) in [
        ("index_hits", "Row groups looked up whose page index was cached", index.hits),
        ("index_reads", "Row groups whose page index was read", index.reads),
        ("plan_hits", "Lookups whose plan was cached", engine.plan_hits),
        ("plans_made", "Plans made for lookups", engine.plans_made),
    ] {
        lines.counter(name, help, figure as u64)?;
    }
    Ok(())
}
