//! `diaflight table`: lists the versions of the tables, goes back to one of them, undoes one, and deletes rows that should not
//! be there.

use std::process::ExitCode;

use super::end;
use super::table_report::{Dry, TableReport};
use crate::astronomy::night_mjd_tai;
use crate::config::{DeleteArgs, LedgerArgs, RestoreArgs, TableWork, UndoArgs};
use crate::error::{Error, Result};
use crate::log;
use crate::schema::Table;
use crate::warehouse::{AsOf, Doomed, Warehouse};

/// Runs the command.
pub async fn table(work: TableWork) -> Result<ExitCode> {
    let (url, output) = match &work {
        TableWork::History(arguments) => (&arguments.warehouse.url, &arguments.output),
        TableWork::Restore(arguments) => (&arguments.warehouse.url, &arguments.output),
        TableWork::Undo(arguments) => (&arguments.warehouse.url, &arguments.output),
        TableWork::Delete(arguments) => (&arguments.warehouse.url, &arguments.output),
    };
    let warehouse = Warehouse::open(url)?;
    let spinner = log::spinner("reading the tables");
    let done = async {
        match &work {
            TableWork::History(arguments) => history(&warehouse, arguments).await,
            TableWork::Restore(arguments) => restore(&warehouse, arguments).await,
            TableWork::Undo(arguments) => undo(&warehouse, arguments).await,
            TableWork::Delete(arguments) => delete(&warehouse, arguments).await,
        }
    };
    let report = end::clean(&warehouse, done).await;
    spinner.finish_and_clear();
    let print = async |report: TableReport| {
        super::print(&report, output)?;
        Ok(ExitCode::SUCCESS)
    };
    report?.then(print).await
}

/// The table that is asked for, or all that exist. Places only grow.
async fn tables(warehouse: &Warehouse, one: Option<Table>) -> Result<Vec<Table>> {
    match one {
        Some(table) => Ok(vec![table]),
        None => {
            let served = warehouse.tables().await?.into_iter();
            Ok(served.filter(|table| *table != Table::Places).collect())
        }
    }
}

async fn history(warehouse: &Warehouse, arguments: &LedgerArgs) -> Result<TableReport> {
    let mut ledgers = Vec::new();
    for table in tables(warehouse, arguments.table).await? {
        let entries = warehouse.ledger(table, arguments.limit as usize).await?;
        ledgers.push((table.name(), entries));
    }
    Ok(TableReport::History(ledgers.into_iter().collect()))
}

async fn restore(warehouse: &Warehouse, arguments: &RestoreArgs) -> Result<TableReport> {
    let RestoreArgs { as_of, table, dry_run, .. } = arguments;
    if let (AsOf::Version(version), None) = (as_of, table) {
        return Err(Error::argument(format!(
            "{version} is a version of one table: name it with --table, or give a time or a name, which all tables are restored to"
        )));
    }
    let tables = tables(warehouse, *table).await?;
    let restored = warehouse.restore(&tables, as_of, *dry_run).await?;
    Ok(TableReport::Restored(Dry::new(*dry_run, restored)))
}

async fn undo(warehouse: &Warehouse, arguments: &UndoArgs) -> Result<TableReport> {
    let UndoArgs { version, table, dry_run, .. } = arguments;
    let undone = warehouse.undo(*table, *version, *dry_run).await?;
    Ok(TableReport::Undone(Dry::new(*dry_run, undone)))
}

async fn delete(warehouse: &Warehouse, arguments: &DeleteArgs) -> Result<TableReport> {
    let DeleteArgs { night, object, dry_run, .. } = arguments;
    let doomed = match (night, object) {
        (Some(date), _) => {
            let (from_mjd, to_mjd) = night_mjd_tai(*date).ok_or_else(|| {
                Error::argument(format!("--night {date}: give a day after 1972-01-01"))
            })?;
            Doomed::Night { from_mjd, to_mjd }
        }
        (None, Some(id)) => Doomed::Object(*id),
        (None, None) => return Err(Error::argument("give --night or --object")),
    };
    let deleted = warehouse.delete(&doomed, *dry_run).await?;
    Ok(TableReport::Deleted(Dry::new(*dry_run, deleted)))
}
