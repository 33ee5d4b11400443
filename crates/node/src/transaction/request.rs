//! A transaction as a request to a shard. Its arguments are the watched keys, then the commands, each an
//! encoded request of its own.

use super::WatchedKey;
use model::slot::Slot;
use model::varint::{DecodeError, Reader, put_bytes, put_u64};
use model::{GroupId, Keyspace};
use router::Flags;
use router::request::{Args, Parts, parse};
use shard::machine::Watched;
use shard::table::Spec;

/// One command of a transaction.
pub(crate) struct Command<'a> {
    pub ks: Keyspace,
    pub spec: &'static Spec,
    pub args: Args<'a>,
    /// Its reply is for RESP3.
    pub resp3: bool,
}

/// A transaction as its leader executes it.
pub(crate) struct Decoded<'a> {
    pub commands: Vec<Command<'a>>,
    pub watched: Vec<Watched<'a>>,
}

/// Encodes watched keys; all of them are in one shard.
pub(super) fn encode_watched(watched: &[WatchedKey]) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(first) = watched.first() else { return out };
    put_u64(&mut out, u64::from(first.shard.group().0));
    for w in watched {
        put_u64(&mut out, u64::from(w.ks.0));
        put_u64(&mut out, w.term);
        put_u64(&mut out, w.index);
        out.push(u8::from(w.there));
        put_bytes(&mut out, &w.key);
    }
    out
}

/// Watched keys. One that was looked at in another group than `here` is of a term in which nobody leads, so
/// that it counts as changed.
fn decode_watched(bytes: &[u8], here: GroupId) -> Result<Vec<Watched<'_>>, DecodeError> {
    let mut r = Reader::new(bytes);
    if r.is_empty() {
        return Ok(Vec::new());
    }
    let same = r.u64()? == u64::from(here.0);
    let mut watched = Vec::new();
    while !r.is_empty() {
        let ks = keyspace(r.u64()?)?;
        let (term, index, there) = (r.u64()?, r.u64()?, r.u8()? != 0);
        watched.push(Watched { ks, term: if same { term } else { 0 }, index, there, key: r.bytes()? });
    }
    Ok(watched)
}

fn keyspace(number: u64) -> Result<Keyspace, DecodeError> {
    let ks = u16::try_from(number).ok().filter(|&ks| ks < model::limits::KEYSPACES);
    ks.map(Keyspace).ok_or(DecodeError::Malformed("keyspace"))
}

/// Reads a transaction for the leader of a group.
///
/// # Errors
/// Arguments that are no transaction, or a command that this version does not know.
pub(crate) fn decode<'a>(parts: &Parts<'a>, here: GroupId) -> Result<Decoded<'a>, DecodeError> {
    let watched = decode_watched(parts.args[0], here)?;
    let mut commands = Vec::with_capacity(parts.args.len() - 1);
    for &encoded in &parts.args[1..] {
        let Parts { ks, args, flags } = parse(encoded)?;
        let spec = shard::table::resolve(args[0], args.get(1).copied());
        let spec = spec.ok().filter(|spec| spec.accepts(args.len()));
        let spec = spec.ok_or(DecodeError::Malformed("command"))?;
        let resp3 = parts.flags.has(Flags::RESP3) != flags.has(Flags::SWITCHED);
        commands.push(Command { ks, spec, args, resp3 });
    }
    Ok(Decoded { commands, watched })
}

/// Slot of the first key of a transaction, 0 if it has none.
pub(crate) fn slot_of(parts: &Parts<'_>) -> Slot {
    // Of what is watched elsewhere the keys are here all the same.
    let Ok(transaction) = decode(parts, GroupId::META) else { return 0 };
    let watched = transaction.watched.iter().map(|w| w.key);
    let keys = transaction.commands.iter().filter_map(|command| {
        let at = command.spec.key_positions(&command.args).next()?;
        Some(command.args[at])
    });
    watched.chain(keys).next().map_or(0, model::slot::slot_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ShardId;
    use router::Request;

    fn key(there: bool) -> WatchedKey {
        WatchedKey { ks: Keyspace(3), shard: ShardId(1), term: 9, index: 300, there, key: b"k".to_vec() }
    }

    #[test]
    fn a_transaction_round_trips_and_keys_of_another_group_count_as_changed() {
        let header = encode_watched(&[key(true), key(false)]);
        let set = Request::new(Flags::default(), Keyspace(2), &[b"SET", b"a", b"b"]);
        let request = Request::new(Flags::TRANSACTION, Keyspace(3), &[&header, set.bytes()]);
        let parts = request.parts().unwrap();
        let decoded = decode(&parts, ShardId(1).group()).unwrap();
        let there: Vec<_> = decoded.watched.iter().map(|w| (w.term, w.index, w.there, w.key)).collect();
        assert_eq!(there, [(9, 300, true, &b"k"[..]), (9, 300, false, b"k")]);
        let [set] = &decoded.commands[..] else { panic!("one command") };
        assert_eq!((set.ks, set.spec.name, &set.args[1..]), (Keyspace(2), "set", &[&b"a"[..], b"b"][..]));
        assert!(decode(&parts, ShardId(2).group()).unwrap().watched.iter().all(|w| w.term == 0));
        let unknown = Request::new(Flags::default(), Keyspace(2), &[b"SET", b"a"]);
        let request = Request::new(Flags::TRANSACTION, Keyspace(3), &[b"", unknown.bytes()]);
        assert!(decode(&request.parts().unwrap(), ShardId(1).group()).is_err(), "too few arguments");
    }

    #[test]
    fn bytes_that_are_no_transaction_are_refused() {
        let set = Request::new(Flags::default(), Keyspace(2), &[b"SET", b"a", b"b"]);
        let header = encode_watched(&[key(true)]);
        let pieces = [&header[..], set.bytes()];
        for (at, piece) in pieces.into_iter().enumerate() {
            for len in 1..piece.len() {
                let mut args = pieces;
                args[at] = &piece[..len];
                let request = Request::new(Flags::TRANSACTION, Keyspace(0), &args);
                let decoded = decode(&request.parts().unwrap(), ShardId(1).group());
                // The head of watched keys alone is a list without any.
                assert!(decoded.is_err() || at == 0 && len == 1, "{at}, {len}");
            }
        }
        let odd = Request::new(Flags::TRANSACTION, Keyspace(0), &[b"", &[0, 99, 1, 1, b'x']]);
        assert!(decode(&odd.parts().unwrap(), GroupId(1)).is_err(), "keyspace 99");
    }
}
