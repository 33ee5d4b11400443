//! The payload of a Raft entry: shard time and the effects of one turn.

use crate::effect::Effect;
use crate::planted::{Bug, is_planted};
use crate::varint::{DecodeError, Reader, put_u64};

/// Format version of entry payloads.
pub const FORMAT: u8 = 1;

/// Collects the effects of one turn. Reused from turn to turn.
#[derive(Debug, Default)]
pub struct EntryBuilder {
    effects: Vec<u8>,
    /// See [`EntryBuilder::is_of_group`].
    of_group: bool,
}

impl EntryBuilder {
    /// Appends an effect.
    #[inline]
    pub fn push(&mut self, effect: Effect<'_>) {
        self.of_group |= effect.is_of_group();
        effect.encode(&mut self.effects);
    }

    /// False when no effect of the turn is one on the group's own state ([`Effect::is_of_group`]). May be true
    /// because of one that was taken back.
    pub fn is_of_group(&self) -> bool {
        self.of_group
    }

    /// Bytes of effects so far; also a savepoint for [`EntryBuilder::truncate`].
    pub fn len(&self) -> usize {
        self.effects.len()
    }

    /// True when the turn has no effects yet.
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// Takes back the effects after a savepoint.
    pub fn truncate(&mut self, len: usize) {
        self.effects.truncate(len);
    }

    /// The payload with this shard time in ms; the builder is empty afterwards.
    pub fn finish(&mut self, shard_time: u64) -> Vec<u8> {
        let mut payload = Vec::with_capacity(self.effects.len() + 11);
        payload.push(FORMAT);
        put_u64(&mut payload, shard_time);
        // Planted: see planted.rs
        let end = if is_planted(Bug::EntryInParts) { self.first_effect() } else { self.effects.len() };
        payload.extend_from_slice(&self.effects[..end]);
        self.effects.drain(..end);
        self.of_group = false;
        payload
    }

    /// Bytes of the first effect.
    fn first_effect(&self) -> usize {
        let mut r = Reader::new(&self.effects);
        let _first = Effect::decode(&mut r);
        self.effects.len() - r.rest().len()
    }
}

/// A decoded payload: shard time, then the effects in order.
#[derive(Debug, Clone, Copy)]
pub struct EntryReader<'a> {
    /// Shard time of the entry in ms.
    pub shard_time: u64,
    rest: Reader<'a>,
}

impl<'a> EntryReader<'a> {
    /// Reads the head of a payload.
    ///
    /// # Errors
    /// An unknown format version or a truncated head.
    pub fn new(payload: &'a [u8]) -> Result<EntryReader<'a>, DecodeError> {
        let mut rest = Reader::new(payload);
        match rest.u8()? {
            FORMAT => Ok(EntryReader { shard_time: rest.u64()?, rest }),
            other => Err(DecodeError::Version(other)),
        }
    }
}

impl EntryReader<'_> {
    /// Bytes of effects not read yet.
    pub fn left(&self) -> usize {
        self.rest.rest().len()
    }
}

impl<'a> Iterator for EntryReader<'a> {
    type Item = Result<Effect<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let effect = Effect::decode(&mut self.rest);
        if effect.is_err() {
            self.rest = Reader::new(&[]);
        }
        Some(effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Keyspace;

    #[test]
    fn a_turn_becomes_one_payload() {
        let mut builder = EntryBuilder::default();
        let delete = Effect::Delete { ks: Keyspace(0), key: b"a" };
        builder.push(delete);
        let savepoint = builder.len();
        builder.push(Effect::Flush { ks: Keyspace(1) });
        builder.truncate(savepoint);
        assert!(!builder.is_of_group());
        let payload = builder.finish(1234);
        assert!(builder.is_empty());
        let reader = EntryReader::new(&payload).unwrap();
        assert_eq!(reader.shard_time, 1234);
        assert_eq!(reader.collect::<Vec<_>>(), vec![Ok(delete)]);
        builder.push(Effect::System { name: b"n", value: None });
        assert!(builder.is_of_group());
        builder.finish(1235);
        assert!(!builder.is_of_group());
    }

    #[test]
    fn damage_ends_the_iteration_with_an_error() {
        let reader = EntryReader::new(&[FORMAT, 0, 99, 1, 1]).unwrap();
        assert_eq!(reader.collect::<Vec<_>>(), vec![Err(DecodeError::Malformed("effect"))]);
        assert_eq!(EntryReader::new(&[7]).unwrap_err(), DecodeError::Version(7));
    }
}
