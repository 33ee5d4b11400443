//! One simulated file: what the process sees, what is durable, and the writes in between.

use super::SECTOR;
use crate::rng::Rng;

#[derive(Clone, Default)]
pub(crate) struct Inode {
    /// Content as the process sees it.
    pub(crate) bytes: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

impl Inode {
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.bytes, offset, bytes);
        self.unsynced.push(Change::Write(offset, bytes.to_vec()));
    }

    pub(crate) fn resize(&mut self, len: usize) {
        self.bytes.resize(len, 0);
        self.unsynced.push(Change::Resize(len));
    }

    pub(crate) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Write(offset, bytes) => put(&mut self.durable, offset, &bytes),
                Change::Resize(len) => self.durable.resize(len, 0),
            }
        }
    }

    pub(crate) fn power_cut(&mut self, rng: &mut Rng) {
        for change in std::mem::take(&mut self.unsynced) {
            // A third each: all lost, all kept, torn.
            let fate = rng.below(3);
            match change {
                _ if fate == 0 => {}
                Change::Resize(len) => self.durable.resize(len, 0),
                Change::Write(offset, bytes) if fate == 1 => put(&mut self.durable, offset, &bytes),
                Change::Write(offset, bytes) => self.put_torn(offset, &bytes, rng),
            }
        }
        self.bytes.clone_from(&self.durable);
    }

    fn put_torn(&mut self, offset: usize, bytes: &[u8], rng: &mut Rng) {
        let end = offset + bytes.len();
        let mut at = offset;
        while at < end {
            let next = ((at / SECTOR + 1) * SECTOR).min(end);
            if rng.chance(1, 2) {
                put(&mut self.durable, at, &bytes[at - offset..next - offset]);
            }
            at = next;
        }
    }

    pub(crate) fn flip(&mut self, offset: usize, bit: u8) -> Option<()> {
        let (seen, durable) = (self.bytes.get_mut(offset)?, self.durable.get_mut(offset)?);
        *seen ^= 1 << (bit % 8);
        *durable ^= 1 << (bit % 8);
        Some(())
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}
