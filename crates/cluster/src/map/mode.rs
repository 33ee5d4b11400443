//! Replication modes of keyspaces, and how one is changed.
//!
//! A change is a row of the meta group, then a row of every shard, then the meta group's row again, now
//! settled: from then on every shard obeys. Each change has a higher epoch than the one before, and a
//! shard never takes a row of an older one.

use super::{ClusterMap, FORMAT, Row, format, mode_name};
use model::varint::{DecodeError, Reader, put_u64};
use model::{Eviction, Keyspace};
use std::fmt;

/// Least and most bytes that may be exposed.
pub const EXPOSURE_BYTES: (u64, u64) = (4 << 10, 48 << 20);
/// Shortest and longest time that may be exposed, in ms.
pub const EXPOSURE_MS: (u64, u64) = (10, 60_000);

/// When a write of a keyspace is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Replication {
    /// When it is on the disks of a majority.
    #[default]
    Sync,
    /// When it is in the log file of the leader.
    Async,
}

/// The replication mode of a keyspace and what it may cost, and whether it is a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mode {
    /// When a write is answered.
    pub replication: Replication,
    /// Most bytes of answered writes, per shard, that would be lost with the leader's machine.
    pub max_bytes: u64,
    /// Longest time, in ms, for which an answered write would be.
    pub max_ms: u64,
    /// How its leaders give up keys when their nodes have no memory for them.
    pub eviction: Eviction,
    /// Whether connections may choose asynchronous answers to their writes while it is synchronous.
    pub allow_async: bool,
}

impl Default for Mode {
    fn default() -> Mode {
        let (replication, eviction) = (Replication::Sync, Eviction::No);
        Mode { replication, max_bytes: 4 << 20, max_ms: 1000, allow_async: false, eviction }
    }
}

impl Mode {
    /// What the answer to a write promises, as a person reads it.
    pub fn promise(&self) -> String {
        let promise = match self.replication {
            Replication::Sync if !self.allow_async => "on disk on a majority".to_owned(),
            Replication::Sync => format!(
                "on disk on a majority; to connections that chose async: in the leader's log file, a failover may \
                 drop at most {} bytes and {} ms per shard",
                self.max_bytes, self.max_ms
            ),
            Replication::Async => format!(
                "in the leader's log file; a failover may drop at most {} bytes and {} ms per shard",
                self.max_bytes, self.max_ms
            ),
        };
        if self.eviction.is_cache() {
            format!("{promise}; keys may be evicted ({})", self.eviction)
        } else {
            promise
        }
    }
}

/// A row of the meta group, or of a shard, on the mode of a keyspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ModeRow {
    /// Epoch of the map in which this mode was asked for; 0 = never.
    pub epoch: u64,
    /// Every shard obeys it.
    pub settled: bool,
    /// The mode.
    pub mode: Mode,
}

impl fmt::Display for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Replication::Sync => "sync",
            Replication::Async => "async",
        })
    }
}

impl ModeRow {
    /// The row of a keyspace in a new cluster; it need not exist.
    pub fn first() -> ModeRow {
        ModeRow { settled: true, ..ModeRow::default() }
    }

    /// The row's content.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_u64(&mut out, self.epoch);
        out.push(u8::from(self.settled));
        out.push(u8::from(self.mode.replication == Replication::Async));
        put_u64(&mut out, self.mode.max_bytes);
        put_u64(&mut out, self.mode.max_ms);
        // Without them the row is as all versions write it.
        if self.mode.allow_async || self.mode.eviction.is_cache() {
            out.push(u8::from(self.mode.allow_async));
        }
        if self.mode.eviction.is_cache() {
            out.push(self.mode.eviction as u8);
        }
        out
    }

    /// Reads [`ModeRow::encode`].
    ///
    /// # Errors
    /// Another format, or what no version writes.
    pub fn decode(content: &[u8]) -> Result<ModeRow, DecodeError> {
        let mut r = Reader::new(content);
        format(&mut r)?;
        let epoch = r.u64()?;
        let flag = |byte: u8| match byte {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Malformed("mode")),
        };
        let settled = flag(r.u8()?)?;
        let replication = if flag(r.u8()?)? { Replication::Async } else { Replication::Sync };
        let (max_bytes, max_ms) = (r.u64()?, r.u64()?);
        let allow_async = !r.is_empty() && flag(r.u8()?)?;
        let policy = if r.is_empty() { 0 } else { r.u8()? };
        let eviction = Eviction::of_number(policy).ok_or(DecodeError::Malformed("eviction policy"))?;
        let mode = Mode { replication, max_bytes, max_ms, allow_async, eviction };
        Ok(ModeRow { epoch, settled, mode })
    }
}

impl ClusterMap {
    /// The mode of a keyspace.
    ///
    /// # Panics
    /// If the keyspace is out of its bounds.
    pub fn mode(&self, ks: Keyspace) -> ModeRow {
        self.modes[usize::from(ks.0)]
    }

    /// Rows that ask for a mode; none if it is the mode already.
    pub fn begin_mode(&self, ks: Keyspace, mode: Mode) -> Vec<Row> {
        if self.mode(ks).mode == mode {
            return Vec::new();
        }
        let row = ModeRow { epoch: self.epoch + 1, settled: false, mode };
        vec![(mode_name(ks), row.encode()), self.next_epoch()]
    }

    /// Rows that say that every shard obeys; none if that is known, or another mode was asked for since.
    pub fn settle_mode(&self, ks: Keyspace, epoch: u64) -> Vec<Row> {
        let row = self.mode(ks);
        if row.settled || row.epoch != epoch {
            return Vec::new();
        }
        vec![(mode_name(ks), ModeRow { settled: true, ..row }.encode()), self.next_epoch()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Formation;
    use model::NodeId;

    #[test]
    fn a_mode_is_asked_for_and_settled_once() {
        let formation =
            Formation { replicas: 1, shards: 2, members: vec![NodeId(1)], ..Formation::default() };
        let mut map = ClusterMap::new(&formation);
        let ks = Keyspace(3);
        assert_eq!(map.mode(ks), ModeRow::first());
        assert!(map.begin_mode(ks, Mode::default()).is_empty(), "it is the mode already");
        let mode = Mode { replication: Replication::Async, max_ms: 50, ..Mode::default() };
        let apply = |map: &mut ClusterMap, rows: Vec<Row>| {
            rows.iter().for_each(|(name, value)| assert!(map.apply_row(name, Some(value)).unwrap()));
        };
        let rows = map.begin_mode(ks, mode);
        apply(&mut map, rows);
        assert_eq!(map.mode(ks), ModeRow { epoch: 2, settled: false, mode });
        assert!(map.settle_mode(ks, 1).is_empty(), "of another change");
        let rows = map.settle_mode(ks, 2);
        apply(&mut map, rows);
        assert_eq!(map.mode(ks), ModeRow { epoch: 2, settled: true, mode });
        assert!(map.settle_mode(ks, 2).is_empty());
        assert_eq!(map.mode(Keyspace(2)), ModeRow::first());
    }

    #[test]
    fn rows_round_trip_and_others_are_refused() {
        let replication = Replication::Async;
        let mode = Mode { replication, max_bytes: 300, max_ms: 70, ..Mode::default() };
        let row = ModeRow { epoch: 900, settled: true, mode };
        let written = [1, 0x84, 7, 1, 1, 0xac, 2, 70];
        assert_eq!(row.encode(), written, "rows of older versions must be read");
        assert_eq!(ModeRow::decode(&written), Ok(row));
        let allowing = Mode { replication: Replication::Sync, allow_async: true, ..mode };
        let allowing = ModeRow { mode: allowing, ..row };
        let written = [1, 0x84, 7, 1, 0, 0xac, 2, 70, 1];
        assert_eq!(allowing.encode(), written);
        assert_eq!(ModeRow::decode(&written), Ok(allowing));
        assert!(ModeRow::decode(&[&written[..8], &[2]].concat()).is_err());
        let cache = ModeRow { mode: Mode { eviction: Eviction::VolatileTtl, ..mode }, ..row };
        let written = [1, 0x84, 7, 1, 1, 0xac, 2, 70, 0, 7];
        assert_eq!((&cache.encode()[..], ModeRow::decode(&written)), (&written[..], Ok(cache)));
        assert!(ModeRow::decode(&[&written[..9], &[8]].concat()).is_err());
        let mut bytes = row.encode();
        bytes[3] = 7;
        assert!(ModeRow::decode(&bytes).is_err());
        assert!(ModeRow::decode(&[9]).is_err());
        assert!(ModeRow::decode(&row.encode()[..4]).is_err());
    }
}
