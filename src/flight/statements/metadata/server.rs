//! What the server is and can do, as SqlInfo: a row for each number that is asked for, or for every number.

use arrow::array::RecordBatch;
use arrow_flight::error::Result as FlightResult;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{CommandGetSqlInfo, SqlInfo, SqlNullOrdering, SqlSupportedTransaction};

use crate::error::{Error, Result};

const YES: [SqlInfo; 10] = [
    SqlInfo::FlightSqlServerReadOnly,
    SqlInfo::FlightSqlServerSql,
    SqlInfo::FlightSqlServerCancel,
    SqlInfo::SqlAllTablesAreSelectable,
    SqlInfo::SqlSupportsColumnAliasing,
    SqlInfo::SqlSupportsTableCorrelationNames,
    SqlInfo::SqlSupportsExpressionsInOrderBy,
    SqlInfo::SqlSupportsOrderByUnrelated,
    SqlInfo::SqlCatalogAtStart,
    SqlInfo::SqlCorrelatedSubqueriesSupported,
];
const NO: [SqlInfo; 8] = [
    SqlInfo::FlightSqlServerSubstrait,
    SqlInfo::FlightSqlServerBulkIngestion,
    SqlInfo::FlightSqlServerIngestTransactionsSupported,
    SqlInfo::SqlDdlCatalog,
    SqlInfo::SqlDdlSchema,
    SqlInfo::SqlDdlTable,
    SqlInfo::SqlTransactionsSupported,
    SqlInfo::SqlSavepointsSupported,
];

/// The rows for a command.
pub(crate) fn server(asked: CommandGetSqlInfo) -> Result<RecordBatch> {
    let rows = all().and_then(|all| asked.into_builder(&all).build());
    rows.map_err(|error| Error::internal(error.to_string()))
}

fn all() -> FlightResult<SqlInfoData> {
    let mut infos = SqlInfoDataBuilder::new();
    infos.append(SqlInfo::FlightSqlServerName, env!("CARGO_PKG_NAME"));
    infos.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    infos.append(SqlInfo::FlightSqlServerArrowVersion, arrow::ARROW_VERSION);
    infos.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    // In milliseconds; 0 means no timeout, since a handle holds all of its state.
    infos.append(SqlInfo::FlightSqlServerStatementTimeout, 0);
    infos.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    infos.append(SqlInfo::SqlSearchStringEscape, "\\");
    infos.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32);
    infos.append(SqlInfo::SqlCatalogTerm, "catalog");
    infos.append(SqlInfo::SqlSchemaTerm, "schema");
    YES.into_iter().for_each(|info| infos.append(info, true));
    NO.into_iter().for_each(|info| infos.append(info, false));
    infos.build()
}
