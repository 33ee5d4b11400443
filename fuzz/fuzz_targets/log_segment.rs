//! Segments of any content; logs that crashed and were damaged.
#![no_main]

#[path = "../properties/log_segment.rs"]
mod log_segment;

libfuzzer_sys::fuzz_target!(|data: &[u8]| log_segment::check(data));
