//! Forwards what the library logs through `slog` to `tracing`.
//!
//! The library's "info" is a line for every vote and role change of every group, so it becomes our
//! debug level; its debug and trace lines describe single messages and are dropped unseen.

use slog::{Drain, Level, Logger, Never, OwnedKVList, Record, o};
use std::fmt::{self, Write};

/// A logger for one group.
pub(crate) fn logger(group: model::GroupId) -> Logger {
    Logger::root(ToTracing, o!("group" => group.0))
}

struct ToTracing;

impl Drain for ToTracing {
    type Ok = ();
    type Err = Never;

    fn is_enabled(&self, level: Level) -> bool {
        match level {
            Level::Critical | Level::Error => tracing::enabled!(target: "raft", tracing::Level::ERROR),
            Level::Warning => tracing::enabled!(target: "raft", tracing::Level::WARN),
            Level::Info => tracing::enabled!(target: "raft", tracing::Level::DEBUG),
            Level::Debug | Level::Trace => false,
        }
    }

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        // Asked before anything is formatted: most lines are never seen.
        if !self.is_enabled(record.level()) {
            return Ok(());
        }
        let text = line(record, values);
        match record.level() {
            Level::Critical | Level::Error => tracing::error!(target: "raft", "{text}"),
            Level::Warning => tracing::warn!(target: "raft", "{text}"),
            _ => tracing::debug!(target: "raft", "{text}"),
        }
        Ok(())
    }
}

/// The message and its pairs as `text key=value …`.
fn line(record: &Record<'_>, values: &OwnedKVList) -> String {
    let mut pairs = Pairs(record.msg().to_string());
    // A value that cannot be formatted is left out; a log line is not worth an error path.
    let _ = slog::KV::serialize(&record.kv(), record, &mut pairs);
    let _ = slog::KV::serialize(values, record, &mut pairs);
    pairs.0
}

struct Pairs(String);

impl slog::Serializer for Pairs {
    fn emit_arguments(&mut self, key: slog::Key, value: &fmt::Arguments<'_>) -> slog::Result {
        write!(self.0, " {key}={value}").map_err(slog::Error::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Collects the lines of a logger that formats with [`line`].
    struct Collect(Arc<Mutex<Vec<String>>>);

    impl Drain for Collect {
        type Ok = ();
        type Err = Never;
        fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
            self.0.lock().unwrap().push(line(record, values));
            Ok(())
        }
    }

    #[test]
    fn a_line_has_text_and_pairs() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = Logger::root(Collect(lines.clone()), o!("group" => 3));
        slog::warn!(log, "stepped down"; "term" => 7);
        assert_eq!(lines.lock().unwrap()[..], ["stepped down term=7 group=3"]);
    }

    #[test]
    fn message_level_lines_are_dropped() {
        assert!(!ToTracing.is_enabled(Level::Debug));
        assert!(!ToTracing.is_enabled(Level::Trace));
    }
}
