//! The corpus of the fuzz target `row_encoding` as a plain test.
#![allow(clippy::disallowed_methods, reason = "a test reads its corpus")]

extern crate everstore_shard as shard;

#[path = "../../../fuzz/properties/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/properties/row_encoding.rs"]
mod row_encoding;

#[test]
fn rows_hold_the_property() {
    corpus::each("row_encoding", row_encoding::check);
}
