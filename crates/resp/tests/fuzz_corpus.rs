//! The corpus of the fuzz targets `resp_parse` and `resp_reply` as plain tests.
#![allow(clippy::disallowed_methods, reason = "a test reads its corpus")]

extern crate everstore_resp as resp;

#[path = "../../../fuzz/properties/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/properties/resp_parse.rs"]
mod resp_parse;
#[path = "../../../fuzz/properties/resp_reply.rs"]
mod resp_reply;

#[test]
fn requests_hold_the_property() {
    corpus::each("resp_parse", resp_parse::check);
}

#[test]
fn replies_hold_the_property() {
    corpus::each("resp_reply", resp_reply::check);
}
