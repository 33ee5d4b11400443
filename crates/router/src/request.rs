//! A command on its way to a shard: encoded once, executed here or on another node, and again after a
//! failover.

use model::Keyspace;
use model::varint::{DecodeError, Reader, put_bytes, put_u64};
use smallvec::SmallVec;

/// Arguments of a command as slices.
pub type Args<'a> = SmallVec<[&'a [u8]; 8]>;

/// What execution must know beside the arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// The command may change rows: it carries an id and is never executed twice.
    pub const WRITE: Flags = Flags(1);
    /// The reply is to be encoded for RESP3.
    pub const RESP3: Flags = Flags(2);
    /// The access counts for OBJECT IDLETIME (no CLIENT NO-TOUCH).
    pub const TOUCH: Flags = Flags(4);
    /// Not a command of a client but one of the node's own, see the node's `internal` module.
    pub const INTERNAL: Flags = Flags(8);
    /// The reply waits for the commit, also in an asynchronous keyspace.
    pub const COMMITTED: Flags = Flags(16);
    /// The connection chose that its writes are answered before they are committed, where that is allowed.
    pub const ASYNC: Flags = Flags(32);
    /// Several commands that are executed as one: the arguments are those of the node's `transaction` module.
    pub const TRANSACTION: Flags = Flags(64);
    /// Of a command in a transaction: its reply is encoded for the other protocol than the transaction's, because of
    /// a HELLO before it.
    pub const SWITCHED: Flags = Flags(128);

    /// True when all bits of `other` are set.
    #[inline]
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These bits and those of `other` if `on`.
    pub fn with(self, other: Flags, on: bool) -> Flags {
        if on { Flags(self.0 | other.0) } else { self }
    }
}

/// A command with its keyspace and flags, encoded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Request {
    bytes: Vec<u8>,
}

/// The parts of an encoded request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parts<'a> {
    /// How to execute it.
    pub flags: Flags,
    /// Keyspace it runs in.
    pub ks: Keyspace,
    /// The command's name and arguments.
    pub args: Args<'a>,
}

impl Request {
    /// Encodes a command.
    pub fn new(flags: Flags, ks: Keyspace, args: &[&[u8]]) -> Request {
        let len = 8 + args.iter().map(|a| a.len() + 5).sum::<usize>();
        let mut bytes = Vec::with_capacity(len);
        encode(flags, ks, args, &mut bytes);
        Request { bytes }
    }

    /// A request from bytes made by [`encode`] or [`Request::bytes`].
    pub fn from_bytes(bytes: Vec<u8>) -> Request {
        Request { bytes }
    }

    /// The encoded form, to be sent or kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Flags of the request.
    pub fn flags(&self) -> Flags {
        Flags(self.bytes.first().copied().unwrap_or(0))
    }

    /// Reads the request; never fails on one made by [`Request::new`].
    ///
    /// # Errors
    /// Bytes that are no request.
    pub fn parts(&self) -> Result<Parts<'_>, DecodeError> {
        parse(&self.bytes)
    }
}

/// Appends an encoded request.
#[inline]
pub fn encode(flags: Flags, ks: Keyspace, args: &[&[u8]], out: &mut Vec<u8>) {
    out.push(flags.0);
    put_u64(out, u64::from(ks.0));
    put_u64(out, args.len() as u64);
    args.iter().for_each(|arg| put_bytes(out, arg));
}

/// Reads an encoded request from another node.
///
/// # Errors
/// Bytes that are no request.
pub fn parse(bytes: &[u8]) -> Result<Parts<'_>, DecodeError> {
    let mut r = Reader::new(bytes);
    let flags = Flags(r.u8()?);
    let ks = u16::try_from(r.u64()?).ok().filter(|&ks| ks < model::limits::SPACES);
    let ks = Keyspace(ks.ok_or(DecodeError::Malformed("keyspace"))?);
    let count = r.u64()?;
    if count == 0 || count > model::limits::MAX_ARGS as u64 {
        return Err(DecodeError::Malformed("argument count"));
    }
    let mut args = Args::new();
    for _ in 0..count {
        args.push(r.bytes()?);
    }
    if !r.is_empty() {
        return Err(DecodeError::Malformed("request"));
    }
    Ok(Parts { flags, ks, args })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn requests_round_trip(args in prop::collection::vec(any::<Vec<u8>>(), 1..20), ks in 0u16..16) {
            let args: Vec<&[u8]> = args.iter().map(|a| &a[..]).collect();
            let flags = Flags::WRITE.with(Flags::TOUCH, true);
            let request = Request::new(flags, Keyspace(ks), &args);
            let parts = request.parts().unwrap();
            prop_assert_eq!((parts.flags, parts.ks, &parts.args[..]), (flags, Keyspace(ks), &args[..]));
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
