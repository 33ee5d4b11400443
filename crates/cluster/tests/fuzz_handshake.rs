//! The corpus of the fuzz target `handshake` as a plain test.
#![allow(clippy::disallowed_methods, reason = "a test reads its corpus")]

extern crate everstore_cluster as cluster;

#[path = "../../../fuzz/properties/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/properties/handshake.rs"]
mod handshake;

#[test]
fn handshakes_hold_the_property() {
    corpus::each("handshake", handshake::check);
}
