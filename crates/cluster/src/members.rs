//! Who the members of a Raft group are, as the group itself keeps it: a row of its own state, changed by the
//! entry that changes the members (safety rule 18). A group without the row has its first members.

use crate::map::FORMAT;
use crate::map::Seat;
use model::NodeId;
use model::varint::{DecodeError, Reader, put_u64};

/// Name of the row.
pub const MEMBERS_ROW: &[u8] = b"members";
/// Most members of a group.
const MAX_MEMBERS: u64 = 64;

/// The members of a group. Lists are ascending.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Members {
    /// Incarnation of the cluster in which this was written. In a later one the first members are those of
    /// its formation.
    pub incarnation: u64,
    /// Nodes with a vote.
    pub voters: Vec<NodeId>,
    /// In a joint configuration: nodes with a vote in the one before.
    pub outgoing: Vec<NodeId>,
    /// Nodes that get all entries and have no vote.
    pub learners: Vec<NodeId>,
    /// Which replica of its node a member is, where it is not 0.
    pub generations: Vec<Seat>,
}

impl Members {
    /// Which replica of a node is a member.
    pub fn generation(&self, node: NodeId) -> u64 {
        self.generations.iter().find(|seat| seat.node == node).map_or(0, |seat| seat.generation)
    }

    /// Whether the node has a place.
    pub fn names(&self, node: NodeId) -> bool {
        [&self.voters, &self.outgoing, &self.learners].iter().any(|list| list.contains(&node))
    }

    /// Appends the members.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        put_u64(out, self.incarnation);
        for list in [&self.voters, &self.outgoing, &self.learners] {
            put_u64(out, list.len() as u64);
            list.iter().for_each(|node| put_u64(out, node.0));
        }
        put_u64(out, self.generations.len() as u64);
        for seat in &self.generations {
            put_u64(out, seat.node.0);
            put_u64(out, seat.generation);
        }
    }

    /// Reads what [`Members::encode`] wrote.
    ///
    /// # Errors
    /// If it is none, or of a newer format.
    pub fn decode(content: &[u8]) -> Result<Members, DecodeError> {
        let bad = DecodeError::Malformed("members");
        let mut r = Reader::new(content);
        match r.u8()? {
            FORMAT => {}
            other => return Err(DecodeError::Version(other)),
        }
        let incarnation = r.u64()?;
        let count = |r: &mut Reader<'_>| r.u64().and_then(|n| if n > MAX_MEMBERS { Err(bad) } else { Ok(n) });
        let mut lists = [Vec::new(), Vec::new(), Vec::new()];
        for list in &mut lists {
            for _ in 0..count(&mut r)? {
                list.push(NodeId(r.u64()?));
            }
        }
        let mut generations = Vec::new();
        for _ in 0..count(&mut r)? {
            generations.push(Seat { node: NodeId(r.u64()?), generation: r.u64()? });
        }
        let [voters, outgoing, learners] = lists;
        match voters.is_empty() || !r.is_empty() {
            true => Err(bad),
            false => Ok(Members { incarnation, voters, outgoing, learners, generations }),
        }
    }
}

/// What a node's log says of its replica of a group, beside entries: with each record that names its rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tenure {
    /// Which replica of the node it is, and the members as of the rows.
    Holds {
        /// See [`Seat::generation`].
        generation: u64,
        /// It has heard of itself as a member, and so may vote.
        joined: bool,
        /// The members.
        members: Members,
    },
    /// The node has no replica any more; the last one was of this generation.
    Left {
        /// See [`Seat::generation`].
        generation: u64,
    },
    /// Only in the log of the home folder: the replica and its records are in another folder of the node.
    Elsewhere {
        /// See [`Seat::generation`].
        generation: u64,
        /// Number of the folder.
        folder: u32,
        /// Incarnation of the cluster in which this was written. In a later one what the recovery found there is
        /// generation 0.
        incarnation: u64,
    },
}

const HOLDS: u8 = 1;
const LEFT: u8 = 2;
const ELSEWHERE: u8 = 3;

impl Tenure {
    /// The bytes in the log's record.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Tenure::Holds { generation, joined, members } => {
                out.push(HOLDS);
                put_u64(&mut out, *generation);
                out.push(u8::from(*joined));
                members.encode(&mut out);
            }
            Tenure::Left { generation } => {
                out.push(LEFT);
                put_u64(&mut out, *generation);
            }
            Tenure::Elsewhere { generation, folder, incarnation } => {
                out.push(ELSEWHERE);
                for number in [*generation, u64::from(*folder), *incarnation] {
                    put_u64(&mut out, number);
                }
            }
        }
        out
    }

    /// Reads the bytes of a log's record. `None`: one of a version before members could change, whose replica
    /// is the first of its node in a group with its first members.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn decode(bytes: &[u8]) -> Result<Option<Tenure>, DecodeError> {
        let mut r = Reader::new(bytes);
        // Before, these were numbers of nodes in eight bytes each, the highest byte first.
        if matches!(bytes.first(), None | Some(0)) {
            return Ok(None);
        }
        match r.u8()? {
            HOLDS => {
                let (generation, joined) = (r.u64()?, r.u8()? == 1);
                Ok(Some(Tenure::Holds { generation, joined, members: Members::decode(r.rest())? }))
            }
            LEFT => Ok(Some(Tenure::Left { generation: r.u64()? })),
            ELSEWHERE => {
                let (generation, folder) = (r.u64()?, u32::try_from(r.u64()?));
                let folder = folder.map_err(|_| DecodeError::Malformed("number of a folder"))?;
                Ok(Some(Tenure::Elsewhere { generation, folder, incarnation: r.u64()? }))
            }
            other => Err(DecodeError::Version(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Members {
        Members {
            incarnation: 0,
            voters: [1, 2, 4].map(NodeId).to_vec(),
            outgoing: [1, 2, 3].map(NodeId).to_vec(),
            learners: vec![NodeId(5)],
            generations: vec![Seat { node: NodeId(4), generation: 300 }],
        }
    }

    #[test]
    fn members_are_read_as_they_were_written() {
        let written = [1, 0, 3, 1, 2, 4, 3, 1, 2, 3, 1, 5, 1, 4, 0xac, 2];
        let mut out = Vec::new();
        members().encode(&mut out);
        assert_eq!(out, written, "rows of older versions must be read");
        assert_eq!(Members::decode(&written), Ok(members()));
        assert_eq!(Members::decode(&[2]), Err(DecodeError::Version(2)));
        (0..written.len()).for_each(|end| assert!(Members::decode(&written[..end]).is_err()));
        assert_eq!((members().generation(NodeId(4)), members().generation(NodeId(1))), (300, 0));
        assert!(members().names(NodeId(3)) && !members().names(NodeId(6)));
    }

    #[test]
    fn a_tenure_is_told_from_what_older_versions_wrote() {
        for tenure in [
            Tenure::Holds { generation: 9, joined: true, members: members() },
            Tenure::Left { generation: 300 },
            Tenure::Elsewhere { generation: 300, folder: 2, incarnation: 1 },
        ] {
            assert_eq!(Tenure::decode(&tenure.encode()), Ok(Some(tenure)));
        }
        let voters: Vec<u8> = [1u64, 2, 3].iter().flat_map(|node| node.to_be_bytes()).collect();
        assert_eq!((Tenure::decode(&voters), Tenure::decode(b"")), (Ok(None), Ok(None)));
        assert_eq!(Tenure::decode(&[7]), Err(DecodeError::Version(7)));
    }
}
