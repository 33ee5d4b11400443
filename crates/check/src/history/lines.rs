//! Histories as JSON lines; the format is described in `docs/formats/history.md`.

use std::io::{BufRead, Read, Write};

use serde::{Deserialize, Serialize};

use super::bytes::{self, Text};
use super::{
    Action, Bytes, Class, Event, Failover, History, Invalid, Loss, LossAccount, Operation, Outcome, Promise,
};

/// Version of the format, in the first line.
pub const FORMAT: u32 = 1;
/// Longest line, bytes: the longest value (8 MiB) in hexadecimal, twice.
pub const MAX_LINE: usize = 36 << 20;

/// Why a file is no history. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can not be read or written.
    #[error("line {line}: {source}")]
    Io {
        /// Where.
        line: u64,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is longer than [`MAX_LINE`].
    #[error("line {line} is longer than {MAX_LINE} bytes")]
    TooLong {
        /// Which.
        line: u64,
    },
    /// Not JSON, or not what the format allows.
    #[error("line {line}: {source}")]
    Json {
        /// Which.
        line: u64,
        /// What was expected, and the column.
        source: serde_json::Error,
    },
    /// The first line is not the header.
    #[error("line 1: expected {{\"history\":{{\"format\":{FORMAT}}}}} before anything else")]
    NoHeader,
    /// Another version.
    #[error("line {line}: this is format {found}, known is {FORMAT}")]
    Format {
        /// Which.
        line: u64,
        /// What it says.
        found: u32,
    },
    /// The header came again.
    #[error("line {line}: the header stands only in line 1")]
    SecondHeader {
        /// Which.
        line: u64,
    },
    /// An operation or event that can not be.
    #[error("line {line}: {source}")]
    Invalid {
        /// Which.
        line: u64,
        /// Why.
        source: Invalid,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    History(Header),
    Operation(Box<OperationLine>),
    Failover(Failover),
    LossAccount(AccountLine),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationLine {
    client: u32,
    connection: u32,
    call_ns: u64,
    return_ns: Option<u64>,
    keyspace: Class,
    #[serde(with = "bytes")]
    key: Bytes,
    #[serde(default)]
    promise: Promise,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    asynchronous: bool,
    action: Action,
    outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountLine {
    failover_ns: u64,
    losses: Vec<LossLine>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LossLine {
    keyspace: Class,
    #[serde(with = "bytes")]
    key: Bytes,
    value: Option<Text>,
}

/// Reads a history. Empty lines are skipped; anything else that is not of the format is an error that
/// names the line.
pub fn read_json_lines(mut reader: impl BufRead) -> Result<History, Error> {
    let mut history = History::new();
    let mut buffer = Vec::new();
    let mut header = false;
    for line in 1.. {
        buffer.clear();
        let mut bounded = (&mut reader).take(MAX_LINE as u64 + 1);
        let read = bounded.read_until(b'\n', &mut buffer).map_err(|source| Error::Io { line, source })?;
        if read == 0 {
            break;
        }
        if buffer.len() > MAX_LINE {
            return Err(Error::TooLong { line });
        }
        if buffer.trim_ascii().is_empty() {
            continue;
        }
        let parsed: Line = match serde_json::from_slice(&buffer) {
            Ok(parsed) => parsed,
            Err(_) if !header => return Err(Error::NoHeader),
            Err(source) => return Err(Error::Json { line, source }),
        };
        match parsed {
            Line::History(_) if header => return Err(Error::SecondHeader { line }),
            Line::History(Header { format }) if format != FORMAT => {
                return Err(Error::Format { line, found: format });
            }
            Line::History(_) => header = true,
            _ if !header => return Err(Error::NoHeader),
            other => add(&mut history, other).map_err(|source| Error::Invalid { line, source })?,
        }
    }
    if header { Ok(history) } else { Err(Error::NoHeader) }
}

fn add(history: &mut History, line: Line) -> Result<(), Invalid> {
    match line {
        Line::History(_) => Ok(()),
        Line::Operation(line) => {
            let line = *line;
            let key = history.key(line.keyspace, &line.key);
            history.push(Operation {
                client: line.client,
                connection: line.connection,
                call_ns: line.call_ns,
                return_ns: line.return_ns,
                key,
                promise: line.promise,
                asynchronous: line.asynchronous,
                action: line.action,
                outcome: line.outcome,
            })
        }
        Line::Failover(failover) => history.push_event(Event::Failover(failover)),
        Line::LossAccount(AccountLine { failover_ns, losses }) => {
            let losses = losses.into_iter().map(|loss| Loss {
                key: history.key(loss.keyspace, &loss.key),
                value: loss.value.map(|text| text.0),
            });
            let losses = losses.collect();
            history.push_event(Event::LossAccount(LossAccount { failover_ns, losses }))
        }
    }
}

/// Writes a history so that [`read_json_lines`] gives it back.
pub fn write_json_lines(history: &History, mut to: impl Write) -> Result<(), Error> {
    let mut at = 0;
    let mut write = |line: Line| {
        at += 1;
        serde_json::to_writer(&mut to, &line).map_err(|source| Error::Json { line: at, source })?;
        to.write_all(b"\n").map_err(|source| Error::Io { line: at, source })
    };
    write(Line::History(Header { format: FORMAT }))?;
    for operation in history.operations() {
        let key = history.key_of(operation.key);
        write(Line::Operation(Box::new(OperationLine {
            client: operation.client,
            connection: operation.connection,
            call_ns: operation.call_ns,
            return_ns: operation.return_ns,
            keyspace: key.class,
            key: key.name.clone(),
            promise: operation.promise,
            asynchronous: operation.asynchronous,
            action: operation.action.clone(),
            outcome: operation.outcome.clone(),
        })))?;
    }
    for event in history.events() {
        write(match event {
            Event::Failover(failover) => Line::Failover(*failover),
            Event::LossAccount(account) => Line::LossAccount(AccountLine {
                failover_ns: account.failover_ns,
                losses: account.losses.iter().map(|loss| loss_line(history, loss)).collect(),
            }),
        })?;
    }
    Ok(())
}

fn loss_line(history: &History, loss: &Loss) -> LossLine {
    let key = history.key_of(loss.key);
    LossLine { keyspace: key.class, key: key.name.clone(), value: loss.value.clone().map(Text) }
}
