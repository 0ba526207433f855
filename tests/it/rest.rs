//! The REST API and the pages as a client sees them: over a socket, against tables in memory.

mod answers;
mod documented;
mod errors;
mod pages;
mod pages_of_places;
mod survey;
mod warnings;
