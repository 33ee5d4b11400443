//! Keys that travel together.

/// Most keys of a batch.
pub const BATCH_KEYS: usize = 512;
/// Bytes from which on a batch is full; only its last key takes it above.
pub const BATCH_BYTES: usize = 1 << 20;
/// Most bytes of one payload; a key with a longer one is refused. One is in memory at a time, beside full batches.
pub const MAX_PAYLOAD: usize = 512 << 20;
/// Full batches that wait to be written.
pub const WAITING_BATCHES: usize = 2;
/// Most bytes of a key's name that a message shows.
const SHOWN: usize = 100;

/// A key on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub key: Vec<u8>,
    /// When it expires, in Unix milliseconds; 0 = never.
    pub expires_ms: u64,
    /// Its value, as `RESTORE` takes it.
    pub payload: Vec<u8>,
}

/// A key that can not travel, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its name.
    pub key: Vec<u8>,
    /// The reason.
    pub why: String,
}

/// Keys of one keyspace.
#[derive(Debug, Default)]
pub struct Batch {
    /// The keyspace they come from.
    pub keyspace: u32,
    /// The keys.
    pub entries: Vec<Entry>,
    /// Keys that were there when they were listed and not any more when they were read, or whose time was over.
    pub expired: u64,
    /// Keys that can not be read.
    pub refused: Vec<Refusal>,
    bytes: usize,
}

impl Batch {
    /// An empty batch.
    pub fn of(keyspace: u32) -> Batch {
        Batch { keyspace, ..Batch::default() }
    }

    /// Adds a key.
    pub fn push(&mut self, entry: Entry) {
        self.bytes += entry.key.len() + entry.payload.len();
        self.entries.push(entry);
    }

    /// Adds a key that can not be read.
    pub fn refuse(&mut self, key: Vec<u8>, why: String) {
        self.bytes += key.len();
        self.refused.push(Refusal { key, why });
    }

    /// Keys that were met.
    pub fn keys(&self) -> u64 {
        (self.entries.len() + self.refused.len()) as u64 + self.expired
    }

    /// True when it is to be handed on.
    pub fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.entries.len() + self.refused.len() >= BATCH_KEYS
    }

    /// The batch, and an empty one in its place.
    pub fn take(&mut self) -> Batch {
        let next = Batch::of(self.keyspace);
        std::mem::replace(self, next)
    }
}

/// A key's name as messages show it.
pub fn shown(key: &[u8]) -> String {
    let more = if key.len() > SHOWN { "..." } else { "" };
    format!("\"{}{more}\"", key[..key.len().min(SHOWN)].escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_full_by_bytes_or_by_keys() {
        let entry = |bytes| Entry { key: b"k".to_vec(), expires_ms: 0, payload: vec![0; bytes] };
        let mut batch = Batch::of(3);
        batch.push(entry(BATCH_BYTES - 2));
        assert!(!batch.is_full());
        batch.push(entry(0));
        assert!(batch.is_full());
        let full = batch.take();
        assert_eq!((full.keyspace, full.keys(), batch.keyspace, batch.keys()), (3, 2, 3, 0));
        for _ in 0..BATCH_KEYS {
            assert!(!batch.is_full());
            batch.refuse(Vec::new(), String::new());
        }
        assert!(batch.is_full());
    }

    #[test]
    fn names_are_shown_in_one_line() {
        assert_eq!(shown(b"a\n\xff\""), r#""a\n\xff\"""#);
        assert!(shown(&[b'x'; 300]).ends_with("x...\""));
    }
}
