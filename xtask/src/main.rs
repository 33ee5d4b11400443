//! The habits of the project as commands: `cargo xtask verify`, `fix`, `bench`, `parity`, `compatibility`, `fuzz`, `coverage`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a tool for developers: it starts processes and measures time, and is no part of the product"
)]

mod bench;
mod compatibility;
mod count;
mod coverage;
mod fuzz;
mod parity;
mod python;
mod run;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Format check, lints, all tests; the last line is `N passed, N failed`.
    Verify(verify::VerifyArgs),
    /// Format, and mend what clippy can mend.
    Fix,
    /// Measure beside the peers and write docs/performance.md.
    Bench(bench::BenchArgs),
    /// Run scripts and random commands beside a real Redis 7.0 and tell where the replies differ.
    Parity(parity::ParityArgs),
    /// Write docs/compatibility.md from the command table.
    Compatibility(compatibility::CompatibilityArgs),
    /// Run the fuzz targets for a bounded time.
    Fuzz(fuzz::FuzzArgs),
    /// Tell which lines the simulator alone reaches, as a table for each file.
    Coverage(coverage::CoverageArgs),
}

fn main() -> ExitCode {
    if let Some(code) = coverage::as_compiler() {
        return code;
    }
    let result = match Cli::parse().command {
        Command::Verify(args) => verify::verify(&args),
        Command::Fix => verify::fix(),
        Command::Bench(args) => bench::bench(&args),
        Command::Parity(args) => parity::parity(&args),
        Command::Compatibility(args) => compatibility::compatibility(&args),
        Command::Fuzz(args) => fuzz::fuzz(&args),
        Command::Coverage(args) => coverage::coverage(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("xtask: {error}");
        ExitCode::from(2)
    })
}
