//! The two sections by which a follower learns how old its rows are (safety rule 23): it asks with a stamp of
//! its own clock, and whoever leads with a valid lease sends the stamp back with what is committed.

use super::content::read_group;
use model::varint::{DecodeError, Reader, put_u64};
use model::{GroupId, Index};

/// Most groups of one section; the rest are for the next beat.
pub const MAX_GROUPS: usize = 1100;

/// A follower asks what is committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Incarnation of the asker: its clock may begin anew with the next.
    pub incarnation: u64,
    /// The asker's monotonic clock in ns, read before it asked.
    pub stamp_ns: u64,
    /// The groups, at most [`MAX_GROUPS`].
    pub groups: Vec<GroupId>,
}

/// The answer: everything that was acknowledged before the stamp is at or below these indexes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
    /// Incarnation of the asker, as it came.
    pub incarnation: u64,
    /// The stamp, as it came.
    pub stamp_ns: u64,
    /// Groups that the sender leads with a valid lease, and what is committed in each.
    pub groups: Vec<(GroupId, Index)>,
}

impl Probe {
    /// Appends the section's content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.incarnation, self.stamp_ns, self.groups.len() as u64] {
            put_u64(out, number);
        }
        self.groups.iter().for_each(|group| put_u64(out, u64::from(group.0)));
    }

    /// Reads a section's content.
    ///
    /// # Errors
    /// Bytes that are none, or more groups than are allowed.
    pub fn decode(content: &[u8]) -> Result<Probe, DecodeError> {
        let mut r = Reader::new(content);
        let (incarnation, stamp_ns, count) = head(&mut r)?;
        let groups = (0..count).map(|_| read_group(&mut r)).collect::<Result<_, _>>()?;
        Ok(Probe { incarnation, stamp_ns, groups })
    }
}

impl Proof {
    /// Appends the section's content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.incarnation, self.stamp_ns, self.groups.len() as u64] {
            put_u64(out, number);
        }
        for (group, commit) in &self.groups {
            put_u64(out, u64::from(group.0));
            put_u64(out, *commit);
        }
    }

    /// Reads a section's content.
    ///
    /// # Errors
    /// Bytes that are none, or more groups than are allowed.
    pub fn decode(content: &[u8]) -> Result<Proof, DecodeError> {
        let mut r = Reader::new(content);
        let (incarnation, stamp_ns, count) = head(&mut r)?;
        let group = |_| Ok((read_group(&mut r)?, r.u64()?));
        let groups = (0..count).map(group).collect::<Result<_, DecodeError>>()?;
        Ok(Proof { incarnation, stamp_ns, groups })
    }
}

fn head(r: &mut Reader<'_>) -> Result<(u64, u64, usize), DecodeError> {
    let (incarnation, stamp_ns, count) = (r.u64()?, r.u64()?, r.u64()?);
    let count = usize::try_from(count).ok().filter(|count| *count <= MAX_GROUPS);
    Ok((incarnation, stamp_ns, count.ok_or(DecodeError::Malformed("number of groups"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_and_answered_is_read_as_it_was_written() {
        let probe = Probe { incarnation: 3, stamp_ns: u64::MAX, groups: vec![GroupId(1), GroupId(700)] };
        let proof = Proof { incarnation: 3, stamp_ns: 9, groups: vec![(GroupId(2), 1 << 40)] };
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        probe.encode(&mut asked);
        proof.encode(&mut answered);
        assert_eq!(Probe::decode(&asked), Ok(probe));
        assert_eq!(Proof::decode(&answered), Ok(proof));
        for len in 0..asked.len() {
            assert!(Probe::decode(&asked[..len]).is_err());
        }
        for len in 0..answered.len() {
            assert!(Proof::decode(&answered[..len]).is_err());
        }
    }

    #[test]
    fn more_groups_than_there_may_be_are_refused_before_memory_is_taken() {
        let mut content = Vec::new();
        [1, 1, MAX_GROUPS as u64 + 1].into_iter().for_each(|number| put_u64(&mut content, number));
        content.resize(content.len() + 2 * MAX_GROUPS + 2, 1);
        let refused = DecodeError::Malformed("number of groups");
        assert_eq!(Probe::decode(&content), Err(refused));
        assert_eq!(Proof::decode(&content), Err(refused));
    }
}
