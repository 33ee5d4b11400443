//! The corpus of the fuzz target `peer_frame` as a plain test.
#![allow(clippy::disallowed_methods, reason = "a test reads its corpus")]

extern crate everstore_node as node;

#[path = "../../../fuzz/properties/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/properties/peer_frame.rs"]
mod peer_frame;

#[test]
fn frames_hold_the_property() {
    corpus::each("peer_frame", peer_frame::check);
}
