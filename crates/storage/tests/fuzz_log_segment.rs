//! The corpus of the fuzz target `log_segment` as a plain test.
#![allow(clippy::disallowed_methods, reason = "a test reads its corpus")]

extern crate everstore_storage as storage;

#[path = "../../../fuzz/properties/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/properties/log_segment.rs"]
mod log_segment;

#[test]
fn logs_hold_the_property() {
    corpus::each("log_segment", log_segment::check);
}
