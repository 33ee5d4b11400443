//! Messages of the node on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::Config;

/// Starts writing messages as the configuration says. Does nothing if something else, such as a
/// test, does already.
pub fn start(config: &Config) {
    // The engine of the row stores tells every step of its work at `info`.
    let filter = EnvFilter::new(format!("{},lsm_tree=warn", config.log_level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_target(false);
    let result = match config.log_format.as_str() {
        "json" => builder.json().flatten_event(true).try_init(),
        _ => builder.with_ansi(stderr().is_terminal()).try_init(),
    };
    if let Err(error) = result {
        tracing::debug!(%error, "messages are written already");
    }
}
