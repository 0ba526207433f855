//! The REST API as a client sees it: over a socket, against tables in memory.

mod answers;
mod documented;
mod errors;
mod survey;
