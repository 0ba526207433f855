//! `diaflight maintain run`: keeps a warehouse in shape by itself. Now and then it looks at each table, does the merges that are due, and
//! once a day deletes the files that no version needs any more.
//!
//! Nothing is remembered from look to look: what is due follows from the tables. So it can be stopped at any time, and several may run at
//! once; where two do the same merge, one of them has done it in vain.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::{Instant, sleep_until};

use super::end::{self, Ended};
use super::upkeep_report::{DueMerge, DueMerges, TableUpkeep, UpkeepReport};
use crate::config::RunArgs;
use crate::error::{Error, Kind, Result};
use crate::log;
use crate::schema::Table;
use crate::warehouse::{Merge, MergePolicy, MergeProgress, VacuumOptions, Warehouse};

const DAY: Duration = Duration::from_secs(86_400);

/// Runs the command. Without `--once` it goes on until it is told to stop, which is no failure.
pub(super) async fn run(arguments: &RunArgs) -> Result<ExitCode> {
    let warehouse = Warehouse::open(&arguments.warehouse.url)?;
    let upkeep = Upkeep {
        warehouse: &warehouse,
        policy: MergePolicy {
            daily_bytes: arguments.budget_gib_per_day.saturating_mul(1 << 30),
            ..MergePolicy::DEFAULT
        },
        vacuum: VacuumOptions { grace: Duration::from_secs(arguments.grace_hours * 3600) },
    };
    if arguments.dry_run {
        super::print(&upkeep.due().await?, &arguments.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.once {
        let work = async { upkeep.look(true).await.into_result() };
        let print = async |report: UpkeepReport| {
            super::print(&report, &arguments.output)?;
            Ok(ExitCode::SUCCESS)
        };
        return end::clean(&warehouse, work).await?.then(print).await;
    }
    match end::clean(&warehouse, upkeep.go_on(arguments)).await? {
        Ended::Done(never) => match never {},
        Ended::Stopped(_) => Ok(ExitCode::SUCCESS),
    }
}

struct Upkeep<'a> {
    warehouse: &'a Warehouse,
    policy: MergePolicy,
    vacuum: VacuumOptions,
}

/// What came of a look at all tables. Where one fails, the others are looked at all the same.
struct Look {
    report: UpkeepReport,
    failed: Option<Error>,
}

impl Look {
    fn into_result(self) -> Result<UpkeepReport> {
        self.failed.map_or(Ok(self.report), Err)
    }
}

impl Upkeep<'_> {
    /// The merges that are due now.
    async fn due(&self) -> Result<DueMerges> {
        let mut due = Vec::new();
        for table in self.warehouse.tables().await? {
            let merges = self.warehouse.due_merges(table, &self.policy).await?;
            due.extend(merges.iter().map(|merge| DueMerge::new(table, merge)));
        }
        Ok(DueMerges(due))
    }

    /// Looks for ever. What fails is tried again at the next look: the store may be there again, or the first table.
    async fn go_on(&self, arguments: &RunArgs) -> Result<std::convert::Infallible> {
        let mut vacuum_at = Instant::now();
        loop {
            let begun = Instant::now();
            let vacuum_now = begun >= vacuum_at;
            let Look { report, failed } = self.look(vacuum_now).await;
            if report.has_merges() || vacuum_now && !report.tables.is_empty() {
                super::print(&report, &arguments.output)?;
            }
            match failed {
                Some(error) => tracing::warn!(%error, "tried again at the next look"),
                None if vacuum_now => vacuum_at = begun + DAY,
                None => {}
            }
            sleep_until(begun + Duration::from_secs(arguments.every_s)).await;
        }
    }

    /// Does the merges that are due, of one table after the other, and so on until none is; then vacuums.
    async fn look(&self, vacuum: bool) -> Look {
        let mut report = UpkeepReport { tables: BTreeMap::new() };
        let tables = match self.warehouse.tables().await {
            Ok(tables) => tables,
            Err(error) => return Look { report, failed: Some(error) },
        };
        let mut failed = None;
        let mut left: BTreeSet<_> = tables.iter().copied().collect();
        while !left.is_empty() {
            for table in tables.iter().filter(|table| left.contains(*table)).collect::<Vec<_>>() {
                let done = report.tables.entry(table.name()).or_default();
                match self.merge(*table, done).await {
                    Ok(true) => {}
                    Ok(false) => _ = left.remove(table),
                    Err(error) => {
                        left.remove(table);
                        failed.get_or_insert(error);
                    }
                }
            }
        }
        for table in tables.into_iter().filter(|_| vacuum) {
            match self.warehouse.vacuum(table, &self.vacuum).await {
                Ok(done) => report.tables.entry(table.name()).or_default().vacuumed = Some(done),
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        Look { report, failed }
    }

    /// Does one merge; `false` if none is due, or others are at work on the same files: then these are left to them.
    async fn merge(&self, table: Table, done: &mut TableUpkeep) -> Result<bool> {
        let bar =
            log::progress_bar("{msg} {bar:40} {decimal_bytes}/{decimal_total_bytes}, {eta} left")?;
        bar.set_message(format!("merging {}", table.name()));
        let show = |progress: MergeProgress| show(&bar, progress);
        let merged = self.warehouse.merge_due(table, &self.policy, &show).await;
        bar.finish_and_clear();
        match merged {
            Ok(Some((merge, compacted))) => {
                tell(table, &merge);
                done.add(&merge, &compacted);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) if error.kind() == Kind::Conflict => {
                tracing::info!(table = table.name(), %error, "left to another writer");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

fn show(bar: &ProgressBar, MergeProgress { bytes, bytes_total }: MergeProgress) {
    bar.set_length(bytes_total);
    bar.set_position(bytes);
}

fn tell(table: Table, merge: &Merge) {
    let (table, files, bytes) = (table.name(), merge.files.len(), merge.bytes());
    let (from, to) = (u8::from(merge.from), u8::from(merge.to));
    tracing::info!(table, files, bytes, from, to, range = merge.range, why = merge.why, "merged");
}
