//! Any bytes in any pieces: the parser never panics and its result does not depend on the pieces.
#![no_main]

#[path = "../properties/resp_parse.rs"]
mod resp_parse;

libfuzzer_sys::fuzz_target!(|data: &[u8]| resp_parse::check(data));
