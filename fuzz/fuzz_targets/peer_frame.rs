//! Any bytes from a peer: frames, their sections and their contents.
#![no_main]

#[path = "../properties/peer_frame.rs"]
mod peer_frame;

libfuzzer_sys::fuzz_target!(|data: &[u8]| peer_frame::check(data));
