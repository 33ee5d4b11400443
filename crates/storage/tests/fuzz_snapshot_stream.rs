//! The corpus of the fuzz target `snapshot_stream` as a plain test.
#![allow(clippy::disallowed_methods, reason = "a test reads its corpus")]

extern crate everstore_storage as storage;

#[path = "../../../fuzz/properties/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/properties/snapshot_stream.rs"]
mod snapshot_stream;

#[test]
fn streams_hold_the_property() {
    corpus::each("snapshot_stream", snapshot_stream::check);
}
