//! Requests and answers between nodes, as sections of a peer frame.

use model::varint::{DecodeError, Reader, put_bytes, put_u64};
use model::{GroupId, Index, Term};

/// A request from the node that a client is connected to, to the node that leads the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardFrame<'a> {
    /// The group of the shard.
    pub group: GroupId,
    /// It is for the leader of this term. No other runs it: it may come late, long after a leader in
    /// between has answered it and run what follows it.
    pub term: Term,
    /// The attempt it belongs to.
    pub attempt: u64,
    /// Its number.
    pub seq: u64,
    /// All numbers below are answered.
    pub low_water: u64,
    /// The connection at its origin whose order it belongs to; 0 = of no order.
    pub domain: u64,
    /// Slot of its first key.
    pub slot: u16,
    /// The encoded [`crate::Request`].
    pub request: &'a [u8],
    /// It belongs to a batch that is sent again; `None` for one that no leader has seen.
    pub again: Option<Again>,
}

/// What a leader must know of a request in a batch that is sent again.
///
/// The batch is everything that was sent in an earlier attempt and not answered, in order, with what
/// stands between. A request that was executed without effects is in no window, so only the others of
/// its connection can tell that it was: whoever gets a batch looks all of it up before it runs any of
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// This request itself was sent before.
    pub sent: bool,
    /// More of the batch follows.
    pub more: bool,
    /// A later request of its connection was executed, and is not in the batch.
    pub passed: bool,
    /// [`ForwardFrame::domain`].
    pub domain: u64,
}

const SENT: u8 = 1;
const MORE: u8 = 2;
const PASSED: u8 = 4;

impl Again {
    fn encode(&self, out: &mut Vec<u8>) {
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        out.push(bit(self.sent, SENT) | bit(self.more, MORE) | bit(self.passed, PASSED));
    }

    fn decode(r: &mut Reader<'_>, domain: u64) -> Result<Again, DecodeError> {
        let flags = r.u8()?;
        let has = |bit: u8| flags & bit != 0;
        Ok(Again { sent: has(SENT), more: has(MORE), passed: has(PASSED), domain })
    }
}

/// What became of a forwarded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Executed; the reply follows.
    Done,
    /// Not executed: this node does not lead the shard, or not yet.
    NotLeader,
    /// Executed before, but the reply was too long to keep.
    ReplyNotKept,
    /// It may have been executed; the window does not reach back that far.
    Forgotten,
    /// Not executed: the shard does not own this slot of the keyspace now; look at the map again.
    NotOwner,
    /// Not executed now: it had its turn before, without effects, and its reply is lost.
    NoEffect,
}

/// The answer to a [`ForwardFrame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerFrame<'a> {
    /// The group of the shard.
    pub group: GroupId,
    /// The attempt of the request.
    pub attempt: u64,
    /// The request's number.
    pub seq: u64,
    /// What became of it.
    pub status: Status,
    /// Term and index that hold the write, 0 and 0 for a read: what WAIT asks about.
    pub written: (Term, Index),
    /// The encoded reply.
    pub reply: &'a [u8],
}

impl<'a> ForwardFrame<'a> {
    /// Appends the section's content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, u64::from(self.group.0));
        put_u64(out, self.term);
        put_u64(out, self.attempt);
        put_u64(out, self.seq);
        put_u64(out, self.low_water);
        put_u64(out, self.domain);
        put_u64(out, u64::from(self.slot));
        put_bytes(out, self.request);
        if let Some(again) = &self.again {
            again.encode(out);
        }
    }

    /// Reads a section's content.
    ///
    /// # Errors
    /// Bytes that are no such section.
    pub fn decode(r: &mut Reader<'a>) -> Result<ForwardFrame<'a>, DecodeError> {
        let (group, term, attempt, seq) = (read_group(r)?, r.u64()?, r.u64()?, r.u64()?);
        let (low_water, domain) = (r.u64()?, r.u64()?);
        Ok(ForwardFrame {
            group,
            term,
            attempt,
            seq,
            low_water,
            domain,
            slot: u16::try_from(r.u64()?).map_err(|_| DecodeError::Malformed("slot"))?,
            request: r.bytes()?,
            again: if r.is_empty() { None } else { Some(Again::decode(r, domain)?) },
        })
    }
}

impl<'a> AnswerFrame<'a> {
    /// Appends the section's content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, u64::from(self.group.0));
        put_u64(out, self.attempt);
        put_u64(out, self.seq);
        out.push(self.status as u8);
        put_u64(out, self.written.0);
        put_u64(out, self.written.1);
        put_bytes(out, self.reply);
    }

    /// Reads a section's content.
    ///
    /// # Errors
    /// Bytes that are no such section.
    pub fn decode(r: &mut Reader<'a>) -> Result<AnswerFrame<'a>, DecodeError> {
        let (group, attempt, seq) = (read_group(r)?, r.u64()?, r.u64()?);
        let status = match r.u8()? {
            0 => Status::Done,
            1 => Status::NotLeader,
            2 => Status::ReplyNotKept,
            3 => Status::Forgotten,
            4 => Status::NotOwner,
            5 => Status::NoEffect,
            _ => return Err(DecodeError::Malformed("status")),
        };
        Ok(AnswerFrame { group, attempt, seq, status, written: (r.u64()?, r.u64()?), reply: r.bytes()? })
    }
}

fn read_group(r: &mut Reader<'_>) -> Result<GroupId, DecodeError> {
    u32::try_from(r.u64()?).map(GroupId).map_err(|_| DecodeError::Malformed("group"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_round_trip() {
        let mut out = Vec::new();
        let (group, request) = (GroupId(3), &b"r"[..]);
        for bits in 0..8 {
            let (sent, more, passed) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            let domain = 1 << (bits * 9);
            for again in [None, Some(Again { sent, more, passed, domain })] {
                let (term, attempt, seq, low_water, slot) = (300, 2, 900, 800, 77);
                let forward =
                    ForwardFrame { group, term, attempt, seq, low_water, domain, slot, request, again };
                out.clear();
                forward.encode(&mut out);
                assert_eq!(ForwardFrame::decode(&mut Reader::new(&out)), Ok(forward));
            }
        }
        use Status::{Done, Forgotten, NoEffect, NotLeader, NotOwner, ReplyNotKept};
        for status in [Done, NotLeader, ReplyNotKept, Forgotten, NotOwner, NoEffect] {
            let answer =
                AnswerFrame { group: GroupId(3), attempt: 2, seq: 9, status, written: (1, 2), reply: b"+OK" };
            out.clear();
            answer.encode(&mut out);
            assert_eq!(AnswerFrame::decode(&mut Reader::new(&out)), Ok(answer));
        }
    }
}
