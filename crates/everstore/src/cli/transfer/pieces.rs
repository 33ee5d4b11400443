//! A collection that is too large for one command is written piece by piece: not in one moment, and whole at the end.

use rdb::Value;

use super::batch::Entry;
use super::count::Fate;
use super::target::{Existing, Target};
use crate::cli::CliError;
use crate::cli::reply::Reply;

/// Collections from so many bytes on are written in pieces when `RESTORE` refuses them; what is smaller is refused for
/// another reason.
const LARGE_BYTES: usize = 2 << 20;
/// Most bytes of a piece, the key counted for each element as the cluster does; one element may be larger.
const PIECE_BYTES: usize = 1 << 20;
/// Most elements of a piece.
const PIECE_ELEMENTS: usize = 1024;
/// Pieces that are sent before their replies are read.
const PIECES_AT_ONCE: usize = 8;
/// Times that a list is begun again because a lost reply left open whether a piece of it was written.
const TRIES: u32 = 3;

/// How a collection is written: the command that adds, and the one that counts.
struct Way {
    add: &'static str,
    count: &'static str,
    /// The arguments of each element.
    elements: Vec<Vec<Vec<u8>>>,
}

impl Way {
    /// `None` if the value is not written in pieces.
    fn of(value: Value) -> Option<Way> {
        let (add, count, elements): (_, _, Vec<Vec<Vec<u8>>>) = match value {
            Value::List(items) => ("RPUSH", "LLEN", items.into_iter().map(|item| vec![item]).collect()),
            Value::Set(members) => {
                ("SADD", "SCARD", members.into_iter().map(|member| vec![member]).collect())
            }
            Value::Hash(pairs) => ("HSET", "HLEN", pairs.into_iter().map(|(f, v)| vec![f, v]).collect()),
            Value::SortedSet(members) => {
                let pair = |(member, score): (Vec<u8>, f64)| vec![format!("{score:?}").into_bytes(), member];
                ("ZADD", "ZCARD", members.into_iter().map(pair).collect())
            }
            Value::String(_) | Value::Stream(_) => return None,
        };
        let bytes: usize = elements.iter().flatten().map(|part| part.len() + 8).sum();
        (bytes >= LARGE_BYTES).then_some(Way { add, count, elements })
    }

    /// Where pieces end.
    fn pieces(&self, key: usize) -> Vec<&[Vec<Vec<u8>>]> {
        let (mut pieces, mut rest) = (Vec::new(), &self.elements[..]);
        while !rest.is_empty() {
            let mut bytes = 0;
            let fit = rest.iter().take(PIECE_ELEMENTS).take_while(|element| {
                bytes += key + element.iter().map(Vec::len).sum::<usize>();
                bytes <= PIECE_BYTES
            });
            let (piece, behind) = rest.split_at(fit.count().max(1));
            pieces.push(piece);
            rest = behind;
        }
        pieces
    }
}

impl Target {
    /// Writes a key that was refused as one, if it is a large collection. The inner error: why it can not be written,
    /// `why` if pieces are of no help.
    pub(super) fn in_pieces(
        &mut self,
        to: u16,
        entry: &Entry,
        why: String,
    ) -> Result<Result<Fate, String>, CliError> {
        let way = match rdb::restore(&entry.payload) {
            Ok(value) if entry.key.len() <= model::limits::MAX_KEY => Way::of(value),
            _ => None,
        };
        let Some(way) = way else { return Ok(Err(why)) };
        let there = self.peer.ask_number(to.into(), &[b"EXISTS", &entry.key])? > 0;
        if there && self.existing != Existing::Replace {
            let same = self.existing == Existing::Refuse && self.compare(to, &[entry])? == [Some(true)];
            return Ok(match self.existing {
                Existing::Skip => Ok(Fate::Skipped),
                _ if same => Ok(Fate::Same),
                _ => Err("the key exists already with another value or expiry: --replace or --skip-existing"
                    .into()),
            });
        }
        let mut failed = String::new();
        for attempt in 0..TRIES {
            if there || attempt > 0 {
                self.peer.ask_one(to.into(), &[b"UNLINK", &entry.key])?;
            }
            match self.write(to, entry, &way)? {
                Ok(()) => return Ok(Ok(if there { Fate::Replaced } else { Fate::Written })),
                Err(why) => failed = why,
            }
        }
        // A part of it would be taken for the whole.
        self.peer.ask_one(to.into(), &[b"UNLINK", &entry.key])?;
        Ok(Err(failed))
    }

    fn write<'w>(&mut self, to: u16, entry: &'w Entry, way: &'w Way) -> Result<Result<(), String>, CliError> {
        for some in way.pieces(entry.key.len()).chunks(PIECES_AT_ONCE) {
            let command = |piece: &&'w [Vec<Vec<u8>>]| {
                let mut command: Vec<&'w [u8]> = vec![way.add.as_bytes(), &entry.key];
                command.extend(piece.iter().flatten().map(|part| &part[..]));
                command
            };
            let commands: Vec<Vec<&[u8]>> = some.iter().map(command).collect();
            // Asked for again if a reply is lost. Only a list has an element twice then, which its length shows.
            for reply in self.peer.ask(to.into(), &commands)? {
                if let Reply::Error(text) = reply {
                    return Ok(Err(format!("in pieces, {}: {text}", way.add)));
                }
            }
        }
        let found = self.peer.ask_number(to.into(), &[way.count.as_bytes(), &entry.key])?;
        if found != way.elements.len() as u64 {
            let wanted = way.elements.len();
            return Ok(Err(format!(
                "in pieces: it has {found} elements instead of {wanted}: it was changed meanwhile"
            )));
        }
        if entry.expires_ms > 0 {
            let expires = entry.expires_ms.to_string();
            self.peer.ask_one(to.into(), &[b"PEXPIREAT", &entry.key, expires.as_bytes()])?;
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_collections_are_cut() {
        let large = || vec![b'x'; LARGE_BYTES];
        assert!(Way::of(Value::String(large())).is_none());
        assert!(Way::of(Value::List(vec![b"x".to_vec()])).is_none());
        assert!(Way::of(Value::List(vec![large()])).is_some());
        let way =
            Way::of(Value::SortedSet(vec![(large(), f64::NEG_INFINITY), (b"x".to_vec(), 1e300)])).unwrap();
        assert_eq!((way.add, way.count), ("ZADD", "ZCARD"));
        assert_eq!((&way.elements[0][0][..], &way.elements[1][0][..]), (&b"-inf"[..], &b"1e300"[..]));
    }

    #[test]
    fn pieces_are_bounded_by_bytes_and_elements_and_leave_nothing_out() {
        let items = |count, bytes: usize| Value::List((0..count).map(|_| vec![b'x'; bytes]).collect());
        let sizes = |value, key| {
            let way = Way::of(value).expect("it is large");
            way.pieces(key).into_iter().map(<[_]>::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(items(5, 1 << 19), 1), [1, 1, 1, 1, 1]);
        assert_eq!(sizes(items(5, (1 << 19) - 1), 1), [2, 2, 1]);
        assert_eq!(sizes(items(2, 3 << 20), 1), [1, 1], "one element may be larger");
        let many = sizes(items(300_000, 1), 1);
        assert_eq!((many[0], many.iter().sum::<usize>()), (PIECE_ELEMENTS, 300_000));
        assert_eq!(sizes(items(300_000, 1), 1 << 15)[0], 31, "the key counts for each element");
    }
}
