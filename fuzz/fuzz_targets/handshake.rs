//! Any bytes of a stranger; two sides with something changed between them.
#![no_main]

#[path = "../properties/handshake.rs"]
mod handshake;

libfuzzer_sys::fuzz_target!(|data: &[u8]| handshake::check(data));
