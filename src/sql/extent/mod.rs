//! How large a statement is, and what it may grow into while it is planned. In: a statement as it was parsed, its first plan, the values of
//! its parameters, and its plan once it is optimized. Out: nothing, or the error that names the limit that it is over.
//!
//! The [`text`] is within [`bounds`](crate::plan::bounds), so that it is safe to go through it as deep as it is. Then the [`plan`] is
//! looked at, with the [`types`] of what it computes. What is [`constant`] in it is counted where everything constant has been computed.

mod constant;
mod plan;
mod text;
mod type_texts;
mod types;
mod values;

pub use constant::Constants;
pub use plan::check_plan;
pub use text::check_text;
pub use type_texts::bounded;
pub use values::check_values;

/// What errors are about.
const WHAT: &str = "the statement";
