//! Modes of keyspaces: by its own rows a shard knows when it answers, and the node that leads
//! the meta group carries a change to all shards.
//!
//! What its replication decides is only when a reply leaves (safety rule 1): a *sync* one with the commit,
//! an *async* one when its entry is in the leader's log file and the exposure is within its bound (`early.rs`). Nothing
//! else differs: entries, undo, fates and the window are the same. And it says whether the keyspace is a
//! cache, which gives up keys when there is no memory for them (`memory.rs`).

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
use shard::data::{Context, Done, Stop};

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
        replica.machine.set_eviction(ks, row.mode.eviction);
        let asynchronous = row.mode.replication == Replication::Async;
        replica.asynchronous |= u32::from(asynchronous) << ks.0;
        replica.allowing |= u32::from(!asynchronous && row.mode.allow_async) << ks.0;
        if asynchronous || row.mode.allow_async {
            // One log for all keyspaces of a shard: the strictest bound is that of all.
            bound.bytes = bound.bytes.min(row.mode.max_bytes);
            bound.ms = bound.ms.min(row.mode.max_ms);
        }
    }
    replica.bound = bound;
}

/// Changes the mode of the keyspace in this shard. Arguments: epoch, and [`words`].
pub(crate) fn set(cx: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let epoch = internal::number(args.get(1))?;
    let mode = parse(args.get(2..).unwrap_or_default(), Mode::default()).map_err(Stop::error)?;
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
                  sync|async] [MAX-EXPOSURE-BYTES n] [MAX-EXPOSURE-MS n] \
                  [ALLOW-ASYNC yes|no] [CACHE policy]";
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
            b"cache" => mode.eviction = value.parse().map_err(|error| format!("ERR {error}"))?,
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

/// The words of a request that carries a mode, as [`parse`] reads them.
pub(crate) fn words(mode: Mode) -> Vec<String> {
    let (bytes, ms) = (mode.max_bytes.to_string(), mode.max_ms.to_string());
    let options = [
        ("replication", mode.replication.to_string()),
        ("max-exposure-bytes", bytes),
        ("max-exposure-ms", ms),
        ("allow-async", if mode.allow_async { "yes" } else { "no" }.to_owned()),
        ("cache", mode.eviction.to_string()),
    ];
    options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

/// `first`, then words.
pub(crate) fn with<'a>(first: &[&'a [u8]], words: &'a [String]) -> Vec<&'a [u8]> {
    first.iter().copied().chain(words.iter().map(String::as_bytes)).collect()
}

impl Core {
    /// Whether writes of some keyspace are answered when they are written.
    pub fn is_any_async(&self) -> bool {
        let mut modes = (0..KEYSPACES).map(|ks| self.map.mode(Keyspace(ks)).mode);
        modes.any(|mode| mode.replication == Replication::Async || mode.allow_async)
    }

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
        let number = args.get(1).and_then(|a| std::str::from_utf8(a).ok()?.parse::<u16>().ok());
        let ks = number.filter(|ks| *ks < KEYSPACES).map(Keyspace).ok_or_else(bad)?;
        let mode = parse(args.get(2..).unwrap_or_default(), Mode::default())?;
        Ok(self.map.begin_mode(ks, mode))
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
        let (epoch, words) = (step.1.to_string(), words(mode));
        let args = with(&[internal::MODE, epoch.as_bytes()], &words);
        self.drive_shards(step, crate::ops::Step::Mode, &args);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Eviction;

    #[test]
    fn a_mode_is_read_and_what_is_not_allowed_is_named() {
        let read = |words: &[&str]| {
            let words: Vec<&[u8]> = words.iter().map(|w| w.as_bytes()).collect();
            parse(&words, Mode::default())
        };
        let mode = read(&["Replication", "ASYNC", "max-exposure-ms", "50", "CACHE", "Allkeys-LRU"]).unwrap();
        let eviction = Eviction::AllKeysLru;
        let expected = Mode { replication: Replication::Async, max_ms: 50, eviction, ..Mode::default() };
        assert_eq!(mode, expected);
        let mode = read(&["allow-async", "Yes"]).unwrap();
        assert_eq!(mode, Mode { allow_async: true, ..Mode::default() });
        let words = words(mode);
        assert_eq!(parse(&with(&[], &words), Mode::default()), Ok(mode), "as requests carry it");
        for (words, text) in [
            (&["allow-async", "maybe"][..], "ERR allow-async 'maybe' is not allowed; allowed: yes, no"),
            (&["replication", "quorum"], "ERR replication 'quorum' does not exist; allowed: sync, async"),
            (&["max-exposure-ms", "0"], "ERR max-exposure-ms '0' is not allowed; allowed: 10 to 60000"),
            (
                &["max-exposure-bytes", "-1"],
                "ERR max-exposure-bytes '-1' is not allowed; allowed: 4096 to 50331648",
            ),
            (
                &["cache", "lru"],
                "ERR policy 'lru' does not exist; allowed: noeviction, allkeys-lru, allkeys-lfu, \
                 allkeys-random, volatile-lru, volatile-lfu, volatile-random, volatile-ttl",
            ),
        ] {
            assert_eq!(read(words), Err(text.to_owned()));
        }
        assert!(read(&["replication"]).unwrap_err().starts_with("ERR syntax error"));
        assert!(read(&[]).unwrap_err().starts_with("ERR syntax error"));
    }
}
