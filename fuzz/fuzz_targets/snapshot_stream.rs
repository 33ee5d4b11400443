//! Chunks of a snapshot, spoiled, out of turn, twice.
#![no_main]

#[path = "../properties/snapshot_stream.rs"]
mod snapshot_stream;

libfuzzer_sys::fuzz_target!(|data: &[u8]| snapshot_stream::check(data));
