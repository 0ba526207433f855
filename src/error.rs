//! The one error of the program. Every room returns it; this file alone knows which HTTP status, which gRPC
//! code and which exit code a kind becomes.

mod cause;

use std::fmt;

use tonic::Code;

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Send the token: it is missing or wrong.
    Unauthenticated,
    /// Change an argument: it is missing, of the wrong type or out of range.
    Argument,
    /// Change an input file or record: it is not valid.
    Input,
    /// Ask for something that exists.
    NotFound,
    /// Ask again from the start: what a ticket names has changed since.
    Gone,
    /// Use one of the HTTP methods of the path.
    Method,
    /// Send or ask for less data.
    TooLarge,
    /// Send JSON, with its media type.
    MediaType,
    /// Try again later: over capacity.
    Busy,
    /// Try again later: nothing to serve yet.
    NotReady,
    /// Ask for less: over the time limit.
    Timeout,
    /// Send the request faster.
    TooSlow,
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
            Kind::TooSlow => 408,
            Kind::Gone => 410,
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
            Kind::Gone => Code::FailedPrecondition,
            Kind::Method => Code::Unimplemented,
            Kind::TooLarge | Kind::Busy => Code::ResourceExhausted,
            Kind::NotReady | Kind::Storage => Code::Unavailable,
            Kind::Timeout | Kind::TooSlow => Code::DeadlineExceeded,
            Kind::Conflict | Kind::Internal => Code::Internal,
        }
    }

    /// The kind of a gRPC status code that a server sent: the inverse of [`Kind::grpc_code`], as far as there is one.
    pub fn from_grpc_code(code: Code) -> Self {
        match code {
            Code::Unauthenticated | Code::PermissionDenied => Kind::Unauthenticated,
            Code::InvalidArgument | Code::OutOfRange => Kind::Argument,
            Code::FailedPrecondition => Kind::Gone,
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

/// An error: its kind, and a message of one line that includes the text of its source.
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A result with our [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// An error about an argument, which the message names.
    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(Kind::Argument, message)
    }

    /// An error about an input file or record, which the message names.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// A bug.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// The kind of the error, by which its reader knows what to do.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Puts what was being done in front of the message: `reading a.avro: truncated block`.
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// The same error with another kind.
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }
}

/// The kind and the message. The source is left out: its text is in the message.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
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
