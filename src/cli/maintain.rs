//! `diaflight maintain`: keeps the files of a warehouse few, big and needed, and versions by name.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use super::check::check;
use super::{end, upkeep};
use crate::config::{ForgetArgs, Maintenance, NameArgs};
use crate::error::{Error, Result};
use crate::log;
use crate::schema::Table;
use crate::warehouse::{Compacted, MergePolicy, NotedPlaces, VacuumOptions, Vacuumed, Warehouse};

/// Runs the command.
pub async fn maintain(work: Maintenance) -> Result<ExitCode> {
    let (url, output) = match &work {
        Maintenance::Compact(arguments) => (&arguments.warehouse.url, &arguments.output),
        Maintenance::Vacuum(arguments) => (&arguments.warehouse.url, &arguments.output),
        Maintenance::Keep(arguments) => (&arguments.warehouse.url, &arguments.output),
        Maintenance::Forget(ForgetArgs { kept, .. }) => (&kept.warehouse.url, &kept.output),
        Maintenance::Places(arguments) => (&arguments.warehouse.url, &arguments.output),
        Maintenance::Check(arguments) => return check(arguments).await,
        Maintenance::Run(arguments) => return upkeep::run(arguments).await,
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
    let dry_run = match work {
        Maintenance::Compact(arguments) => arguments.dry_run,
        Maintenance::Vacuum(arguments) => arguments.dry_run,
        Maintenance::Forget(arguments) => arguments.dry_run,
        Maintenance::Keep(_)
        | Maintenance::Places(_)
        | Maintenance::Run(_)
        | Maintenance::Check(_) => false,
    };
    let mut report = Report { dry_run, tables: BTreeMap::new() };
    for table in tables_for(work, warehouse.tables().await?) {
        let spinner = log::spinner(&format!("maintaining {}", table.name()));
        let done = maintain_table(warehouse, table, work, dry_run).await?;
        spinner.finish_and_clear();
        report.tables.insert(table.name(), done);
    }
    Ok(report)
}

/// Those of the tables that there is work at. Nobody asks for a version of places, which only grow.
fn tables_for(work: &Maintenance, mut tables: Vec<Table>) -> Vec<Table> {
    match work {
        Maintenance::Keep(_) | Maintenance::Forget(_) => {
            tables.retain(|table| *table != Table::Places)
        }
        Maintenance::Places(_) => tables.retain(|table| table.has_places()),
        _ => {}
    }
    tables
}

async fn maintain_table(
    warehouse: &Warehouse,
    table: Table,
    work: &Maintenance,
    dry_run: bool,
) -> Result<Done> {
    Ok(match work {
        Maintenance::Compact(_) => {
            let policy = MergePolicy::DEFAULT;
            Done::Compacted(match dry_run {
                true => warehouse.would_compact(table, &policy).await?,
                false => warehouse.compact(table, &policy).await?,
            })
        }
        Maintenance::Vacuum(arguments) => {
            let options = VacuumOptions {
                grace: Duration::from_secs(arguments.grace_hours.saturating_mul(3600)),
            };
            Done::Vacuumed(match dry_run {
                true => warehouse.would_vacuum(table, &options).await?,
                false => warehouse.vacuum(table, &options).await?,
            })
        }
        Maintenance::Keep(NameArgs { name, .. }) => {
            Done::Kept { name: name.clone(), version: warehouse.keep(table, name).await? }
        }
        Maintenance::Forget(ForgetArgs { kept: NameArgs { name, .. }, .. }) => {
            let version = match dry_run {
                true => warehouse.kept(table, name).await?,
                false => warehouse.forget(table, name).await?,
            };
            Done::Forgotten { name: name.clone(), version }
        }
        Maintenance::Places(_) => Done::Noted(warehouse.note_places(table).await?),
        Maintenance::Run(_) | Maintenance::Check(_) => {
            return Err(Error::internal("it does not go through the tables one by one"));
        }
    })
}

/// What was done to each table, or would be.
#[derive(Serialize)]
#[serde(transparent)]
struct Report {
    #[serde(skip)]
    dry_run: bool,
    tables: BTreeMap<&'static str, Done>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Done {
    Compacted(Compacted),
    Vacuumed(Vacuumed),
    Noted(NotedPlaces),
    Kept { name: String, version: u64 },
    Forgotten { name: String, version: u64 },
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let would = if self.dry_run { "would be " } else { "" };
        let lines = self.tables.iter().map(|(table, done)| match done {
            Done::Compacted(Compacted { files_removed, rows, .. }) if self.dry_run => {
                format!("{table}: {files_removed} files would be merged, {rows} rows")
            }
            Done::Compacted(done) => format!(
                "{table}: {} files merged into {}, {} rows",
                done.files_removed, done.files_added, done.rows
            ),
            Done::Vacuumed(done) => {
                format!(
                    "{table}: {} files {would}deleted, {} bytes; {} unfinished uploads {would}ended",
                    done.files_deleted, done.bytes_deleted, done.uploads_ended
                )
            }
            Done::Noted(NotedPlaces { files, rows }) => {
                format!("{table}: the places of {files} files were added, of {rows} rows")
            }
            Done::Kept { name, version } => format!("{table}: version {version} is kept as {name}"),
            Done::Forgotten { name, version } if self.dry_run => {
                format!("{table}: version {version} would not be kept as {name} any more")
            }
            Done::Forgotten { name, version } => {
                format!("{table}: version {version} is not kept as {name} any more")
            }
        });
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}
