//! The settings of `diaflight table`. What selects rows or versions is a flag alone: a variable or a file that says what to delete would be
//! forgotten there.

use chrono::NaiveDate;
use clap::{ArgGroup, Args, Subcommand};

use super::{OutputArgs, WarehouseArg};
use crate::schema::Table;
use crate::warehouse::AsOf;

/// The arguments of `table`.
#[derive(Clone, Debug, Args)]
pub struct TableArgs {
    /// What to do.
    #[command(subcommand)]
    pub work: TableWork,
}

/// What `table` does.
#[derive(Clone, Debug, Subcommand)]
pub enum TableWork {
    /// List the versions of the tables, the newest first
    History(LedgerArgs),
    /// Bring back the rows of an older version, as a new version
    Restore(RestoreArgs),
    /// Undo one commit: what it added goes, and what it removed comes back
    Undo(UndoArgs),
    /// Delete a night or an object
    Delete(DeleteArgs),
}

/// The arguments of `table history`.
#[derive(Clone, Debug, Args)]
pub struct LedgerArgs {
    /// One table, in place of all
    #[arg(long, value_name = "TABLE", value_parser = table)]
    pub table: Option<Table>,
    /// Most versions of a table that are listed
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Which warehouse.
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The arguments of `table restore`.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// A version (12; with --table), a time (2026-11-23T01:00:00Z) or a name that was kept (dr1)
    #[arg(value_name = "VERSION|TIME|NAME", value_parser = as_of)]
    pub as_of: AsOf,
    /// One table, in place of all
    #[arg(long, value_name = "TABLE", value_parser = table)]
    pub table: Option<Table>,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Which warehouse.
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The arguments of `table undo`.
#[derive(Clone, Debug, Args)]
pub struct UndoArgs {
    /// The version that the commit made, as in the history
    #[arg(value_name = "VERSION")]
    pub version: u64,
    /// The table of that version
    #[arg(long, value_name = "TABLE", value_parser = table)]
    pub table: Table,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Which warehouse.
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The arguments of `table delete`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("doomed").required(true).args(["night", "object"]))]
pub struct DeleteArgs {
    /// The sources and the forced photometry of an observing night (day_obs, as in the view `nights`), and the objects that have no
    /// source left, with all of their forced photometry
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub night: Option<NaiveDate>,
    /// An object (diaObjectId), from all tables
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub object: Option<i64>,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Which warehouse.
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

fn table(name: &str) -> Result<Table, String> {
    let names = || Table::ALL.map(Table::name).join(", ");
    Table::from_name(name).ok_or_else(|| format!("there is no such table; there are {}", names()))
}

fn as_of(text: &str) -> Result<AsOf, String> {
    let wrong = "give a version (12), an RFC 3339 time (2026-11-23T01:00:00Z) or a name (dr1)";
    AsOf::parse(text).map_err(|_| wrong.to_string())
}
