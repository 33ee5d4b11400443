//! Rows, effects and entries, and a machine made of them.
#![no_main]

#[path = "../properties/row_encoding.rs"]
mod row_encoding;

libfuzzer_sys::fuzz_target!(|data: &[u8]| row_encoding::check(data));
