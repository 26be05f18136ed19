//! Whole columns of Arrow: buffers in, buffers out, no Python object per cell, and the interpreter released.
//!
//! What a buffer says is not trusted: every offset is checked, and texts are. Buffers may also be memory that others
//! change, so they are copied once, and nothing is read from them again.

mod array;
mod columns;
mod dates;
mod decimals;
mod groups;
mod numbers;
mod opening;
mod plaintexts;
mod rows;
mod sealing;
mod values;

pub use columns::Columns;
