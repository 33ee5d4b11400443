//! What can be wrong with a configuration, in words that name the value and what is allowed.

use std::path::PathBuf;

use thiserror::Error;

/// Why a configuration was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A key that the table does not have.
    #[error("unknown key '{key}' in {place}{}", suggestion.map(|s| format!("; did you mean '{s}'?")).unwrap_or_default())]
    UnknownKey {
        /// The key as written.
        key: String,
        /// Where it was found.
        place: String,
        /// The known key nearest to it, if one is near.
        suggestion: Option<&'static str>,
    },
    /// A value that does not fit its key.
    #[error("{place}: '{key}' cannot be '{value}'; allowed: {allowed}")]
    BadValue {
        /// Name of the key.
        key: &'static str,
        /// The value as written; secrets are not repeated.
        value: String,
        /// Where it was found.
        place: String,
        /// What would have been accepted.
        allowed: String,
    },
    /// Two values that do not go together.
    #[error("{0}")]
    Conflict(String),
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system or the TOML reader said.
        reason: String,
    },
    /// `CONFIG SET` of a key that needs a restart.
    #[error("'{0}' cannot be changed while the node runs; set it in the file and restart the node")]
    NotOnline(&'static str),
    /// The secret was written where others can see it.
    #[error("'secret' is read from the environment only (EVERSTORE_SECRET); use 'secret-file' in {0}")]
    SecretExposed(String),
}
