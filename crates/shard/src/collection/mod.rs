//! Collections: hashes, lists, sets, sorted sets and streams.
//!
//! A small one is packed into the value of its row (`packed`), a large one has an index in memory and rows of
//! its own for its elements (`large`). Which of the two it is, is local to a replica: both change by the same
//! [`model::change::Change`]s and have the same content.

mod cells;
mod change;
pub(crate) mod content;
mod counts;
mod due;
mod elements;
pub(crate) mod large;
mod limits;
pub(crate) mod list;
mod order;
pub(crate) mod packed;
pub(crate) mod score;
mod view;

pub use change::{Inverse, changed, encode_items};
pub(crate) use change::{Means, apply, revert};
pub use limits::Limits;
pub use packed::Builder;
pub use view::{Elements, Items, Pair, compare_pairs};
