//! The `everstore` program: configuration, command line, and the shell around the core that moves bytes.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the shell of the binary: command line and process start touch the operating system; the core does not"
)]

pub mod cli;
pub mod config;
pub mod serve;
