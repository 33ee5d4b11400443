//! Replication modes of keyspaces: by its own rows a shard knows when it answers, and the node that leads
//! the meta group carries a change to all shards.
//!
//! What a mode decides is only when a reply leaves (safety rule 1): a *sync* one with the commit, an
//! *async* one when its entry is in the leader's log file and the exposure is within its bound (`early.rs`).
//! Nothing else differs: entries, undo, fates and the window are the same.

use crate::conn::Conn;
use crate::core::Core;
use crate::exposure::{Bound, Exposed};
use crate::internal;
use crate::replica::Replica;
use cluster::map::mode::{EXPOSURE_BYTES, EXPOSURE_MS};
use cluster::map::{Mode, ModeRow, Replication, Row, mode_name};
use model::limits::KEYSPACES;
use model::{GroupId, Keyspace, Reply};
use resp::session::Replicating;
use shard::Machine;
use shard::data::{Context, Done};

/// What a shard's own row says of a keyspace.
pub(crate) fn row_of(machine: &Machine, ks: Keyspace) -> ModeRow {
    let row = machine.system(&mode_name(ks)).and_then(|content| ModeRow::decode(content).ok());
    row.unwrap_or(ModeRow::first())
}

/// The asynchronous keyspaces of a shard, and those that allow asynchronous connections, follow its rows.
pub(crate) fn refresh(replica: &mut Replica) {
    let mut bound = Bound { bytes: u64::MAX, ms: u64::MAX };
    (replica.asynchronous, replica.allowing) = (0, 0);
    for ks in (0..KEYSPACES).map(Keyspace) {
        let row = row_of(&replica.machine, ks);
        if replica.to_sync.get(&ks).is_some_and(|epoch| row.epoch >= *epoch) {
            replica.to_sync.remove(&ks);
        }
        let asynchronous = row.mode.replication == Replication::Async;
        replica.asynchronous |= u16::from(asynchronous) << ks.0;
        replica.allowing |= u16::from(!asynchronous && row.mode.allow_async) << ks.0;
        if asynchronous || row.mode.allow_async {
            // One log for all keyspaces of a shard: the strictest bound is that of all.
            bound.bytes = bound.bytes.min(row.mode.max_bytes);
            bound.ms = bound.ms.min(row.mode.max_ms);
        }
    }
    replica.bound = bound;
}

/// Changes the mode of the keyspace in this shard. Arguments: epoch, `sync` or `async`, bytes, ms, `yes` or
/// `no`, which is missing if an older version asks.
pub(crate) fn set(cx: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let epoch = internal::number(args.get(1))?;
    let replication =
        if args.get(2) == Some(&&b"async"[..]) { Replication::Async } else { Replication::Sync };
    let mode = Mode {
        replication,
        max_bytes: internal::number(args.get(3))?,
        max_ms: internal::number(args.get(4))?,
        allow_async: args.get(5) == Some(&&b"yes"[..]),
    };
    let name = mode_name(cx.data.keyspace());
    let old = cx.data.system(&name).and_then(|content| ModeRow::decode(content).ok());
    if old.unwrap_or(ModeRow::first()).epoch < epoch {
        cx.data.put_system(&name, Some(&ModeRow { epoch, settled: true, mode }.encode()));
    }
    cx.reply.ok();
    Ok(())
}

/// Reads a mode from the words after `KEYSPACE SET n`; what is not named stays as it is.
pub(crate) fn parse(words: &[&[u8]], now: Mode) -> Result<Mode, String> {
    let syntax = "ERR syntax error: KEYSPACE SET n LAYOUT single|spread, or KEYSPACE SET n [REPLICATION \
                  sync|async] [MAX-EXPOSURE-BYTES n] [MAX-EXPOSURE-MS n] [ALLOW-ASYNC yes|no]";
    let mut mode = now;
    if words.is_empty() || !words.len().is_multiple_of(2) {
        return Err(syntax.to_owned());
    }
    for pair in words.chunks(2) {
        let value = String::from_utf8_lossy(pair[1]);
        let bounded = |what: &str, (least, most): (u64, u64)| {
            let number = value.parse::<u64>().ok().filter(|n| (least..=most).contains(n));
            number.ok_or(format!("ERR {what} '{value}' is not allowed; allowed: {least} to {most}"))
        };
        match &pair[0].to_ascii_lowercase()[..] {
            b"replication" => {
                mode.replication = match &value.to_ascii_lowercase()[..] {
                    "sync" => Replication::Sync,
                    "async" => Replication::Async,
                    _ => {
                        return Err(format!(
                            "ERR replication '{value}' does not exist; allowed: sync, async"
                        ));
                    }
                }
            }
            b"max-exposure-bytes" => mode.max_bytes = bounded("max-exposure-bytes", EXPOSURE_BYTES)?,
            b"max-exposure-ms" => mode.max_ms = bounded("max-exposure-ms", EXPOSURE_MS)?,
            b"allow-async" => {
                mode.allow_async = match &value.to_ascii_lowercase()[..] {
                    "yes" => true,
                    "no" => false,
                    _ => return Err(format!("ERR allow-async '{value}' is not allowed; allowed: yes, no")),
                }
            }
            _ => return Err(syntax.to_owned()),
        }
    }
    Ok(mode)
}

/// The words of a request that carries a mode.
pub(crate) fn words(mode: Mode) -> [String; 4] {
    let allow = if mode.allow_async { "yes" } else { "no" };
    [mode.replication.to_string(), mode.max_bytes.to_string(), mode.max_ms.to_string(), allow.to_owned()]
}

impl Core {
    /// What this node has answered as leader in asynchronous keyspaces and is not committed: over its
    /// shards, the age being that of the oldest.
    pub fn exposed(&self) -> Exposed {
        let now_ms = self.now.mono_ms();
        let all = self.replicas.iter().flatten().map(|replica| replica.exposure.exposed(now_ms));
        all.fold(Exposed::default(), |sum, one| Exposed {
            entries: sum.entries + one.entries,
            bytes: sum.bytes + one.bytes,
            ms: sum.ms.max(one.ms),
        })
    }

    /// Bytes that were exposed when this node stopped leading, since its start.
    pub fn exposed_at_failovers(&self) -> u64 {
        self.stats.exposed_at_failovers
    }

    /// A replica stops leading: what it exposed may be lost, and nobody may overlook that.
    pub(crate) fn tell_exposed(&mut self, group: GroupId, exposed: Exposed) {
        if exposed.entries > 0 {
            self.stats.exposed_at_failovers += exposed.bytes;
            tracing::warn!(
                %group, entries = exposed.entries, bytes = exposed.bytes, oldest_ms = exposed.ms,
                "leadership lost with answered asynchronous writes that are not committed: lost, if the \
                 next leader does not have them"
            );
        }
    }

    /// `CLIENT REPLICATION follow|sync|async`: what the connection's writes wait for.
    pub(crate) fn choose_replication(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        let wanted = String::from_utf8_lossy(args[2]).to_ascii_lowercase();
        let ks = conn.session.keyspace;
        let mode = self.map.mode(ks).mode;
        conn.session.flags.replication = match wanted.as_str() {
            "follow" => Replicating::Follow,
            "sync" => Replicating::Sync,
            "async" if mode.replication == Replication::Sync && !mode.allow_async => {
                return Err(format!(
                    "ERR keyspace {ks} is sync with allow-async no: its writes are answered when they are \
                     committed; see KEYSPACE SET {ks} ALLOW-ASYNC yes"
                ));
            }
            "async" => Replicating::Async,
            other => {
                return Err(format!(
                    "ERR replication '{other}' does not exist; allowed: follow, sync, async"
                ));
            }
        };
        self.reply_now(conn, |reply| reply.ok());
        Ok(())
    }

    /// Rows of the meta group that ask for a mode. Arguments: keyspace, and [`words`].
    pub(crate) fn mode_rows(&self, args: &[&[u8]]) -> Result<Vec<Row>, String> {
        let bad = || "ERR malformed request".to_owned();
        let text = |at: usize| args.get(at).and_then(|a| std::str::from_utf8(a).ok()).ok_or_else(bad);
        let ks: u16 = text(1)?.parse().map_err(|_| bad())?;
        let allow = args.get(5).map_or("no", |_| text(5).unwrap_or_default());
        let named: [&[u8]; 8] = [
            b"replication",
            text(2)?.as_bytes(),
            b"max-exposure-bytes",
            text(3)?.as_bytes(),
            b"max-exposure-ms",
            text(4)?.as_bytes(),
            b"allow-async",
            allow.as_bytes(),
        ];
        if ks >= KEYSPACES {
            return Err(bad());
        }
        Ok(self.map.begin_mode(Keyspace(ks), parse(&named, Mode::default())?))
    }

    /// Carries changes of modes on, on the node that leads the meta group.
    pub(crate) fn drive_modes(&mut self) {
        if !self.drives_changes() {
            return;
        }
        for ks in (0..KEYSPACES).map(Keyspace) {
            let row = self.map.mode(ks);
            let step = (ks, row.epoch);
            if row.epoch == 0 || self.driving.contains_key(&step) {
                continue;
            }
            // A shard that was made since, or lost it with an older copy, learns it again.
            let local = self.replicas.iter().skip(1).flatten();
            if !row.settled || local.into_iter().any(|r| row_of(&r.machine, ks).epoch < row.epoch) {
                self.drive_mode(step, row.mode);
            }
        }
    }

    fn drive_mode(&mut self, step: (Keyspace, u64), mode: Mode) {
        let [replication, bytes, ms, allow] = words(mode);
        let epoch = step.1.to_string();
        let args: [&[u8]; 6] = [
            internal::MODE,
            epoch.as_bytes(),
            replication.as_bytes(),
            bytes.as_bytes(),
            ms.as_bytes(),
            allow.as_bytes(),
        ];
        self.drive_shards(step, crate::ops::Step::Mode, &args);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_read_and_what_is_not_allowed_is_named() {
        let read = |words: &[&str]| {
            let words: Vec<&[u8]> = words.iter().map(|w| w.as_bytes()).collect();
            parse(&words, Mode::default())
        };
        let mode = read(&["Replication", "ASYNC", "max-exposure-ms", "50"]).unwrap();
        let expected = Mode { replication: Replication::Async, max_ms: 50, ..Mode::default() };
        assert_eq!(mode, expected);
        let mode = read(&["allow-async", "Yes"]).unwrap();
        assert_eq!(mode, Mode { allow_async: true, ..Mode::default() });
        for (words, text) in [
            (&["allow-async", "maybe"][..], "ERR allow-async 'maybe' is not allowed; allowed: yes, no"),
            (&["replication", "quorum"], "ERR replication 'quorum' does not exist; allowed: sync, async"),
            (&["max-exposure-ms", "0"], "ERR max-exposure-ms '0' is not allowed; allowed: 10 to 60000"),
            (
                &["max-exposure-bytes", "-1"],
                "ERR max-exposure-bytes '-1' is not allowed; allowed: 4096 to 50331648",
            ),
        ] {
            assert_eq!(read(words), Err(text.to_owned()));
        }
        assert!(read(&["replication"]).unwrap_err().starts_with("ERR syntax error"));
        assert!(read(&[]).unwrap_err().starts_with("ERR syntax error"));
    }
}
