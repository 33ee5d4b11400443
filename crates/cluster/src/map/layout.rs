//! Layouts of keyspaces, and how a layout is changed without two shards owning a key.
//!
//! A change has three steps, each a committed row: *closing* in the meta group, then closed in every
//! shard, then (only if all shards said that they are closed and hold no key of the keyspace) open
//! in the new layout, first in the meta group, then in the shards. While it is closing nobody
//! accepts data commands of the keyspace. Every step has a higher epoch than the one before, and a
//! shard never takes a row of an older epoch, so late messages of an abandoned change do nothing.

use super::{ClusterMap, FORMAT, Row, format, layout_name};
use model::limits::{CHUNKS, KEYSPACES};
use model::varint::{DecodeError, Reader, put_u64};
use model::{Keyspace, ShardId};

/// Which shards hold the keys of a keyspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyspaceLayout {
    /// All, by slot; commands on several keys need one slot.
    Spread,
    /// One, whatever the slot; all commands on several keys work.
    Single(ShardId),
}

/// Where a keyspace stands between two layouts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Data commands are accepted in this layout.
    Open(KeyspaceLayout),
    /// Data commands are refused by all.
    Closing {
        /// The layout before, and again if the change is aborted.
        from: KeyspaceLayout,
        /// The layout after.
        to: KeyspaceLayout,
    },
}

/// The meta group's row of a keyspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LayoutRow {
    /// Epoch of the map that this phase began with.
    pub epoch: u64,
    /// The phase.
    pub phase: Phase,
}

/// A shard's own row of a keyspace, by which it accepts or refuses commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShardLayout {
    /// Epoch of the meta group's row that it follows.
    pub epoch: u64,
    /// The layout in which data commands are accepted; `None` is closed.
    pub open: Option<KeyspaceLayout>,
}

/// Why a layout cannot be changed now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LayoutError {
    /// No such keyspace.
    #[error("keyspace {0} does not exist; allowed: 0 to {max}", max = KEYSPACES - 1)]
    Keyspace(u16),
    /// No such shard.
    #[error("shard {0} does not exist; allowed: 0 to {1}")]
    Shard(u16, u16),
    /// Another change has not ended.
    #[error("the layout of keyspace {0} is being changed already")]
    Changing(u16),
    /// The keyspace is not in the change that is to be ended.
    #[error("the change of keyspace {0} that began with epoch {1} is over")]
    Over(u16, u64),
    /// It has that layout.
    #[error("keyspace {0} has this layout already")]
    Same(u16),
}

impl KeyspaceLayout {
    /// The single layout of a keyspace: different ones land on different shards as long as there
    /// are enough. Keyspace 0 is spread by default, so counting begins at 1.
    pub fn single(ks: Keyspace, shards: u16) -> KeyspaceLayout {
        let turn = ks.0.checked_sub(1).unwrap_or(KEYSPACES - 1);
        KeyspaceLayout::Single(ShardId(turn % shards.max(1)))
    }

    /// The layout of a keyspace in a new cluster, and for ever of that of chunks.
    pub fn first(ks: Keyspace, shards: u16) -> KeyspaceLayout {
        if ks.0 == 0 || ks == CHUNKS { KeyspaceLayout::Spread } else { KeyspaceLayout::single(ks, shards) }
    }

    /// Whether a shard may hold keys of a keyspace with this layout.
    pub fn includes(self, shard: ShardId) -> bool {
        match self {
            KeyspaceLayout::Spread => true,
            KeyspaceLayout::Single(only) => only == shard,
        }
    }

    fn encode(self, out: &mut Vec<u8>) {
        match self {
            KeyspaceLayout::Spread => out.push(0),
            KeyspaceLayout::Single(shard) => {
                out.push(1);
                put_u64(out, u64::from(shard.0));
            }
        }
    }

    fn decode(r: &mut Reader<'_>, shards: u16) -> Result<KeyspaceLayout, DecodeError> {
        let bad = DecodeError::Malformed("layout");
        match r.u8()? {
            0 => Ok(KeyspaceLayout::Spread),
            1 => {
                let shard = u16::try_from(r.u64()?).ok().filter(|shard| *shard < shards).ok_or(bad)?;
                Ok(KeyspaceLayout::Single(ShardId(shard)))
            }
            _ => Err(bad),
        }
    }
}

impl LayoutRow {
    /// The row of a keyspace in a new cluster; it need not exist.
    pub fn first(ks: Keyspace, shards: u16) -> LayoutRow {
        LayoutRow { epoch: 1, phase: Phase::Open(KeyspaceLayout::first(ks, shards)) }
    }

    /// The content of the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_u64(&mut out, self.epoch);
        match self.phase {
            Phase::Open(layout) => {
                out.push(0);
                layout.encode(&mut out);
            }
            Phase::Closing { from, to } => {
                out.push(1);
                from.encode(&mut out);
                to.encode(&mut out);
            }
        }
        out
    }

    /// Reads the content of a row in a cluster of so many shards.
    ///
    /// # Errors
    /// If it is none, of a newer format, or names a shard that does not exist.
    pub fn decode(content: &[u8], shards: u16) -> Result<LayoutRow, DecodeError> {
        let mut r = Reader::new(content);
        format(&mut r)?;
        let epoch = r.u64()?;
        let phase = match r.u8()? {
            0 => Phase::Open(KeyspaceLayout::decode(&mut r, shards)?),
            1 => {
                let from = KeyspaceLayout::decode(&mut r, shards)?;
                Phase::Closing { from, to: KeyspaceLayout::decode(&mut r, shards)? }
            }
            _ => return Err(DecodeError::Malformed("layout phase")),
        };
        Ok(LayoutRow { epoch, phase })
    }

    /// The layout users see: the old one until a change has ended.
    pub fn shown(&self) -> KeyspaceLayout {
        match self.phase {
            Phase::Open(layout) | Phase::Closing { from: layout, .. } => layout,
        }
    }

    /// What every shard's own row must become for this one.
    pub fn for_shards(&self) -> ShardLayout {
        let open = match self.phase {
            Phase::Open(layout) => Some(layout),
            Phase::Closing { .. } => None,
        };
        ShardLayout { epoch: self.epoch, open }
    }
}

impl ShardLayout {
    /// What a shard goes by while it has no row of the keyspace.
    pub fn first(ks: Keyspace, shards: u16) -> ShardLayout {
        LayoutRow::first(ks, shards).for_shards()
    }

    /// Whether a shard that has this row executes data commands of the keyspace (on its slots).
    pub fn serves(&self, shard: ShardId) -> bool {
        self.open.is_some_and(|layout| layout.includes(shard))
    }

    /// Whether a shard that has this row takes over `other`: only a newer one, so that late
    /// messages of an abandoned change do nothing.
    pub fn yields_to(&self, other: &ShardLayout) -> bool {
        other.epoch > self.epoch
    }

    /// The content of the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_u64(&mut out, self.epoch);
        match self.open {
            Some(layout) => {
                out.push(1);
                layout.encode(&mut out);
            }
            None => out.push(0),
        }
        out
    }

    /// Reads the content of a row in a cluster of so many shards.
    ///
    /// # Errors
    /// As [`LayoutRow::decode`].
    pub fn decode(content: &[u8], shards: u16) -> Result<ShardLayout, DecodeError> {
        let mut r = Reader::new(content);
        format(&mut r)?;
        let epoch = r.u64()?;
        let open = match r.u8()? {
            0 => None,
            1 => Some(KeyspaceLayout::decode(&mut r, shards)?),
            _ => return Err(DecodeError::Malformed("shard layout")),
        };
        Ok(ShardLayout { epoch, open })
    }
}

/// Changes of layouts, as rows to be proposed to the meta group. They hold only if they are computed
/// from a map without uncommitted changes and committed as one entry.
impl ClusterMap {
    /// Closes a keyspace. The change is known by the epoch of the row this gives, see
    /// [`ClusterMap::change_of`].
    ///
    /// # Errors
    /// See [`LayoutError`].
    pub fn begin_change(&self, ks: Keyspace, to: KeyspaceLayout) -> Result<Vec<Row>, LayoutError> {
        let shards = self.shards.len() as u16;
        // The layout of chunks is no choice.
        let row = self.layouts.get(usize::from(ks.0)).filter(|_| ks != CHUNKS);
        let row = row.ok_or(LayoutError::Keyspace(ks.0))?;
        match (row.phase, to) {
            (_, KeyspaceLayout::Single(shard)) if shard.0 >= shards => {
                Err(LayoutError::Shard(shard.0, shards.saturating_sub(1)))
            }
            (Phase::Closing { .. }, _) => Err(LayoutError::Changing(ks.0)),
            (Phase::Open(from), _) if from == to => Err(LayoutError::Same(ks.0)),
            (Phase::Open(from), _) => Ok(self.layout_rows(ks, Phase::Closing { from, to })),
        }
    }

    /// The epoch of the change a keyspace is in.
    pub fn change_of(&self, ks: Keyspace) -> Option<u64> {
        let row = self.layouts.get(usize::from(ks.0))?;
        matches!(row.phase, Phase::Closing { .. }).then_some(row.epoch)
    }

    /// Opens the keyspace in the new layout. Only if every shard has committed that it is closed
    /// with the epoch of this change, and holds no key of it.
    ///
    /// # Errors
    /// [`LayoutError::Over`] if the keyspace is not in this change.
    pub fn finish_change(&self, ks: Keyspace, change: u64) -> Result<Vec<Row>, LayoutError> {
        let (_, to) = self.closing(ks, change)?;
        Ok(self.layout_rows(ks, Phase::Open(to)))
    }

    /// Opens the keyspace in the layout it had.
    ///
    /// # Errors
    /// [`LayoutError::Over`] if the keyspace is not in this change.
    pub fn abort_change(&self, ks: Keyspace, change: u64) -> Result<Vec<Row>, LayoutError> {
        let (from, _) = self.closing(ks, change)?;
        Ok(self.layout_rows(ks, Phase::Open(from)))
    }

    fn closing(&self, ks: Keyspace, change: u64) -> Result<(KeyspaceLayout, KeyspaceLayout), LayoutError> {
        let row = self.layouts.get(usize::from(ks.0)).ok_or(LayoutError::Keyspace(ks.0))?;
        match row.phase {
            Phase::Closing { from, to } if row.epoch == change => Ok((from, to)),
            _ => Err(LayoutError::Over(ks.0, change)),
        }
    }

    fn layout_rows(&self, ks: Keyspace, phase: Phase) -> Vec<Row> {
        let row = LayoutRow { epoch: self.epoch + 1, phase };
        vec![(layout_name(ks), row.encode()), self.next_epoch()]
    }
}
