//! What a stream says of itself beside its entries: it outlives them.

use super::id::Id;
use super::page::Page;
use model::varint::{DecodeError, Reader, put_u64};

/// Format of the encoded state.
const FORMAT: u8 = 1;

/// See above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The highest id that an entry ever had, or that XSETID named.
    pub last: Id,
    /// The highest id that XDEL removed.
    pub max_deleted: Id,
    /// Entries ever added.
    pub added: u64,
    /// The page of the last entry.
    pub page: Page,
}

impl State {
    /// As a change has it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.push(FORMAT);
        for number in [self.last.ms, self.last.seq, self.max_deleted.ms, self.max_deleted.seq, self.added] {
            put_u64(&mut out, number);
        }
        self.page.encode(&mut out);
        out
    }

    /// Of what a row has; the first state of a stream is no bytes.
    ///
    /// # Errors
    /// Bytes that are none, or of a later format.
    pub fn decode(bytes: &[u8]) -> Result<State, DecodeError> {
        let mut r = Reader::new(bytes);
        if r.is_empty() {
            return Ok(State::default());
        }
        let format = r.u8()?;
        if format != FORMAT {
            return Err(DecodeError::Version(format));
        }
        let last = Id { ms: r.u64()?, seq: r.u64()? };
        let max_deleted = Id { ms: r.u64()?, seq: r.u64()? };
        Ok(State { last, max_deleted, added: r.u64()?, page: Page::decode(&mut r)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn states_are_read_back(ids: [u64; 6], added: u64, page: (u64, u64, u64, u64)) {
            let id = |at: usize| Id { ms: ids[at], seq: ids[at + 1] };
            let page = Page { number: page.0, entries: page.1, bytes: page.2, first: id(4), fields: page.3 };
            let state = State { last: id(0), max_deleted: id(2), added, page };
            let bytes = state.encode();
            prop_assert_eq!(State::decode(&bytes), Ok(state));
            prop_assert!(State::decode(&bytes[..bytes.len() - 1]).is_err());
            prop_assert_eq!(State::decode(&[]), Ok(State::default()));
        }

        #[test]
        fn any_bytes_are_a_state_or_refused(bytes: Vec<u8>) {
            let _ = State::decode(&bytes);
        }
    }
}
