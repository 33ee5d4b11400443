//! What a command can fail with, and the exit code that goes with it.

use std::process::ExitCode;

use thiserror::Error;

use crate::config::ConfigError;

/// Why a command ended without doing what it was asked.
#[derive(Debug, Error)]
pub enum CliError {
    /// The configuration was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something the user asked for cannot be done as asked.
    #[error("{0}")]
    Usage(String),
    /// None of the nodes answered.
    #[error("no node answered: {0}")]
    Unreachable(String),
    /// A node answered with an error.
    #[error("{0}")]
    Refused(String),
    /// The operating system refused something; the text says what was tried.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl CliError {
    /// Adds what was tried to an error of the operating system.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> CliError {
        let what = what.into();
        move |source| CliError::Io { what, source }
    }

    /// Nobody answered; with why, per address. Those that failed alike share their reason: nobody reads ten that are one.
    pub fn unreachable(reasons: Vec<(String, String)>) -> CliError {
        let mut groups: Vec<(Vec<String>, String)> = Vec::new();
        for (address, reason) in reasons {
            match groups.last_mut() {
                Some((addresses, last)) if *last == reason => addresses.push(address),
                _ => groups.push((vec![address], reason)),
            }
        }
        let shown = groups.iter().map(|(addresses, reason)| format!("{} ({reason})", addresses.join(", ")));
        CliError::Unreachable(shown.collect::<Vec<_>>().join("; "))
    }

    /// 1 if a node said no, 2 for everything that a person must change first.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            CliError::Refused(_) => ExitCode::from(1),
            _ => ExitCode::from(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_failed_alike_share_their_reason() {
        let reasons = [("a:1", "refused"), ("a:2", "refused"), ("a:3", "no reply"), ("a:4", "refused")];
        let error = CliError::unreachable(
            reasons.map(|(at, why)| (at.to_owned(), why.to_owned())).into_iter().collect(),
        );
        assert_eq!(error.to_string(), "no node answered: a:1, a:2 (refused); a:3 (no reply); a:4 (refused)");
    }
}
