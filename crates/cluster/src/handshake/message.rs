//! The messages on the wire: length, protocol version, kind, fields.

use super::levels::Said;
use super::refusal::Verdict;
use super::transcript::PROOF;
use super::{News, Purpose};
use crate::formation::Formation;
use crate::identity::ClusterId;
use crate::peer::{Addresses, Boot, JoinToken, Peer, read_address};
use model::NodeId;
use model::varint::{DecodeError, Reader, put_bytes, put_u64};

/// Version of the handshake and of the frames that follow it.
pub const PROTOCOL: u8 = 1;
/// Longest message in bytes, without its length.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Bytes of the length in front of each message.
pub(super) const LENGTH: usize = 4;

pub(super) const HELLO: u8 = 1;
pub(super) const IDENTITY: u8 = 2;
pub(super) const READY: u8 = 3;
pub(super) const REFUSED: u8 = 4;

/// First field of a hello, so that something else that listens or connects is noticed at once.
const MAGIC: &[u8] = b"everstore";

/// In the place of a member's id, which is never 0: no member follows.
const MEMBERS_END: u8 = 0;
/// Likewise: no member with a cluster port follows.
const PORTS_END: u8 = 0;
/// Longest form of what is said of levels, with what is in front of it.
const MAX_LEVELS: usize = 21;

/// Who a node says it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    pub(super) purpose: Purpose,
    pub(super) cluster: Option<ClusterId>,
    pub(super) node: Option<NodeId>,
    pub(super) incarnation: u64,
    pub(super) boot: Boot,
    pub(super) token: JoinToken,
    pub(super) addresses: Addresses,
    /// From the accepting side: the id it gave to the dialling one.
    pub(super) assigned: Option<NodeId>,
    pub(super) news: News,
    /// Of one without an id: it is to be a witness.
    pub(super) witness: bool,
    /// Left out for a program that does not read it.
    pub(super) levels: Option<Said>,
}

/// Bit of the purpose. Programs that know no witnesses refuse it.
const WITNESS: u8 = 2;

/// A message with its length, without a proof.
pub(super) fn hello(nonce: &[u8; 32]) -> Vec<u8> {
    let mut fields = MAGIC.to_vec();
    fields.extend_from_slice(nonce);
    framed(HELLO, &fields, 0)
}

/// A refusal, before its proof if its verdict needs one.
pub(super) fn refused(verdict: Verdict, text: &str) -> Vec<u8> {
    let mut fields = vec![verdict.code()];
    fields.extend_from_slice(text.as_bytes());
    framed(REFUSED, &fields, if verdict.needs_proof() { PROOF } else { 0 })
}

/// The last message, before its proof.
pub(super) fn ready() -> Vec<u8> {
    framed(READY, &[], PROOF)
}

/// Length, version, kind and fields; `tail` bytes follow that the length counts.
fn framed(kind: u8, fields: &[u8], tail: usize) -> Vec<u8> {
    let len = (2 + fields.len() + tail) as u32;
    let mut out = len.to_le_bytes().to_vec();
    out.extend_from_slice(&[PROTOCOL, kind]);
    out.extend_from_slice(fields);
    out
}

/// Reads a hello's fields.
pub(super) fn decode_hello(fields: &[u8]) -> Result<(), DecodeError> {
    match fields.strip_prefix(MAGIC) {
        Some(nonce) if nonce.len() == 32 => Ok(()),
        _ => Err(DecodeError::Malformed("hello")),
    }
}

impl Identity {
    /// The message before its proof. Members that do not fit are left out.
    pub(super) fn encode(&self) -> Vec<u8> {
        let purpose = match self.purpose {
            Purpose::Turn => 0,
            Purpose::Snapshot => 1,
        };
        let mut out = vec![purpose | if self.witness { WITNESS } else { 0 }];
        put_bytes(&mut out, self.cluster.map(|id| id.0.to_be_bytes()).as_ref().map_or(&[], |id| &id[..]));
        put_u64(&mut out, self.node.map_or(0, |node| node.0));
        put_u64(&mut out, self.incarnation);
        out.extend_from_slice(&self.boot.0);
        out.extend_from_slice(&self.token.0);
        self.addresses.encode(&mut out);
        put_u64(&mut out, self.assigned.map_or(0, |node| node.0));
        match &self.news.formation {
            Some(formation) => {
                // Each form has what older programs know as far as it says all.
                let witness = formation.witness.unwrap_or_default().0;
                let form = match (formation.incarnation, formation.before.0, witness) {
                    (0, 0, 0) => 1,
                    (_, 0, 0) => 2,
                    (_, _, 0) => 3,
                    _ => 4,
                };
                out.push(form);
                let more = [formation.incarnation, formation.before.0, witness];
                more[..form as usize - 1].iter().for_each(|number| put_u64(&mut out, *number));
                formation.encode(&mut out);
            }
            None => out.push(0),
        }
        let mut ports = cluster_ports_head(&self.addresses);
        let own = ports.len();
        for member in &self.news.members {
            let before = (out.len(), ports.len());
            member.encode(&mut out);
            if !member.addresses.cluster.is_empty() {
                put_u64(&mut ports, member.node.0);
                put_bytes(&mut ports, member.addresses.cluster.as_bytes());
            }
            if out.len() + ports.len() > MAX_MESSAGE - PROOF - MAX_LEVELS - 2 {
                out.truncate(before.0);
                ports.truncate(before.1);
                break;
            }
        }
        if ports.len() > own || !self.addresses.cluster.is_empty() || self.levels.is_some() {
            out.extend_from_slice(&ports);
        }
        if let Some(levels) = self.levels {
            out.push(PORTS_END);
            levels.encode(&mut out);
        }
        framed(IDENTITY, &out, PROOF)
    }

    /// Reads the fields, without length, version, kind and proof.
    pub(super) fn decode(fields: &[u8]) -> Result<Identity, DecodeError> {
        let mut r = Reader::new(fields);
        let first = r.u8()?;
        let witness = first & WITNESS != 0;
        let purpose = match first & !WITNESS {
            0 => Purpose::Turn,
            1 => Purpose::Snapshot,
            _ => return Err(DecodeError::Malformed("purpose")),
        };
        let cluster = match r.bytes()? {
            [] => None,
            id => Some(ClusterId(u128::from_be_bytes(
                id.try_into().map_err(|_| DecodeError::Malformed("cluster id"))?,
            ))),
        };
        let node = read_node(&mut r)?;
        let incarnation = r.u64()?;
        let boot = Boot(read_16(&mut r)?);
        let token = JoinToken(read_16(&mut r)?);
        let mut addresses = Addresses::decode(&mut r)?;
        let assigned = read_node(&mut r)?;
        let formation = match r.u8()? {
            0 => None,
            1 => Some(Formation::decode(&mut r)?),
            form @ 2..=4 => Some(read_formation(&mut r, form)?),
            _ => return Err(DecodeError::Malformed("formation")),
        };
        let mut members = Vec::new();
        while !r.is_empty() && r.rest()[0] != MEMBERS_END {
            members.push(Peer::decode(&mut r)?);
        }
        if !r.is_empty() {
            r.u8()?;
            addresses.cluster = read_address(&mut r)?;
            read_cluster_ports(&mut r, &mut members)?;
        }
        let levels = if r.is_empty() { None } else { Some(read_levels(&mut r)?) };
        let news = News { members, formation };
        Ok(Identity {
            purpose,
            cluster,
            node,
            incarnation,
            boot,
            token,
            addresses,
            assigned,
            news,
            witness,
            levels,
        })
    }
}

/// A formation of which more is said than who the members are.
fn read_formation(r: &mut Reader<'_>, form: u8) -> Result<Formation, DecodeError> {
    let incarnation = r.u64()?;
    if incarnation == 0 && form < 4 {
        return Err(DecodeError::Malformed("cluster incarnation"));
    }
    let before = NodeId(if form >= 3 { r.u64()? } else { 0 });
    let witness = if form == 4 { read_node(r)? } else { None };
    let formation = Formation { incarnation, before, witness, ..Formation::decode(r)? };
    let one = witness.is_some_and(|node| formation.members.contains(&node) && formation.members.len() >= 3);
    match form < 4 || one {
        true => Ok(formation),
        false => Err(DecodeError::Malformed("witness")),
    }
}

/// What ends the members if addresses of cluster ports follow, and that of this node.
fn cluster_ports_head(own: &Addresses) -> Vec<u8> {
    let mut out = vec![MEMBERS_END];
    put_bytes(&mut out, own.cluster.as_bytes());
    out
}

/// What ends the message, behind the cluster ports.
fn read_levels(r: &mut Reader<'_>) -> Result<Said, DecodeError> {
    r.u8()?;
    let levels = Said::decode(r)?;
    if r.is_empty() { Ok(levels) } else { Err(DecodeError::Malformed("levels")) }
}

/// Addresses of cluster ports of members, in the members' order, to their end.
fn read_cluster_ports(r: &mut Reader<'_>, members: &mut [Peer]) -> Result<(), DecodeError> {
    // Each is looked for behind the one before: a stranger's message must not cost its length squared.
    let mut members = members.iter_mut();
    while !r.is_empty() && r.rest()[0] != PORTS_END {
        let node = NodeId(r.u64()?);
        let address = read_address(r)?;
        let member = members.find(|member| member.node == node);
        member.ok_or(DecodeError::Malformed("cluster port"))?.addresses.cluster = address;
    }
    Ok(())
}

fn read_node(r: &mut Reader<'_>) -> Result<Option<NodeId>, DecodeError> {
    Ok(Some(NodeId(r.u64()?)).filter(|node| node.0 != 0))
}

fn read_16(r: &mut Reader<'_>) -> Result<[u8; 16], DecodeError> {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(r.take(16)?);
    Ok(bytes)
}
