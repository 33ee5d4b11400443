//! What several tests share.
#![allow(dead_code, reason = "each test is a program of its own and uses its part")]

pub mod legacy;
pub mod values;

use rdb::Value;

/// The value with what has no order in order.
pub fn sorted(mut value: Value) -> Value {
    match &mut value {
        Value::Set(members) => members.sort(),
        Value::Hash(pairs) => pairs.sort(),
        Value::SortedSet(members) => members.sort_by(|a, b| a.0.cmp(&b.0)),
        Value::Stream(stream) => {
            stream.groups.sort_by(|a, b| a.name.cmp(&b.name));
            stream.groups.iter_mut().for_each(|group| group.consumers.sort_by(|a, b| a.name.cmp(&b.name)));
        }
        Value::String(_) | Value::List(_) => {}
    }
    value
}
