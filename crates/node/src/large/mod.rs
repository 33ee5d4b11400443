//! Large values: their chunks are written and read through this node, and removed by the nodes that lead the shards
//! of their keys (`docs/decisions/0010-large-values.md`).

mod collect;
mod edit;
mod incoming;
mod read;
mod upload;

pub(crate) use collect::Collecting;
use collect::Collector;
pub(crate) use edit::Editing;
pub(crate) use incoming::Incoming;
pub(crate) use read::Reading;
pub(crate) use upload::Upload;

use crate::conn::Conn;
use crate::core::Core;
use crate::execute::{MAX_REQUEST, too_long};
use crate::memory::OUT_OF_MEMORY;
use cluster::map::Placement;
use model::large::{PREFIX, UploadId};
use model::limits::CHUNKS;
use model::slot::slot_of;
use model::{GroupId, Keyspace, Reply, Slot};
use resp::Proto;
use router::{Flags, Request};
use shard::commands::integer;
use shard::commands::large::PIECES;
use shard::table::{Spec, flag};
use std::collections::BTreeMap;

/// Commands of one connection on chunks that are under way, of [`model::limits::CHUNK`] bytes each: the next one waits
/// until all are answered.
const MAX_UNDER_WAY: usize = 8;

/// Longest value that a client can send as one argument, as in Redis.
pub(crate) const MAX_BULK: usize = 512 << 20;

/// What a node is doing with large values.
#[derive(Debug, Default)]
pub(crate) struct Large {
    /// Operations that read parts for clients.
    readings: Vec<u64>,
    /// What removes chunks.
    collector: Collector,
    /// Edits that are prepared, or failed.
    edited: Vec<u64>,
    /// Keys whose values are being changed, and what others wait for who want to change them too.
    editing: BTreeMap<(GroupId, Keyspace, Vec<u8>), u64>,
}

/// Whether a shard's answer says that the value is in chunks.
#[inline]
pub(crate) fn is_in_chunks(reply: &[u8]) -> bool {
    reply.first() == Some(&b'-') && reply[1..].starts_with(PIECES.as_bytes())
}

impl Core {
    /// Uploads that this node's replicas know, those that are under way or to be removed included.
    pub(crate) fn uploads(&self) -> usize {
        self.replicas.iter().flatten().map(|replica| replica.machine.systems(PREFIX).count()).sum()
    }

    /// The shard of a chunk.
    fn shard_of_chunk(&self, upload: UploadId, number: u64) -> Option<(GroupId, Slot)> {
        let slot = slot_of(&upload.chunk_key(number));
        match self.map.shard_of(CHUNKS, slot) {
            Placement::Shard(shard) => Some((shard.group(), slot)),
            Placement::Closed => None,
        }
    }

    /// A command on a chunk. The keyspace of chunks is synchronous, whatever the connection chose.
    pub(crate) fn run_chunk(&mut self, conn: &mut Conn, spec: &'static Spec, args: &[&[u8]]) {
        if conn.routed() >= MAX_UNDER_WAY {
            return self.drain_first(conn, args);
        }
        let number = args.get(3).and_then(|arg| u64::try_from(integer::parse(arg)?).ok());
        let upload = args.get(2).and_then(|arg| UploadId::parse(arg));
        // What is no chunk is refused by its handler, in any shard.
        let place = upload.zip(number).and_then(|(upload, number)| self.shard_of_chunk(upload, number));
        let (group, slot) = place.unwrap_or((GroupId(1), 0));
        let flags = Flags::COMMITTED
            .with(Flags::RESP3, conn.session.proto == Proto::Resp3)
            .with(Flags::TOUCH, !conn.session.flags.no_touch)
            .with(Flags::WRITE, spec.flags.has(flag::WRITE));
        let request = Request::new(flags, CHUNKS, args);
        if request.bytes().len() > MAX_REQUEST {
            let text = too_long(request.bytes().len());
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        if self.refuses_memory(spec) {
            return self.reply_now(conn, |reply| reply.error(OUT_OF_MEMORY));
        }
        self.enqueue(conn, group, request, slot);
    }

    /// A value that this node's own leader has found to be in chunks: the shard is asked once more through the route,
    /// whose answer may wait for what is not committed of it, and leads to [`Core::begin_reading`].
    #[cold]
    pub(crate) fn read_large(
        &mut self,
        conn: &mut Conn,
        group: GroupId,
        flags: Flags,
        start: usize,
        args: &[&[u8]],
    ) {
        conn.reply_buffer().truncate(start);
        let slot = args.get(1).map_or(0, |key| slot_of(key));
        let request = Request::new(flags, conn.session.keyspace, args);
        self.enqueue(conn, group, request, slot);
    }
}
