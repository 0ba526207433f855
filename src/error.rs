//! The one error of the program. Every room returns it; this file alone knows which HTTP status, which gRPC
//! code and which exit code a kind becomes.

use std::fmt;

use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;
use tonic::Code;

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Say who you are: the token is missing or wrong.
    Unauthenticated,
    /// Change an argument: it is missing, of the wrong type or out of range.
    Argument,
    /// Change an input file or record: it is not what its place asks for.
    Input,
    /// Ask for something that exists.
    NotFound,
    /// Use one of the methods the path has.
    Method,
    /// Send or ask for less.
    TooLarge,
    /// Send JSON, and say so.
    MediaType,
    /// Try again later: over capacity.
    Busy,
    /// Try again later: nothing to serve yet.
    NotReady,
    /// Ask for less: over the time limit.
    Timeout,
    /// Start over: someone else changed the table first.
    Conflict,
    /// Look at the storage: it refused or failed.
    Storage,
    /// Report a bug.
    Internal,
}

impl Kind {
    /// The HTTP status code.
    pub fn http_status(self) -> u16 {
        match self {
            Kind::Argument | Kind::Input => 400,
            Kind::Unauthenticated => 401,
            Kind::NotFound => 404,
            Kind::Method => 405,
            Kind::TooLarge => 413,
            Kind::MediaType => 415,
            Kind::Busy => 429,
            Kind::NotReady | Kind::Storage => 503,
            Kind::Timeout => 504,
            Kind::Conflict | Kind::Internal => 500,
        }
    }

    /// The gRPC status code.
    pub fn grpc_code(self) -> Code {
        match self {
            Kind::Unauthenticated => Code::Unauthenticated,
            Kind::Argument | Kind::Input | Kind::MediaType => Code::InvalidArgument,
            Kind::NotFound => Code::NotFound,
            Kind::Method => Code::Unimplemented,
            Kind::TooLarge | Kind::Busy => Code::ResourceExhausted,
            Kind::NotReady | Kind::Storage => Code::Unavailable,
            Kind::Timeout => Code::DeadlineExceeded,
            Kind::Conflict | Kind::Internal => Code::Internal,
        }
    }

    /// What a server's gRPC status code says, as a kind: the way back from [`Kind::grpc_code`], as far as there is one.
    pub fn of_grpc_code(code: Code) -> Self {
        match code {
            Code::Unauthenticated | Code::PermissionDenied => Kind::Unauthenticated,
            Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => Kind::Argument,
            Code::NotFound => Kind::NotFound,
            Code::Unimplemented => Kind::Method,
            Code::ResourceExhausted => Kind::Busy,
            Code::Unavailable => Kind::NotReady,
            Code::DeadlineExceeded => Kind::Timeout,
            _ => Kind::Internal,
        }
    }

    /// The process exit code. 0 is success and 3 is "done, but some packets were refused".
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Argument | Kind::Unauthenticated => 2,
            Kind::Input | Kind::NotFound => 4,
            _ => 1,
        }
    }
}

/// An error with its kind, one line for a person, and the cause below it.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(Kind::Argument, message)
    }

    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Puts what was being done in front of the message: `reading a.avro: truncated block`.
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// The same error as another kind.
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// What DataFusion says of a statement or expression that a client wrote: unless the fault is elsewhere, it is theirs to
    /// mend, and over the limit of memory or temporary files it asks for too much.
    pub fn of_statement(error: DataFusionError) -> Self {
        use DataFusionError as D;
        let kind = match error.find_root() {
            // A spill that finds no room left comes as an error of files.
            D::ResourcesExhausted(_) | D::IoError(_) => Kind::TooLarge,
            D::ArrowError(arrow, _) if matches!(**arrow, ArrowError::IoError(..)) => Kind::TooLarge,
            D::SQL(..)
            | D::Plan(_)
            | D::SchemaError(..)
            | D::NotImplemented(_)
            | D::Configuration(_)
            | D::Execution(_)
            | D::ArrowError(..) => Kind::Argument,
            // A predicate that the Parquet reader could not compute.
            D::ParquetError(inner) if is_of_values(inner) => Kind::Argument,
            _ => return Self::from(error),
        };
        Self::new(kind, error.strip_backtrace())
    }

    fn from_source(kind: Kind, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let message = source.to_string().replace('\n', " ");
        Self { kind, message, source: Some(Box::new(source)) }
    }
}

fn is_of_values(error: &ParquetError) -> bool {
    matches!(error, ParquetError::External(inner) if inner.is::<ArrowError>())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        let kind = match error {
            object_store::Error::NotFound { .. } => Kind::NotFound,
            _ => Kind::Storage,
        };
        Self::from_source(kind, error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::from_source(Kind::Storage, error)
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        Self::from_source(Kind::Internal, error)
    }
}

impl From<ParquetError> for Error {
    fn from(error: ParquetError) -> Self {
        Self::from_source(Kind::Internal, error)
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        use DataFusionError as D;
        match error {
            D::External(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(inner) => Self::from_source(Kind::Internal, D::External(inner)),
            },
            D::ResourcesExhausted(_) => Self::from_source(Kind::Busy, error),
            D::ObjectStore(inner) => Self::from(*inner),
            other => Self::from_source(Kind::Internal, other),
        }
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
            other => Self::from_source(Kind::Internal, other),
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
