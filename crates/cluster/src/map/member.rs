//! The row of one member.

use super::{FORMAT, format};
use crate::peer::{Addresses, Boot, JoinToken, Peer, put_nonce, read_address, read_nonce};
use model::varint::{DecodeError, Reader, put_bytes, put_u64};

/// A member as all nodes agree on it. Its addresses are empty until the meta group has a row of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Member {
    /// Where it was when it last started.
    pub addresses: Addresses,
    /// Highest incarnation seen of it.
    pub incarnation: u64,
    /// The process that had this incarnation, if known.
    pub boot: Option<Boot>,
    /// With which it asked for its id, if the meta group gave it.
    pub token: Option<JoinToken>,
}

impl Member {
    /// The content of its row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_u64(&mut out, self.incarnation);
        put_nonce(&mut out, self.boot.map(|boot| boot.0));
        put_nonce(&mut out, self.token.map(|token| token.0));
        self.addresses.encode(&mut out);
        // Last, because a program that does not know it reads no further.
        if !self.addresses.cluster.is_empty() {
            put_bytes(&mut out, self.addresses.cluster.as_bytes());
        }
        out
    }

    /// Reads a row's content.
    ///
    /// # Errors
    /// If it is none, or of a newer format.
    pub fn decode(content: &[u8]) -> Result<Member, DecodeError> {
        let mut r = Reader::new(content);
        format(&mut r)?;
        let incarnation = r.u64()?;
        let boot = read_nonce(&mut r)?.map(Boot);
        let token = read_nonce(&mut r)?.map(JoinToken);
        let mut addresses = Addresses::decode(&mut r)?;
        if !r.is_empty() {
            addresses.cluster = read_address(&mut r)?;
        }
        Ok(Member { addresses, incarnation, boot, token })
    }

    /// This member after what was heard of it, keeping its token.
    pub fn heard(&self, peer: &Peer) -> Member {
        let Peer { addresses, incarnation, boot, .. } = peer;
        Member { addresses: addresses.clone(), incarnation: *incarnation, boot: *boot, token: self.token }
    }
}
