//! Errors of libraries as ours. In: an error of a store, of Arrow, Parquet, DataFusion, Flight or Delta. Out: an [`Error`] whose kind
//! is that of the cause, however many wrappers are around it: see [`Cause`].

use std::io;
use std::iter::successors;
use std::sync::Arc;

use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;

use super::{Error, Kind};

impl Error {
    /// What DataFusion says of a statement or expression that a client wrote: unless the fault is elsewhere, it is theirs to
    /// mend, and over the limit of memory or temporary files it asks for too much.
    pub fn of_statement(error: DataFusionError) -> Self {
        use DataFusionError as D;
        let kind = match (Cause::of(&error), error.find_root()) {
            (Some(Cause::Ours(_)), _) => return Self::from(error),
            // A file that is gone, too, is no fault of the statement.
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
            // A predicate that the Parquet reader could not compute.
            (None, D::ParquetError(_)) => Kind::Argument,
            (None, _) => return Self::from(error),
        };
        Self::new(kind, error.strip_backtrace())
    }

    /// Whether a query found no memory or no temporary files left: tables are read through stores, whose errors are known as theirs.
    pub fn is_exhausted(error: &DataFusionError) -> bool {
        match Cause::of(error) {
            Some(cause) => matches!(cause, Cause::Exhausted),
            None => is_of_spill(error.find_root()),
        }
    }

    fn from_source(kind: Kind, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let message = source.to_string().replace('\n', " ");
        Self { kind, message, source: Some(Box::new(source)) }
    }

    /// What the cause of a library's error says; without one, the error is of the kind `otherwise`.
    fn from_cause(otherwise: Kind, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        let kind = match Cause::of(&error) {
            Some(Cause::Ours(ours)) => return Self::new(ours.kind, ours.message.clone()),
            Some(Cause::Store(store)) => kind_of_store(store),
            Some(Cause::Exhausted) => return Self::new(Kind::Busy, EXHAUSTED),
            None => otherwise,
        };
        Self::from_source(kind, error)
    }
}

/// Where a query finds no memory or no temporary files left: which of its operators asked is nothing to its client.
const EXHAUSTED: &str =
    "over capacity: the memory and temporary files for answers are in use; try again";

/// A cause that knows what there is to do about an error. DataFusion, Arrow, Parquet and Flight wrap each other's errors and
/// those of others (`External`, `Shared`, `Context`, an `io::Error` around another error); the wrappers know nothing.
enum Cause<'a> {
    Ours(&'a Error),
    Store(&'a object_store::Error),
    /// Memory or temporary files.
    Exhausted,
}

impl<'a> Cause<'a> {
    /// The first one from the outside.
    fn of(error: &'a (dyn std::error::Error + 'static)) -> Option<Self> {
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

/// The next error below. The source of an `Arc` or an `io::Error` is that of the error within, not that error.
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

/// Whether an error is one of files of the machine: a spill finds no room left on the disk or in its quota, or no file handle.
fn is_of_spill(error: &DataFusionError) -> bool {
    match error {
        DataFusionError::IoError(_) => true,
        DataFusionError::ArrowError(arrow, _) => matches!(**arrow, ArrowError::IoError(..)),
        _ => false,
    }
}

/// Whether a Parquet file is not what it should be. The reader gives an error of a value that it computed, too: Arrow's own.
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

/// Whether a value is none of the type in which its column is served.
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
                Self::new(Kind::of_grpc_code(status.code()), status.message())
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
mod tests {
    use super::*;

    type Boxed = Box<dyn std::error::Error + Send + Sync>;

    fn lost() -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: "503 Slow Down".into() }
    }

    /// Every way in which libraries wrap an error on its way through a query, and some of them twice.
    fn wrapped(cause: fn() -> Boxed) -> Vec<DataFusionError> {
        use DataFusionError as D;
        let external = || D::External(cause());
        let arrow = || ArrowError::ExternalError(cause());
        let parquet = || ParquetError::External(cause());
        vec![
            external(),
            D::Shared(Arc::new(external())),
            D::External(Box::new(Arc::new(external()))),
            external().context("HashJoin build side"),
            D::from(arrow()),
            D::from(parquet()),
            D::from(ParquetError::External(Box::new(arrow()))),
            D::IoError(io::Error::other(cause())),
            D::from(ArrowError::from(io::Error::other(parquet()))),
            D::from(ArrowError::from(external())),
            D::External(Box::new(FlightError::ExternalError(cause()))),
            D::External(Box::new(FlightError::Arrow(arrow()))),
            D::Shared(Arc::new(D::from(parquet()).context("Parquet"))).context("join"),
            D::Collection(vec![external()]),
        ]
    }

    #[test]
    fn a_store_that_fails_is_no_bug_however_it_is_wrapped() {
        for of in [Error::from, Error::of_statement] {
            for error in wrapped(|| Box::new(lost())) {
                let name = format!("{error:?}");
                let error = of(error);
                assert_eq!(error.kind(), Kind::Storage, "{name}");
                assert_eq!(error.to_string().matches("503 Slow Down").count(), 1, "{error}");
            }
        }
    }

    #[test]
    fn our_own_errors_are_found_again_however_they_are_wrapped() {
        for of in [Error::from, Error::of_statement] {
            for error in wrapped(|| Box::new(Error::new(Kind::Timeout, "over the limit"))) {
                let error = of(error);
                assert_eq!(
                    (error.kind(), error.to_string().as_str()),
                    (Kind::Timeout, "over the limit")
                );
            }
        }
    }

    #[test]
    fn what_is_used_up_is_busy_in_our_words_and_of_a_statement_too_much() {
        let exhausted = || -> Boxed {
            Box::new(DataFusionError::ResourcesExhausted("ExternalSorter[0]".into()))
        };
        for error in wrapped(exhausted) {
            let error = Error::from(error);
            assert_eq!(error.kind(), Kind::Busy);
            assert!(error.to_string().starts_with("over capacity"), "{error}");
            assert!(!error.to_string().contains("ExternalSorter"), "{error}");
        }
        for error in wrapped(exhausted) {
            assert_eq!(Error::of_statement(error).kind(), Kind::TooLarge);
        }
    }

    #[test]
    fn a_spill_that_finds_no_room_is_exhausted_and_a_store_that_fails_is_not() {
        use DataFusionError as D;
        let quota = || io::Error::other("The used disk space has exceeded the allowable limit");
        let disk_full = || io::Error::from(io::ErrorKind::StorageFull);
        for error in [
            D::from(ArrowError::from(quota())),
            D::from(ArrowError::from(io::Error::from(D::IoError(disk_full())))),
            D::IoError(disk_full()),
            D::Shared(Arc::new(D::IoError(io::Error::from_raw_os_error(24)))),
            D::ResourcesExhausted("ExternalSorter[0]".into()).context("sort"),
        ] {
            assert!(Error::is_exhausted(&error), "{error:?}");
            assert_eq!(Error::of_statement(error).kind(), Kind::TooLarge);
        }
        for error in wrapped(|| Box::new(lost())) {
            assert!(!Error::is_exhausted(&error), "{error:?}");
        }
    }

    #[test]
    fn a_damaged_file_is_the_stores_and_a_value_is_the_clients() {
        let damaged = || ParquetError::General("unexpected end of page".into());
        for error in [
            DataFusionError::from(damaged()),
            DataFusionError::from(ArrowError::from(damaged())),
            DataFusionError::from(ParquetError::from(ArrowError::from(damaged()))),
        ] {
            assert_eq!(Error::of_statement(error).kind(), Kind::Storage);
        }
        let value = ParquetError::from(ArrowError::ComputeError("1 / 0".into()));
        assert_eq!(Error::of_statement(value.into()).kind(), Kind::Argument);
        assert_eq!(Error::from(DataFusionError::Internal("bug".into())).kind(), Kind::Internal);
        let cast = || ArrowError::CastError("x is no number".into());
        for error in [DataFusionError::from(cast()), ParquetError::from(cast()).into()] {
            assert_eq!(Error::from(error).kind(), Kind::Input);
        }
    }

    #[test]
    fn a_log_has_the_text_of_a_cause_once() {
        let error = Error::from(lost()).context("/sources/1.parquet");
        assert_eq!(format!("{error:?}").matches("503 Slow Down").count(), 1);
    }
}
