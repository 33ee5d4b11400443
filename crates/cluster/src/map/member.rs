//! The row of one member.

use super::{FORMAT, format};
use crate::formation::Formation;
use crate::peer::{Addresses, Boot, JoinToken, Peer, put_nonce, read_address, read_nonce};
use model::NodeId;
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
    /// What may fail together with it: a rack, a building. Empty: not known.
    pub zone: String,
    /// It is to give up all replicas.
    pub draining: bool,
    /// Who is to get them, if a person said so.
    pub successor: Option<NodeId>,
    /// It votes, and keeps no data.
    pub witness: bool,
}

/// Longest name of a zone in bytes.
pub const MAX_ZONE: usize = 64;

/// The name of a zone, cut to [`MAX_ZONE`].
pub fn zone_name(text: &str) -> String {
    let end = (0..=text.len().min(MAX_ZONE)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

impl Member {
    /// One of those with which the cluster began, before anything was heard of it.
    pub(super) fn first(formation: &Formation, node: NodeId) -> Member {
        Member { witness: formation.witness == Some(node), ..Member::default() }
    }

    /// The content of its row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_u64(&mut out, self.incarnation);
        put_nonce(&mut out, self.boot.map(|boot| boot.0));
        put_nonce(&mut out, self.token.map(|token| token.0));
        self.addresses.encode(&mut out);
        // Last, because a program that does not know it reads no further.
        let more = !self.zone.is_empty() || self.draining || self.successor.is_some() || self.witness;
        if more || !self.addresses.cluster.is_empty() {
            put_bytes(&mut out, self.addresses.cluster.as_bytes());
        }
        if more {
            put_bytes(&mut out, self.zone.as_bytes());
            out.push(u8::from(self.draining));
            put_u64(&mut out, self.successor.map_or(0, |node| node.0));
            if self.witness {
                out.push(1);
            }
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
        let mut member = Member { addresses, incarnation, boot, token, ..Member::default() };
        if !r.is_empty() {
            let zone = std::str::from_utf8(r.bytes()?).ok().filter(|zone| zone.len() <= MAX_ZONE);
            member.zone = zone.ok_or(DecodeError::Malformed("zone"))?.to_owned();
            member.draining = r.u8()? == 1;
            member.successor = Some(NodeId(r.u64()?)).filter(|node| node.0 != 0);
            member.witness = !r.is_empty() && r.u8()? == 1;
        }
        Ok(member)
    }

    /// This member after what was heard of it, keeping what the cluster says of it.
    pub fn heard(&self, peer: &Peer) -> Member {
        let Peer { addresses, incarnation, boot, .. } = peer;
        Member { addresses: addresses.clone(), incarnation: *incarnation, boot: *boot, ..self.clone() }
    }
}
