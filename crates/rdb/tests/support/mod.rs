//! What several tests share.
#![allow(dead_code, reason = "each test is a program of its own and uses its part")]

pub mod legacy;
pub mod values;

use rdb::Value;

/// The value with what has no order in order.
pub fn sorted(value: Value) -> Value {
    value.in_order()
}
