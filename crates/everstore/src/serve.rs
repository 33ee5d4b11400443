//! Runs one node in the foreground.

use std::process::ExitCode;

use thiserror::Error;

use crate::config::Effective;

/// Why a node did not start or ended.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ServeError(String);

/// Runs the node until it is told to stop.
///
/// # Errors
/// The node cannot start; the text is one line for a person.
pub fn run(effective: Effective) -> Result<ExitCode, ServeError> {
    Err(ServeError(format!("cannot serve {}", effective.config().dir.display())))
}
