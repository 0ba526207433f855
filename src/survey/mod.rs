//! A synthetic survey with the real columns: seeded, in constant memory, written straight to a warehouse.
//!
//! In: a number of objects and a seed. Out: rows of the three tables in the order of the warehouse's files:
//! [`plan`] says where the camera looks and when, [`object`] lives each object through its visits,
//! [`batches`] puts them in order and makes columns.

mod batches;
mod camera;
mod columns;
mod field;
mod light_curve;
mod matches;
mod object;
mod object_columns;
mod plan;
mod rows;
mod source_columns;
mod summary;
mod visit;

pub use batches::{Survey, SurveyBatch};
