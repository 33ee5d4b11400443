//! Each property with histories that must fail, and near misses that must pass.

use everstore_check as check;

mod chosen;
mod durable;
mod exactly_once;
mod expiry;
mod exposure;
mod linearizable;
mod lines;
mod script;
mod staleness;
