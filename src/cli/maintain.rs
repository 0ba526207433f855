//! `diaflight maintain`: keeps the files of a warehouse few, big and needed, and versions by name.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use super::end;
use crate::config::{Maintenance, NameArgs};
use crate::error::{Error, Result};
use crate::log;
use crate::schema::Table;
use crate::warehouse::{CompactOptions, Compacted, VacuumOptions, Vacuumed, Warehouse};

/// Runs the command.
pub async fn maintain(work: Maintenance) -> Result<ExitCode> {
    let (url, output) = match &work {
        Maintenance::Compact(arguments) => (&arguments.warehouse.url, &arguments.output),
        Maintenance::Vacuum(arguments) => (&arguments.warehouse.url, &arguments.output),
        Maintenance::Keep(arguments) | Maintenance::Forget(arguments) => {
            (&arguments.warehouse.url, &arguments.output)
        }
    };
    let warehouse = Warehouse::open(url)?;
    let report = end::clean(&warehouse, maintained(&warehouse, &work)).await?;
    let print = async |report: Report| {
        super::print(&report, output)?;
        Ok(ExitCode::SUCCESS)
    };
    report.then(print).await
}

async fn maintained(warehouse: &Warehouse, work: &Maintenance) -> Result<Report> {
    let mut report = Report::default();
    for table in existing(warehouse).await? {
        let done = match work {
            Maintenance::Compact(_) => {
                let spinner = log::spinner(&format!("compacting {}", table.name()));
                let done = warehouse.compact(table, &CompactOptions::default()).await?;
                spinner.finish_and_clear();
                Done::Compacted(done)
            }
            Maintenance::Vacuum(arguments) => {
                let grace = Duration::from_secs(arguments.grace_hours * 3600);
                let spinner = log::spinner(&format!("vacuuming {}", table.name()));
                let done = warehouse.vacuum(table, &VacuumOptions { grace }).await?;
                spinner.finish_and_clear();
                Done::Vacuumed(done)
            }
            Maintenance::Keep(NameArgs { name, .. }) => {
                Done::Kept { name: name.clone(), version: warehouse.keep(table, name).await? }
            }
            Maintenance::Forget(NameArgs { name, .. }) => Done::Forgotten {
                name: name.clone(),
                version: warehouse.forget(table, name).await?,
            },
        };
        report.tables.insert(table.name(), done);
    }
    Ok(report)
}

/// What was done to each table.
#[derive(Default, Serialize)]
#[serde(transparent)]
struct Report {
    tables: BTreeMap<&'static str, Done>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Done {
    Compacted(Compacted),
    Vacuumed(Vacuumed),
    Kept { name: String, version: u64 },
    Forgotten { name: String, version: u64 },
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let lines = self.tables.iter().map(|(table, done)| match done {
            Done::Compacted(done) => format!(
                "{table}: {} files merged into {}, {} rows",
                done.files_removed, done.files_added, done.rows
            ),
            Done::Vacuumed(done) => {
                format!(
                    "{table}: {} files deleted, {} bytes; {} unfinished uploads ended",
                    done.files_deleted, done.bytes_deleted, done.uploads_ended
                )
            }
            Done::Kept { name, version } => format!("{table}: version {version} is kept as {name}"),
            Done::Forgotten { name, version } => {
                format!("{table}: version {version} is not kept as {name} any more")
            }
        });
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

async fn existing(warehouse: &Warehouse) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for table in Table::ALL {
        if warehouse.snapshot(table, None).await?.is_some() {
            tables.push(table);
        }
    }
    if tables.is_empty() {
        let url = &warehouse.location().url;
        return Err(Error::argument(format!(
            "--warehouse {url}: there is no table; ingest alerts first"
        )));
    }
    Ok(tables)
}
