//! Requests of the nodes themselves that run in a shard like commands: a part of a SCAN, the keys of a
//! slot, waiting for replication, and the steps of a layout change.

use crate::layouts;
use model::limits::SLOTS;
use model::{Position, Term};
use shard::commands::{ScanRequest, scan_part};
use shard::data::{Context, Done, Handler, Stop};

/// Name of the request for a part of a SCAN: from, end, count, the arguments after the cursor.
pub(crate) const SCAN: &[u8] = b"scan-part";
/// Name of the request to wait for replication: term, index, followers, ms.
pub(crate) const WAIT: &[u8] = b"wait-for";
/// Name of the request that also counts the leader's disk: term, index, followers, ms, local.
pub(crate) const WAITAOF: &[u8] = b"wait-for-disks";
/// Name of the request to take from keys or to wait for them, see `blocking.rs`: since, operation, ms, whether it
/// has waited before (1 or 0), command.
pub(crate) const BLOCK: &[u8] = b"block";
/// Name of the request to end such a wait: since, operation.
pub(crate) const UNBLOCK: &[u8] = b"unblock";
/// Name of the request for the ids of the last entries that an XREAD waits behind, see `blocking.rs`: command.
pub(crate) const FIND_LAST: &[u8] = b"find-last";
/// Name of the request to close an empty keyspace: number, epoch.
pub(crate) const CLOSE: &[u8] = b"close-keyspace";
/// Name of the request to open a keyspace: number, epoch, layout.
pub(crate) const OPEN: &[u8] = b"open-keyspace";
/// Name of the request to change a keyspace's mode: epoch, replication, bytes, ms, allow-async.
pub(crate) const MODE: &[u8] = b"set-mode";

/// Name of the request for the last index of a term among what is committed, see `losses/ask.rs`: term.
pub(crate) const END_OF_TERM: &[u8] = b"end-of-term";
/// Name of the request to give a key its lost state, see `losses/replay.rs`.
pub(crate) const REPLAY: &[u8] = b"replay-row";
/// Name of the request to remove the bound of a loss that somebody acknowledged: its name.
pub(crate) const ACKNOWLEDGE: &[u8] = b"acknowledge-loss";
/// Name of the request to look at keys for WATCH, see `transaction/watch.rs`: keys.
pub(crate) const WATCH: &[u8] = b"watch-keys";
/// Name of the request to free the upload of a large value that is good for nothing: name of its row.
pub(crate) const COLLECT: &[u8] = b"collect-large";
/// Name of the request to forget an upload without chunks: name of its row.
pub(crate) const FORGET: &[u8] = b"forget-large";
/// Name of the request to begin an upload for an edit: key, first chunk, end in bytes.
pub(crate) const BEGIN_EDIT: &[u8] = b"begin-edit";
/// Name of the request to remove a chunk: id of its upload, number.
pub(crate) const DROP: &[u8] = b"drop-chunk";
/// Name of the request for the number of keys in a slot: slot.
pub(crate) const SLOT_COUNT: &[u8] = b"slot-count";
/// Name of the request for keys in a slot: slot, at most how many.
pub(crate) const SLOT_KEYS: &[u8] = b"slot-keys";

/// The handler of an internal request.
pub(crate) fn handler(args: &[&[u8]]) -> Option<Handler> {
    Some(match *args.first()? {
        SCAN => scan,
        WATCH => crate::transaction::look,
        FIND_LAST => shard::commands::find_last,
        SLOT_COUNT => slot_count,
        SLOT_KEYS => slot_keys,
        CLOSE => layouts::close,
        OPEN => layouts::open,
        MODE => crate::modes::set,
        COLLECT => shard::commands::large::collect,
        FORGET => shard::commands::large::forget,
        BEGIN_EDIT => shard::commands::large::begin_edit,
        DROP => shard::commands::large::drop_chunk,
        ACKNOWLEDGE => crate::losses::acknowledge,
        REPLAY => crate::losses::replay_row,
        _ => return None,
    })
}

/// A number argument of an internal request.
pub(crate) fn number(arg: Option<&&[u8]>) -> Result<u64, Stop> {
    arg.and_then(|a| std::str::from_utf8(a).ok())
        .and_then(|a| a.parse().ok())
        .ok_or(Stop::error("ERR malformed internal request"))
}

/// Reads a request for the end of a term.
pub(crate) fn end_of_term(args: &[&[u8]]) -> Option<Term> {
    if args.first() != Some(&END_OF_TERM) {
        return None;
    }
    number(args.get(1)).ok()
}

/// Replies with the position to go on with (0 = the range is done, else position + 1) and the keys.
fn scan(cx: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let from = Position(number(args.get(1))?);
    let end = Position(number(args.get(2))?);
    let count = number(args.get(3))? as usize;
    let mut options: Vec<&[u8]> = vec![SCAN, b"0"];
    options.extend_from_slice(&args[4..]);
    let filter = ScanRequest::parse(&options)?.filter;
    let mut keys = Vec::new();
    let next = scan_part(&mut cx.data, from, end, count, &filter, &mut keys)?;
    cx.reply.array(2);
    cx.reply.bulk_str(&next.map_or(0, |p| p.0 + 1).to_string());
    cx.reply.array(keys.len());
    keys.iter().for_each(|key| cx.reply.bulk(key));
    Ok(())
}

/// First position of a slot and of the next one.
fn slot_range(arg: Option<&&[u8]>) -> Result<(Position, Position), Stop> {
    let slot = number(arg)?.min(u64::from(SLOTS) - 1);
    Ok((Position(slot << 48), Position((slot + 1) << 48)))
}

/// Expired keys that nobody has deleted yet are counted, as DBSIZE does.
fn slot_count(cx: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (from, end) = slot_range(args.get(1))?;
    let count = cx.data.space().count(from, end);
    cx.reply.int(count as i64);
    Ok(())
}

fn slot_keys(cx: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (from, end) = slot_range(args.get(1))?;
    let wanted = usize::try_from(number(args.get(2))?).unwrap_or(usize::MAX);
    let mut keys = Vec::new();
    let (mut next, filter) = (Some(from), ScanRequest::parse(&[SCAN, b"0"])?.filter);
    while let Some(from) = next.filter(|_| keys.len() < wanted) {
        let count = wanted - keys.len();
        next = scan_part(&mut cx.data, from, end, count, &filter, &mut keys)?;
    }
    // Keys of one position are found together.
    keys.truncate(wanted);
    cx.reply.array(keys.len());
    keys.iter().for_each(|key| cx.reply.bulk(key));
    Ok(())
}
