//! Limits on how large a statement is, and on what it may grow into while it is planned. A statement over a limit is refused with an error
//! that names the limit.
//!
//! A statement is checked four times, each time before what the check protects:
//! - [`check_text`] once it is parsed. Its text is within [`bounds`](crate::plan::bounds) by then, so that it is safe to go through it as
//!   deep as it is.
//! - [`check_plan`] on its first plan, with the sizes of the types of what it computes ([`type_sizes`]); types that a text names, as
//!   `arrow_cast` takes them, are [`bounded`].
//! - [`check_values`] on the values of its parameters.
//! - [`CONSTANTS`] on the optimized plan, in which everything constant has been computed.

mod column_amounts;
mod constants;
mod plan;
mod text;
mod type_sizes;
mod type_texts;
mod values;

pub(crate) use constants::CONSTANTS;
pub(crate) use plan::check_plan;
pub(crate) use text::check_text;
pub(crate) use type_texts::bounded;
pub(crate) use values::check_values;

/// What errors say is too large.
const WHAT: &str = "the statement";
