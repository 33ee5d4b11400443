//! The promises, one file each.

pub mod durable;
pub mod exactly_once;
pub mod expiry;
pub mod exposure;
pub mod linearizable;
mod lost;
pub mod staleness;

/// Most operations shown for one violation.
const SHOWN: usize = 24;
