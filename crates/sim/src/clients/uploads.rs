//! What clients do with large values: they upload them chunk by chunk, read them, change them and remove them.
//!
//! Values are short, so that a world holds many; a few have a whole chunk before their last one.

use super::command::{Command, Next, Role};
use super::reply::Wire;
use super::workload::Maker;
use check::{Action, Condition};
use model::limits::CHUNK;

/// An upload under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploading {
    key: String,
    value: Vec<u8>,
    condition: Condition,
    /// Id and end of the lease, as the answer to `LARGE BEGIN` said.
    id: Vec<u8>,
    until: Vec<u8>,
    /// Chunks that were answered with OK.
    written: usize,
}

fn checksum(bytes: &[u8]) -> Vec<u8> {
    format!("{:08x}", crc32c::crc32c(bytes)).into_bytes()
}

fn asking(args: Vec<Vec<u8>>, uploading: Uploading) -> Vec<Command> {
    let next = Some(Next::Upload(Box::new(uploading)));
    vec![Command { args, role: Role::Asks, next, ..Command::default() }]
}

fn large(verb: &str, rest: &[&[u8]]) -> Vec<Vec<u8>> {
    [b"LARGE", verb.as_bytes()].iter().chain(rest).map(|word| word.to_vec()).collect()
}

impl Maker {
    /// A large value is written, read, changed or removed.
    pub(super) fn upload(&mut self, now_ns: u64) -> Vec<Command> {
        let key = self.key("big", now_ns);
        let action = match self.rng.below(16) {
            0..6 => return self.begin_upload(key),
            6..10 => Action::Get,
            10 => Action::StrLen,
            11 => Action::Exists,
            12 => Action::Del,
            13 => self.set(Condition::None, false),
            _ => Action::Append { value: format!("<{}.{}>", self.client, self.made).into_bytes().into() },
        };
        vec![Command::of(key, action)]
    }

    fn begin_upload(&mut self, key: String) -> Vec<Command> {
        let mut value = self.value();
        if self.whole_chunks > 0 && self.rng.chance(1, 20) {
            self.whole_chunks -= 1;
            value.resize(CHUNK + value.len(), b'y');
        }
        let condition = match self.rng.below(8) {
            0 => Condition::Nx,
            1 => Condition::Xx,
            _ => Condition::None,
        };
        // Some leases are over before the upload is.
        let lease_ms = 1000 + self.rng.below(3000);
        let (bytes, lease) = (value.len().to_string(), lease_ms.to_string());
        let rest = [key.as_bytes(), bytes.as_bytes(), b"LEASE", lease.as_bytes()];
        let args = large("BEGIN", &rest);
        let (id, until) = (Vec::new(), Vec::new());
        asking(args, Uploading { key, value, condition, id, until, written: 0 })
    }

    /// What follows from the answer to a step of an upload: the next chunk, or the end.
    pub(super) fn upload_on(&mut self, mut uploading: Uploading, wire: &Wire) -> Vec<Command> {
        match wire {
            Wire::Array(begun) => {
                let [Wire::Bulk(Some(id)), Wire::Int(until), _] = &begun[..] else { return Vec::new() };
                uploading.id = id.to_vec();
                uploading.until = until.to_string().into_bytes();
            }
            Wire::Simple(_) => uploading.written += 1,
            // It goes no further, or the client does not know whether it does.
            _ => return Vec::new(),
        }
        let Some(chunk) = uploading.value.chunks(CHUNK).nth(uploading.written) else {
            return vec![commit(uploading)];
        };
        if self.rng.chance(1, 30) {
            let args = large("ABORT", &[uploading.key.as_bytes(), &uploading.id]);
            return vec![Command { args, ..Command::default() }];
        }
        let number = uploading.written.to_string();
        let sum = checksum(chunk);
        let args = large("WRITE", &[&uploading.id, number.as_bytes(), &uploading.until, &sum, chunk]);
        asking(args, uploading)
    }
}

/// The command with which a key has the value: a SET of it.
fn commit(uploading: Uploading) -> Command {
    let Uploading { key, value, condition, id, .. } = uploading;
    let (length, sum) = (value.len().to_string(), checksum(&value));
    let mut args = large("COMMIT", &[key.as_bytes(), &id, length.as_bytes(), &sum]);
    match condition {
        Condition::None => {}
        Condition::Nx => args.push(b"NX".to_vec()),
        Condition::Xx => args.push(b"XX".to_vec()),
    }
    let action = Action::Set { value: value.into(), condition, get: false, ttl_ms: None, keep_ttl: false };
    Command { args, parts: vec![(key, action)], ..Command::default() }
}

/// Whether an error says that a command on a large value did nothing: its upload is over, or the value went while it
/// was read.
pub fn is_undone(text: &str) -> bool {
    // The last is of an APPEND, where clocks jump by more than the lease of what it writes.
    text.starts_with("ERR there is no upload ")
        || is_gone(text)
        || text.starts_with("ERR the lease of upload ")
}

/// Whether an error says that bytes of a value are not there any more.
pub fn is_gone(text: &str) -> bool {
    text.contains("gone or damaged")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::workload::Workload;
    use env::Rng;

    #[test]
    fn chunks_come_before_the_commit_and_failures_end_an_upload() {
        let mut maker = Maker::new(Workload::Uploads, 1, Rng::new(1), 3, 2);
        let (id, until, key, value) = (Vec::new(), Vec::new(), "big".to_owned(), vec![b'v'; CHUNK + 3]);
        let begun = Uploading { key, value, condition: Condition::Nx, id, until, written: 0 };
        let answer = Wire::Array(vec![Wire::Bulk(Some(b"id"[..].into())), Wire::Int(9), Wire::Int(1)]);
        let mut next = maker.upload_on(begun.clone(), &answer).remove(0);
        for number in ["0", "1"] {
            assert_eq!(next.args[..4], large("WRITE", &[b"id", number.as_bytes()]));
            let Some(Next::Upload(uploading)) = next.next.clone() else { panic!("nothing follows") };
            assert_eq!(maker.upload_on((*uploading).clone(), &Wire::Error("ERR x".into())).len(), 0);
            next = maker.upload_on(*uploading, &Wire::Simple("OK".into())).remove(0);
        }
        assert_eq!((&next.args[1][..], &next.args[6][..], next.parts.len()), (&b"COMMIT"[..], &b"NX"[..], 1));
        assert_eq!(maker.upload_on(begun, &Wire::Error("ERR x".into())).len(), 0);
    }
}
