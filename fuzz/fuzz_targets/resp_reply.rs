//! Any bytes as replies, walked and decoded.
#![no_main]

#[path = "../properties/resp_reply.rs"]
mod resp_reply;

libfuzzer_sys::fuzz_target!(|data: &[u8]| resp_reply::check(data));
