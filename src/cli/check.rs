//! `diaflight maintain check`: says what is wrong with the files of a warehouse, and repairs it where that is wanted.

use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;

use serde::Serialize;

use super::end;
use crate::config::CheckArgs;
use crate::error::{Error, Kind, Result};
use crate::log;
use crate::schema::Table;
use crate::warehouse::{Checked, Finding, Flaw, Warehouse};

/// Something is wrong, and was not repaired.
const FOUND: u8 = 1;

/// Runs the command.
pub(super) async fn check(arguments: &CheckArgs) -> Result<ExitCode> {
    let warehouse = Warehouse::open(&arguments.warehouse.url)?;
    let work = async {
        let mut all = CheckReport(Checked::default());
        for table in warehouse.tables().await? {
            let spinner = log::spinner(&format!("reading {}", table.name()));
            let checked = match warehouse.check(table, arguments.repair).await {
                Ok(checked) => checked,
                // The other tables are checked all the same.
                Err(error) if error.kind() == Kind::Storage => unread(&warehouse, table, &error),
                Err(error) => return Err(error),
            };
            spinner.finish_and_clear();
            all.0.files += checked.files;
            all.0.bytes += checked.bytes;
            all.0.findings.extend(checked.findings);
        }
        Ok(all)
    };
    let report = end::clean(&warehouse, work).await?;
    let print = async |report: CheckReport| {
        super::print(&report, &arguments.output)?;
        let left = report.0.findings.iter().any(|finding| finding.repaired.is_none());
        Ok(if left { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
    };
    report.then(print).await
}

/// A table whose log cannot be read.
fn unread(warehouse: &Warehouse, table: Table, error: &Error) -> Checked {
    let file = format!("/{}/{}/_delta_log", warehouse.location().prefix, table.name());
    let what = format!("the log cannot be read, and so none of its files: {error}");
    let (table, flaw) = (table.name(), Flaw::Unreachable);
    Checked {
        findings: vec![Finding { table, file, flaw, what, repaired: None }],
        ..Checked::default()
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct CheckReport(Checked);

impl Display for CheckReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Checked { files, bytes, findings } = &self.0;
        for finding in findings {
            write!(f, "{}: {}: {}", finding.table, finding.file, finding.what)?;
            match &finding.repaired {
                Some(repaired) => writeln!(f, "; {repaired}")?,
                None => writeln!(f)?,
            }
        }
        write!(f, "{files} files read, {bytes} bytes; {} findings", findings.len())
    }
}
