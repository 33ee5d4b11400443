//! Reading a tree's snapshot in chunks for a follower.

use super::lane::Lane;
use super::metadata::MetadataOnly;
use model::NodeId;
use storage::rows::snapshot::SnapshotEncoder;
use storage::rows::{RowError, RowStores, RowView};

/// Most snapshots of one group open at a time; a group has fewer other members.
pub(super) const MAX_SENDING: usize = 16;

/// Number, bytes, and whether it is the last.
pub(super) type Chunk = (u64, Vec<u8>, bool);

/// An open snapshot. At most three chunks and one row are in memory.
pub(super) struct Sending {
    tree: u64,
    stream: u64,
    view: Box<dyn RowView>,
    encoder: SnapshotEncoder,
    /// The chunk handed out last: it is asked for again when its answer was lost.
    last: Option<Chunk>,
    /// Number of `ahead`.
    next: u64,
    /// The chunk after `last`, read in advance because only then it is known whether `last` is the last.
    ahead: Option<Vec<u8>>,
}

impl Sending {
    /// Takes a snapshot of a tree as it is now, or of what a witness needs of it.
    fn open(stores: &dyn RowStores, (tree, stream): (u64, u64), metadata: bool) -> Result<Sending, RowError> {
        let mut view = stores.open(tree)?.snapshot()?;
        if metadata {
            view = Box::new(MetadataOnly(view));
        }
        let mut encoder = SnapshotEncoder::new(&*view, stream)?;
        let ahead = encoder.next_chunk()?;
        Ok(Sending { tree, stream, view, encoder, last: None, next: 0, ahead })
    }

    /// The tree it reads.
    pub(super) fn tree(&self) -> u64 {
        self.tree
    }

    fn chunk(&mut self, number: u64) -> Result<Chunk, RowError> {
        if let Some(last) = self.last.as_ref().filter(|last| last.0 == number) {
            return Ok(last.clone());
        }
        if number != self.next {
            // Cutting a view into chunks is a pure function of its rows, so it can begin anew.
            self.encoder = SnapshotEncoder::new(&*self.view, self.stream)?;
            self.encoder.skip_to(number)?;
            self.ahead = self.encoder.next_chunk()?;
            self.next = number;
        }
        let Some(bytes) = self.ahead.take() else {
            return Err(RowError::Stream(format!("chunk {number} asked for, the stream has {number}")));
        };
        self.ahead = self.encoder.next_chunk()?;
        self.next += 1;
        let chunk = (number, bytes, self.ahead.is_none());
        self.last = Some(chunk.clone());
        Ok(chunk)
    }
}

impl Lane {
    /// Reads chunk `next` for a follower; 0 takes a new snapshot of the tree, with this stream id.
    pub(super) fn read(
        &mut self,
        stores: &dyn RowStores,
        to: NodeId,
        (tree, stream): (u64, u64),
        (next, metadata): (u64, bool),
    ) -> Result<Chunk, RowError> {
        let mut sending = match self.sending.remove(&to) {
            Some(sending) if next > 0 && sending.tree == tree => sending,
            // A new snapshot could hold other rows, so its chunks would not fit the ones sent before.
            _ if next > 0 => {
                let text = format!("chunk {next} asked for, but the snapshot is not open any more");
                return Err(RowError::Stream(text));
            }
            _ if self.sending.len() >= MAX_SENDING => {
                return Err(RowError::Stream(format!("{MAX_SENDING} snapshots are being sent already")));
            }
            _ => Sending::open(stores, (tree, stream), metadata)?,
        };
        let chunk = sending.chunk(next)?;
        self.sending.insert(to, sending);
        Ok(chunk)
    }
}
