//! Any text as the configuration file.
#![no_main]

#[path = "../properties/config_file.rs"]
mod config_file;

libfuzzer_sys::fuzz_target!(|data: &[u8]| config_file::check(data));
