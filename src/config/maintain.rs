//! The settings of `diaflight maintain`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{OutputArgs, WarehouseArg};
use crate::warehouse::{MergePolicy, VacuumOptions};

fn hours(time: Duration) -> u64 {
    time.as_secs() / 3600
}

/// The arguments of `maintain`.
#[derive(Clone, Debug, Args)]
pub struct MaintainArgs {
    /// What to do to the tables.
    #[command(subcommand)]
    pub work: Maintenance,
}

/// What `maintain` does.
#[derive(Clone, Debug, Subcommand)]
pub enum Maintenance {
    /// Keep the tables in shape until told to stop: merge the files that are due, and vacuum once a day
    Run(RunArgs),
    /// Merge small or overlapping files into big ones with disjoint key ranges
    Compact(CompactArgs),
    /// Delete files that no version within the grace period uses
    Vacuum(VacuumArgs),
    /// Keep the newest version of every table under a name, for `as_of`; vacuum does not delete its files
    Keep(NameArgs),
    /// Remove such a name; vacuum may then delete the files
    Forget(ForgetArgs),
    /// Add the places of sources that were written when there was no table of places: searches by position find them at once then
    Places(PlacesArgs),
    /// Read all files and say what is wrong with them
    Check(CheckArgs),
}

/// The arguments of `maintain keep`.
#[derive(Clone, Debug, Args)]
pub struct NameArgs {
    /// The name: a letter, then letters, digits, `_`, `-` and `.`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which warehouse.
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The arguments of `maintain run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Which warehouse.
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// Do all that is due now, and end
    #[arg(long, env = "DIAFLIGHT_ONCE")]
    pub once: bool,
    /// Only list the merges that are due
    #[arg(long)]
    pub dry_run: bool,
    /// How often to look at the tables, in seconds
    #[arg(long, value_name = "N", default_value_t = 60, env = "DIAFLIGHT_EVERY_S",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub every_s: u64,
    /// How many GiB of each table may be written within 24 hours to merge old rows. One such merge a day is done in any case, and
    /// those that cannot wait. Counted are the files of the base that are newer than a day, also what an ingest or a deletion left of one;
    /// merges of the last weeks' rows are not
    #[arg(long, value_name = "N", default_value_t = MergePolicy::DEFAULT.daily_bytes >> 30, env = "DIAFLIGHT_BUDGET_GIB_PER_DAY")]
    pub budget_gib_per_day: u64,
    /// How long removed files are kept, as for `maintain vacuum`
    #[arg(long, value_name = "HOURS", default_value_t = hours(VacuumOptions::DEFAULT.grace), env = "DIAFLIGHT_GRACE_HOURS")]
    pub grace_hours: u64,
    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The arguments of `maintain compact`.
#[derive(Clone, Debug, Args)]
pub struct CompactArgs {
    /// Which warehouse.
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The arguments of `maintain vacuum`.
#[derive(Clone, Debug, Args)]
pub struct VacuumArgs {
    /// Which warehouse.
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// How long removed files are kept for readers of older versions; at most as long as the log records when a file was removed,
    /// which is a property of the table: 7 days in a new one. Files that no version ever used are kept for at least a day, since a writer
    /// may be about to commit them
    #[arg(long, value_name = "HOURS", default_value_t = hours(VacuumOptions::DEFAULT.grace), env = "DIAFLIGHT_GRACE_HOURS")]
    pub grace_hours: u64,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The arguments of `maintain forget`.
#[derive(Clone, Debug, Args)]
pub struct ForgetArgs {
    /// Which name, and of which warehouse.
    #[command(flatten)]
    pub kept: NameArgs,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// The arguments of `maintain places`.
#[derive(Clone, Debug, Args)]
pub struct PlacesArgs {
    /// Which warehouse.
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The arguments of `maintain check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Which warehouse.
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// Repair what is found: delete files that no version names, sort files again, and take missing and damaged files out of the table.
    /// Their rows are lost unless they come back from a backup: check without --repair first
    #[arg(long)]
    pub repair: bool,
    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}
