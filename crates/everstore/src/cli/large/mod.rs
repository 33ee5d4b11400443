//! `everstore put`, `get` and `rm`: files of any size as values, in chunks, with checksums.

mod get;
mod put;
mod rm;
mod window;

use std::os::unix::ffi::OsStrExt;

use clap::Args;
use model::limits::KEYSPACES;

pub use get::GetArgs;
pub use put::PutArgs;
pub use rm::RmArgs;

use super::CliError;
use super::reply::Reply;
use super::target::TargetArgs;
use super::transfer::cluster;
use super::transfer::peer::Peer;

/// Longest value that is not cut into chunks, in bytes.
const THRESHOLD: usize = model::limits::CHUNK;
/// Chunks under way at a time, to a node and from one: what a transfer takes of the memory of this process and of a node.
/// Few are written at a time, for small writes of others wait behind them.
const WRITES: usize = 2;
const READS: usize = 6;

/// Where the key is.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// Its keyspace.
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(..i64::from(KEYSPACES)))]
    keyspace: u16,
    #[command(flatten)]
    target: TargetArgs,
}

impl KeyArgs {
    fn connect(&self) -> Result<Peer, CliError> {
        cluster::connect(&self.target)
    }

    fn keyspace(&self) -> u32 {
        self.keyspace.into()
    }
}

/// A key as it was typed.
fn bytes(key: &std::ffi::OsStr) -> &[u8] {
    key.as_bytes()
}

/// Parts of a reply, if it has so many.
fn parts<const N: usize>(reply: Reply) -> Result<[Reply; N], Reply> {
    match reply {
        Reply::Array(items) => items.try_into().map_err(Reply::Array),
        other => Err(other),
    }
}

/// A checksum as nodes write it.
fn checksum(reply: &Reply) -> Option<u32> {
    let Reply::Text(text) = reply else { return None };
    u32::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// Runs `put`.
///
/// # Errors
/// No node answers, the file can not be read, or the nodes refuse the value.
pub fn put(args: &PutArgs) -> Result<std::process::ExitCode, CliError> {
    put::run(args)
}

/// Runs `get`.
///
/// # Errors
/// No node answers, there is no such value, it is damaged, or the file can not be written.
pub fn get(args: &GetArgs) -> Result<std::process::ExitCode, CliError> {
    get::run(args)
}

/// Runs `rm`.
///
/// # Errors
/// No node answers.
pub fn rm(args: &RmArgs) -> Result<std::process::ExitCode, CliError> {
    rm::run(args)
}
