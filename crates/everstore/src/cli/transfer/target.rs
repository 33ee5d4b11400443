//! A cluster into which keys are written: `RESTORE`, pipelined, through failovers.
//!
//! A reply that never came leaves open whether the key was written. It is asked for again without `REPLACE`; if
//! the key is there then, its value tells whether it is ours.

use super::batch::{Batch, Entry, Refusal};
use super::count::{Counts, Fate};
use super::peer::{Peer, passes};
use crate::cli::CliError;
use crate::cli::reply::Reply;

/// Keys that are compared at a time.
const COMPARED: usize = 32;
/// Most difference of two expiry times that are the same, in ms: older servers tell what is left, not when.
const SAME_EXPIRY_MS: u64 = 1000;
/// A longer bulk string is never sent, whatever a node says it takes: the largest value of all.
const LARGEST_VALUE: u64 = model::limits::MAX_VALUE as u64;

/// What to do with a key that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and is an error unless it has the same value.
    Refuse,
    /// It gets the new value.
    Replace,
    /// It stays.
    Skip,
}

/// Where keys are written.
#[derive(Debug)]
pub struct Target {
    pub(super) peer: Peer,
    pub(super) existing: Existing,
    /// Most bytes of a payload that a node takes.
    max_payload: u64,
}

/// What `RESTORE` said.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Written,
    /// The key is there. `unsure`: perhaps because an earlier try has written it.
    Exists {
        unsure: bool,
    },
    Refused(String),
}

impl Target {
    /// Finds what the nodes of a cluster take.
    ///
    /// # Errors
    /// No node answers.
    pub fn new(mut peer: Peer, existing: Existing) -> Result<Target, CliError> {
        let max_payload = match peer.ask_one(0, &[b"CONFIG", b"GET", b"max-value"])? {
            Reply::Array(parts) => match parts.get(1) {
                Some(Reply::Text(bytes)) => String::from_utf8_lossy(bytes).parse().unwrap_or(LARGEST_VALUE),
                _ => LARGEST_VALUE,
            },
            _ => LARGEST_VALUE,
        };
        Ok(Target { peer, existing, max_payload: max_payload.min(LARGEST_VALUE) })
    }

    /// The nodes it writes to.
    pub fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    /// Keys of a keyspace.
    ///
    /// # Errors
    /// No node answers for a minute.
    pub fn size(&mut self, keyspace: u16) -> Result<u64, CliError> {
        self.peer.ask_number(keyspace.into(), &[b"DBSIZE"])
    }

    /// Writes a batch into a keyspace, and counts what became of each key; those that could not be written.
    ///
    /// # Errors
    /// No node does it for a minute. What of the batch was written then is not known.
    pub fn put(&mut self, to: u16, batch: Batch, counts: &mut Counts) -> Result<Vec<Refusal>, CliError> {
        counts.read += batch.keys();
        counts.expired += batch.expired;
        let mut refused = batch.refused;
        let small = |entry: &&Entry| {
            entry.payload.len() as u64 <= self.max_payload && entry.key.len() <= model::limits::MAX_KEY
        };
        let (small, large): (Vec<&Entry>, Vec<&Entry>) = batch.entries.iter().partition(small);
        let mut open = Vec::new();
        for (entry, said) in small.iter().zip(self.restore(to, &small, false)?) {
            match said {
                Said::Written => counts.add(Fate::Written, entry),
                Said::Exists { unsure: false } if self.existing == Existing::Skip => {
                    counts.add(Fate::Skipped, entry)
                }
                Said::Exists { unsure } => open.push((*entry, unsure)),
                Said::Refused(why) => self.refused(to, entry, why, counts, &mut refused)?,
            }
        }
        let replaced = self.settle(to, &open, counts, &mut refused)?;
        for (entry, said) in replaced.iter().zip(self.restore(to, &replaced, true)?) {
            match said {
                Said::Refused(why) => self.refused(to, entry, why, counts, &mut refused)?,
                _ => counts.add(Fate::Replaced, entry),
            }
        }
        for entry in large {
            let why = match entry.key.len() {
                length if length > model::limits::MAX_KEY => {
                    format!("a name of {length} bytes, at most {} are allowed", model::limits::MAX_KEY)
                }
                _ => {
                    let (bytes, most) = (entry.payload.len(), self.max_payload);
                    format!("its DUMP has {bytes} bytes, at most {most} are taken (max-value)")
                }
            };
            self.refused(to, entry, why, counts, &mut refused)?;
        }
        counts.refused += refused.len() as u64;
        Ok(refused)
    }

    /// What `RESTORE` can not write as one is written in pieces, if that can be.
    fn refused(
        &mut self,
        to: u16,
        entry: &Entry,
        why: String,
        counts: &mut Counts,
        refused: &mut Vec<Refusal>,
    ) -> Result<(), CliError> {
        match self.in_pieces(to, entry, why)? {
            Ok(fate) => counts.add(fate, entry),
            Err(why) => refused.push(Refusal { key: entry.key.clone(), why }),
        }
        Ok(())
    }

    /// Has every entry restored; nothing is left open but whether an existing key is ours.
    fn restore(&mut self, to: u16, entries: &[&Entry], replace: bool) -> Result<Vec<Said>, CliError> {
        let mut said: Vec<Option<Said>> = vec![None; entries.len()];
        let mut unsure = vec![false; entries.len()];
        loop {
            let open: Vec<usize> = (0..entries.len()).filter(|at| said[*at].is_none()).collect();
            if open.is_empty() {
                return Ok(said.into_iter().flatten().collect());
            }
            let link = self.peer.link(to.into())?;
            for &at in &open {
                let entry = entries[at];
                let expires = entry.expires_ms.to_string();
                let command: [&[u8]; 6] =
                    [b"RESTORE", &entry.key, expires.as_bytes(), &entry.payload, b"ABSTTL", b"REPLACE"];
                link.push(&command[..if replace { 6 } else { 5 }]);
            }
            let (mut broken, mut passing) = (link.flush().err(), None);
            for (n, &at) in open.iter().enumerate() {
                let reply = match &broken {
                    None => link.read(),
                    Some(_) => break,
                };
                match reply {
                    Ok(Reply::Text(_)) => said[at] = Some(Said::Written),
                    Ok(Reply::Error(text)) if text.starts_with("BUSYKEY") => {
                        said[at] = Some(Said::Exists { unsure: unsure[at] });
                    }
                    Ok(Reply::Error(text)) if passes(&text) => {
                        unsure[at] |= text.starts_with("UNKNOWN");
                        passing = Some(text);
                    }
                    Ok(Reply::Error(text)) => said[at] = Some(Said::Refused(text)),
                    Ok(other) => said[at] = Some(Said::Refused(format!("RESTORE answered {other:?}"))),
                    Err(error) => {
                        open[n..].iter().for_each(|at| unsure[*at] = true);
                        broken = Some(error);
                    }
                }
            }
            if open.iter().any(|at| said[*at].is_some()) {
                self.peer.works();
            } else if broken.is_some() {
                open.iter().for_each(|at| unsure[*at] = true);
            }
            if let Some(error) = broken {
                self.peer.lost(&format!("{}: {error}", self.peer.address()))?;
            } else if let Some(text) = passing {
                self.peer.wait(&format!("{}: {text}", self.peer.address()))?;
            }
        }
    }

    /// Decides about keys that are there already; those to be replaced.
    fn settle<'e>(
        &mut self,
        to: u16,
        open: &[(&'e Entry, bool)],
        counts: &mut Counts,
        refused: &mut Vec<Refusal>,
    ) -> Result<Vec<&'e Entry>, CliError> {
        let mut replaced = Vec::new();
        for some in open.chunks(COMPARED) {
            let compared: Vec<&Entry> = match self.existing {
                // Only what a lost reply has left open.
                Existing::Replace => {
                    some.iter().filter(|(_, unsure)| *unsure).map(|(entry, _)| *entry).collect()
                }
                _ => some.iter().map(|(entry, _)| *entry).collect(),
            };
            let mut same = self.compare(to, &compared)?.into_iter();
            for &(entry, unsure) in some {
                let same = if self.existing == Existing::Replace && !unsure {
                    Some(false)
                } else {
                    same.next().flatten()
                };
                match (same, self.existing) {
                    (Some(true), _) => counts.add(if unsure { Fate::Written } else { Fate::Same }, entry),
                    // It is gone again: nothing is in the way.
                    (None, _) | (_, Existing::Replace) => replaced.push(entry),
                    (_, Existing::Skip) => counts.add(Fate::Skipped, entry),
                    (_, Existing::Refuse) => {
                        let why = "the key exists already with another value or expiry: --replace or --skip-existing";
                        refused.push(Refusal { key: entry.key.clone(), why: why.to_owned() });
                    }
                }
            }
        }
        Ok(replaced)
    }

    /// Whether these keys have the values that were to be written; `None` where there is no key.
    pub(super) fn compare(&mut self, to: u16, entries: &[&Entry]) -> Result<Vec<Option<bool>>, CliError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let commands: Vec<Vec<&[u8]>> = entries
            .iter()
            .flat_map(|entry| [vec![&b"DUMP"[..], &entry.key], vec![&b"PEXPIRETIME"[..], &entry.key]])
            .collect();
        let replies = self.peer.ask(to.into(), &commands)?;
        let same =
            entries.iter().zip(replies.chunks_exact(2)).map(|(entry, replies)| is_same(entry, replies));
        Ok(same.collect())
    }
}

/// Whether a key is as it was to be written, by its `DUMP` and its `PEXPIRETIME`.
fn is_same(entry: &Entry, replies: &[Reply]) -> Option<bool> {
    let (payload, time) = match replies {
        [Reply::Text(payload), Reply::Integer(time @ -1..)] => (payload, *time),
        [Reply::Nil, _] | [_, Reply::Integer(-2)] => return None,
        _ => return Some(false),
    };
    let time = u64::try_from(time).unwrap_or(0);
    let same_time = match (time, entry.expires_ms) {
        (0, 0) => true,
        (0, _) | (_, 0) => false,
        (time, wanted) => time.abs_diff(wanted) <= SAME_EXPIRY_MS,
    };
    let same_value = || match (rdb::restore(payload), rdb::restore(&entry.payload)) {
        (Ok(theirs), Ok(ours)) => theirs.in_order() == ours.in_order(),
        _ => false,
    };
    Some(same_time && (*payload == entry.payload || same_value()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdb::Value;

    #[test]
    fn the_same_value_in_another_encoding_is_the_same() {
        let set = |members: [&str; 2]| Value::Set(members.map(|member| member.as_bytes().to_vec()).into());
        let entry =
            |expires_ms| Entry { key: b"k".to_vec(), expires_ms, payload: rdb::dump(&set(["a", "b"])) };
        let same = |expires_ms, members, time| {
            let replies = [Reply::Text(rdb::dump(&set(members))), Reply::Integer(time)];
            is_same(&entry(expires_ms), &replies)
        };
        assert_eq!(same(0, ["a", "b"], -1), Some(true));
        assert_eq!(same(0, ["b", "a"], -1), Some(true));
        assert_eq!(same(0, ["b", "c"], -1), Some(false));
        assert_eq!(same(5000, ["b", "a"], 5900), Some(true));
        assert_eq!(same(5000, ["b", "a"], 6100), Some(false));
        assert_eq!(same(5000, ["b", "a"], -1), Some(false));
        assert_eq!(same(0, ["b", "a"], 5000), Some(false));
        assert_eq!(same(0, ["b", "a"], -2), None);
        assert_eq!(is_same(&entry(0), &[Reply::Nil, Reply::Integer(-2)]), None);
        let too_long = [Reply::TooLong(1 << 40), Reply::Integer(-1)];
        assert_eq!(is_same(&entry(0), &too_long), Some(false));
    }
}
