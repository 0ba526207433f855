//! `diaflight maintain run`: keeps a warehouse in shape by itself. Now and then it looks at each table, does the merges that are due, and
//! once a day tidies its log and deletes the files that no version needs any more.
//!
//! Nothing is remembered from look to look: what is due follows from the tables. So it can be stopped at any time, and several may run at
//! once; where two do the same merge, one of them has done it in vain.

use std::collections::BTreeMap;
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
        vacuum: VacuumOptions {
            grace: Duration::from_secs(arguments.grace_hours.saturating_mul(3600)),
        },
    };
    if arguments.dry_run {
        super::print(&upkeep.due().await?, &arguments.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.once {
        let print = async |report: UpkeepReport| {
            super::print(&report, &arguments.output)?;
            Ok(ExitCode::SUCCESS)
        };
        return end::clean(&warehouse, upkeep.once()).await?.then(print).await;
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

/// What came of a look at all tables. Where one fails, the others are looked at all the same. Each failure is in the log; the first is
/// kept.
#[derive(Default)]
struct Look {
    report: UpkeepReport,
    failed: Option<Error>,
}

impl Look {
    fn of(&mut self, table: Table) -> &mut TableUpkeep {
        self.report.tables.entry(table.name()).or_default()
    }

    fn failed(&mut self, error: Error) {
        self.failed.get_or_insert(error);
    }

    fn into_result(self) -> Result<UpkeepReport> {
        self.failed.map_or(Ok(self.report), Err)
    }
}

/// The tables at which there may be something to merge, each with the merges that failed in this look, or were left to others.
type Left = BTreeMap<Table, Vec<Merge>>;

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

    /// All that is due now, and then each table is cleaned.
    async fn once(&self) -> Result<UpkeepReport> {
        let mut look = Look::default();
        let tables = self.warehouse.tables().await?;
        let mut left: Left = tables.iter().map(|table| (*table, Vec::new())).collect();
        while !left.is_empty() {
            self.merge_each(&mut left, &mut look).await?;
        }
        for table in tables {
            self.clean(table, &mut look).await;
        }
        look.into_result()
    }

    /// Looks for ever. What fails is tried again at the next look: the store may be there again, or the first table. A table is cleaned
    /// once a day, also while merges fail, or are so many that the look takes longer than that.
    async fn go_on(&self, arguments: &RunArgs) -> Result<std::convert::Infallible> {
        let every = Duration::from_secs(arguments.every_s);
        let mut clean_at: BTreeMap<Table, Instant> = BTreeMap::new();
        loop {
            let (begun, mut look) = (Instant::now(), Look::default());
            let tables = self.warehouse.tables().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "tried again at the next look");
                Vec::new()
            });
            let mut left: Left = tables.iter().map(|table| (*table, Vec::new())).collect();
            while !left.is_empty() {
                self.merge_each(&mut left, &mut look).await?;
                for table in &tables {
                    if clean_at.get(table).is_none_or(|at| *at <= Instant::now()) {
                        let done = self.clean(*table, &mut look).await;
                        clean_at.insert(*table, Instant::now() + if done { DAY } else { every });
                    }
                }
            }
            if look.report.has_work() {
                super::print(&look.report, &arguments.output)?;
            }
            sleep_until(begun + every).await;
        }
    }

    /// Does one merge of each table at which there is one, and removes those at which there is none.
    async fn merge_each(&self, left: &mut Left, look: &mut Look) -> Result<()> {
        for table in left.keys().copied().collect::<Vec<_>>() {
            let passed_over = left.entry(table).or_default();
            if !self.merge(table, passed_over, look).await? {
                left.remove(&table);
            }
        }
        Ok(())
    }

    /// Does one merge; `false` if there is none left. One that fails, or is of files at which others are at work, is passed over from then
    /// on.
    async fn merge(
        &self,
        table: Table,
        passed_over: &mut Vec<Merge>,
        look: &mut Look,
    ) -> Result<bool> {
        let bar =
            log::progress_bar("{msg} {bar:40} {decimal_bytes}/{decimal_total_bytes}, {eta} left")?;
        bar.set_message(format!("merging {}", table.name()));
        let show = |progress: MergeProgress| show(&bar, progress);
        let merged = self.warehouse.merge_due(table, &self.policy, passed_over, &show).await;
        bar.finish_and_clear();
        let done = look.of(table);
        let (merge, error) = match merged {
            Ok(None) => return Ok(false),
            Ok(Some((merge, Ok(compacted)))) => {
                tell(table, &merge);
                done.add(&merge, &compacted);
                return Ok(true);
            }
            Ok(Some((merge, Err(error)))) => (merge, error),
            Err(error) => {
                tracing::warn!(table = table.name(), %error, "its merges are not known");
                look.failed(error);
                return Ok(false);
            }
        };
        let (name, files) = (table.name(), merge.files.len());
        let first = merge.files.first().map(|file| file.path.to_string());
        if error.kind() == Kind::Conflict {
            tracing::info!(table = name, files, first, %error, "left to another writer");
        } else {
            tracing::warn!(table = name, files, first, %error, "a merge failed; tried again at the next look");
            look.failed(error);
        }
        passed_over.push(merge);
        Ok(true)
    }

    /// Tidies the log of a table, deletes its unused files, and says whether both were done.
    async fn clean(&self, table: Table, look: &mut Look) -> bool {
        let cleaned = async {
            let log_files_deleted = self.warehouse.tidy_log(table, &self.vacuum).await?;
            Ok((log_files_deleted, self.warehouse.vacuum(table, &self.vacuum).await?))
        };
        match cleaned.await {
            Ok((log_files_deleted, done)) => look.of(table).add_cleaned(log_files_deleted, &done),
            Err(error) => {
                tracing::warn!(table = table.name(), %error, "not all of its unused files were deleted");
                look.failed(error);
                return false;
            }
        }
        true
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
