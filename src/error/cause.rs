//! Converts errors of object_store, Arrow, Parquet, DataFusion, Flight and Delta into our [`Error`]. Its kind is that of the cause, however
//! many wrappers are around it: see [`Cause`].

use std::io;
use std::iter::successors;
use std::sync::Arc;

use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;

use super::{Error, Kind};

impl Error {
    /// The error of DataFusion for a statement or expression that a client wrote. Unless the cause is elsewhere it is an `Argument` error,
    /// and `TooLarge` if the statement ran out of memory or temporary files.
    pub fn from_statement(error: DataFusionError) -> Self {
        use DataFusionError as D;
        let kind = match (Cause::from_error(&error), error.find_root()) {
            (Some(Cause::Ours(_)), _) => return Self::from(error),
            // A file that is gone is not the statement's fault either.
            (Some(Cause::Store(_)), _) => Kind::Storage,
            (Some(Cause::Exhausted), _) => Kind::TooLarge,
            (None, root) if is_of_spill(root) => Kind::TooLarge,
            (None, root) if is_of_file(root) => return Self::from(error),
            (
                None,
                D::SQL(..)
                | D::Plan(_)
                | D::SchemaError(..)
                | D::NotImplemented(_)
                | D::Configuration(_)
                | D::Execution(_)
                | D::ArrowError(..),
            ) => Kind::Argument,
            // The Parquet reader could not compute a predicate of the statement.
            (None, D::ParquetError(_)) => Kind::Argument,
            (None, _) => return Self::from(error),
        };
        let text = error.find_root().strip_backtrace();
        match (kind, setting_of(&error)) {
            (Kind::TooLarge, Some(setting)) => {
                Self::new(kind, format!("{text} (the limit is set by {setting})"))
            }
            _ => Self::new(kind, text),
        }
    }

    /// Whether a query ran out of memory or temporary files. An I/O error must be of a spill: tables are read through stores, whose errors
    /// have their own type.
    pub fn is_exhausted(error: &DataFusionError) -> bool {
        match Cause::from_error(error) {
            Some(cause) => matches!(cause, Cause::Exhausted),
            None => is_of_spill(error.find_root()),
        }
    }

    fn from_source(kind: Kind, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let message = source.to_string();
        // The kernel of the Delta log appends a backtrace.
        let message =
            message.split("\n   0: ").next().unwrap_or(&message).trim().replace('\n', " ");
        Self { kind, message, source: Some(Box::new(source)) }
    }

    /// The error of a library, with the kind of its cause, or the kind `otherwise` if no cause is known.
    fn from_cause(otherwise: Kind, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        let kind = match Cause::from_error(&error) {
            Some(Cause::Ours(ours)) => return Self::new(ours.kind, ours.message.clone()),
            Some(Cause::Store(store)) => kind_of_store(store),
            Some(Cause::Exhausted) => return Self::new(Kind::Busy, EXHAUSTED),
            None => otherwise,
        };
        Self::from_source(kind, error)
    }
}

/// The error of a query that ran out of memory or temporary files. The operator that asked for it is not named.
const EXHAUSTED: &str = "over capacity: the memory and temporary files for answers are in use; try again (the memory is set by --memory-mib)";

/// The setting whose limit a statement has met. DataFusion has one kind of error for memory and for temporary files.
fn setting_of(error: &DataFusionError) -> Option<&'static str> {
    if error.find_root().strip_backtrace().contains("disk space during the spilling") {
        return Some("--sql-temp-mib");
    }
    matches!(Cause::from_error(error), Some(Cause::Exhausted)).then_some("--sql-memory-mib")
}

/// The innermost errors that determine a kind. DataFusion, Arrow, Parquet and Flight wrap each other's errors and those of others
/// (`External`, `Shared`, `Context`, an `io::Error` around another error); a wrapper says nothing about the kind.
enum Cause<'a> {
    Ours(&'a Error),
    Store(&'a object_store::Error),
    /// Memory or temporary files.
    Exhausted,
}

impl<'a> Cause<'a> {
    /// The outermost cause below the wrappers of an error.
    fn from_error(error: &'a (dyn std::error::Error + 'static)) -> Option<Self> {
        successors(Some(error), |error| below(*error)).find_map(|error| {
            if let Some(ours) = error.downcast_ref() {
                return Some(Cause::Ours(ours));
            }
            if let Some(store) = error.downcast_ref() {
                return Some(Cause::Store(store));
            }
            let exhausted = |error| matches!(error, &DataFusionError::ResourcesExhausted(_));
            error.downcast_ref().is_some_and(exhausted).then_some(Cause::Exhausted)
        })
    }
}

/// The error within a wrapper. `source()` of an `Arc` or an `io::Error` skips the error within, and gives its source.
fn below<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a (dyn std::error::Error + 'static)> {
    if let Some(shared) = error.downcast_ref::<Arc<DataFusionError>>() {
        return Some(&**shared);
    }
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(within) => Some(within),
        None => error.source(),
    }
}

fn kind_of_store(error: &object_store::Error) -> Kind {
    match error {
        object_store::Error::NotFound { .. } => Kind::NotFound,
        _ => Kind::Storage,
    }
}

/// Whether an I/O error is about the limits of the machine: a spill finds no space on the disk or in its quota, or no file handle.
fn is_of_spill(error: &DataFusionError) -> bool {
    match error {
        DataFusionError::IoError(_) => true,
        DataFusionError::ArrowError(arrow, _) => matches!(**arrow, ArrowError::IoError(..)),
        _ => false,
    }
}

/// Whether an error is about a damaged Parquet file. The reader also passes on Arrow's errors about values that it computed.
fn is_of_file(error: &DataFusionError) -> bool {
    let is_damage = |error: &ArrowError| matches!(error, ArrowError::ParquetError(_));
    match error {
        DataFusionError::ArrowError(arrow, _) => is_damage(arrow),
        DataFusionError::ParquetError(parquet) => match &**parquet {
            ParquetError::External(inner) => inner.downcast_ref().is_none_or(is_damage),
            _ => true,
        },
        _ => false,
    }
}

/// Whether a value cannot be cast to the type in which its column is served.
fn is_of_value(error: &DataFusionError) -> bool {
    let is_cast = |error: &ArrowError| matches!(error, ArrowError::CastError(_));
    match error {
        DataFusionError::ArrowError(arrow, _) => is_cast(arrow),
        DataFusionError::ParquetError(parquet) => match &**parquet {
            ParquetError::External(inner) => inner.downcast_ref().is_some_and(is_cast),
            _ => false,
        },
        _ => false,
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        Self::from_source(kind_of_store(&error), error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::from_cause(Kind::Storage, error)
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        Self::from_cause(Kind::Internal, error)
    }
}

impl From<ParquetError> for Error {
    fn from(error: ParquetError) -> Self {
        Self::from_cause(Kind::Internal, error)
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        let kind = match error.find_root() {
            root if is_of_file(root) => Kind::Storage,
            root if is_of_value(root) => Kind::Input,
            _ => Kind::Internal,
        };
        Self::from_cause(kind, error)
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<FlightError> for Error {
    fn from(error: FlightError) -> Self {
        match error {
            FlightError::Tonic(status) => {
                Self::new(Kind::from_grpc_code(status.code()), status.message())
            }
            other => Self::from_cause(Kind::Internal, other),
        }
    }
}

impl From<deltalake_core::DeltaTableError> for Error {
    fn from(error: deltalake_core::DeltaTableError) -> Self {
        use deltalake_core::DeltaTableError as D;
        use deltalake_core::kernel::transaction::TransactionError as T;
        match error {
            D::ObjectStore { source } => Self::from(source),
            D::NotATable(_) => Self::from_source(Kind::NotFound, error),
            D::VersionAlreadyExists(_)
            | D::Transaction { source: T::CommitConflict(_) | T::MaxCommitAttempts(_) } => {
                Self::from_source(Kind::Conflict, error)
            }
            other => Self::from_source(Kind::Storage, other),
        }
    }
}

#[cfg(test)]
mod tests;
