//! Which kind an error has, however it is wrapped.

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
    for of in [Error::from, Error::from_statement] {
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
    for of in [Error::from, Error::from_statement] {
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
    let exhausted =
        || -> Boxed { Box::new(DataFusionError::ResourcesExhausted("ExternalSorter[0]".into())) };
    for error in wrapped(exhausted) {
        let error = Error::from(error);
        assert_eq!(error.kind(), Kind::Busy);
        assert!(error.to_string().starts_with("over capacity"), "{error}");
        assert!(!error.to_string().contains("ExternalSorter"), "{error}");
    }
    for error in wrapped(exhausted) {
        let error = Error::from_statement(error);
        assert_eq!(error.kind(), Kind::TooLarge);
        assert!(error.to_string().contains("--sql-memory-mib"), "{error}");
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
        assert_eq!(Error::from_statement(error).kind(), Kind::TooLarge);
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
        assert_eq!(Error::from_statement(error).kind(), Kind::Storage);
    }
    let value = ParquetError::from(ArrowError::ComputeError("1 / 0".into()));
    assert_eq!(Error::from_statement(value.into()).kind(), Kind::Argument);
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
