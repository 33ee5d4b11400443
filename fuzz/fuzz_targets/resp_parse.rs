//! Any bytes in any pieces: the parser never panics and its result does not depend on the pieces.
#![no_main]

#[path = "../split_invariant.rs"]
mod split_invariant;

libfuzzer_sys::fuzz_target!(|data: &[u8]| split_invariant::split_invariant(data));
