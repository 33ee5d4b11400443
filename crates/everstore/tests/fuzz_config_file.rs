//! The corpus of the fuzz target `config_file` as a plain test.
#![allow(clippy::disallowed_methods, reason = "a test reads its corpus")]

#[path = "../../../fuzz/properties/config_file.rs"]
mod config_file;
#[path = "../../../fuzz/properties/corpus.rs"]
mod corpus;

#[test]
fn configurations_hold_the_property() {
    corpus::each("config_file", config_file::check);
}
