//! What nodes tell each other about themselves: a small heartbeat every 20 ms, a report every second.

mod disk;
mod report;

use model::varint::{DecodeError, Reader, put_u64};
use model::{GroupId, Index, NodeId, Term};

pub use disk::DiskBeat;
pub use report::{
    COMPARE_LEVEL, FolderReport, GroupReport, KeysReport, LEARNERS_LEVEL, LEVEL, MAX_REPORT, MEMBERS_LEVEL,
    NodeReport, SAID_LEVEL, SPLIT_BESIDE_LEVEL, SPLIT_LEVEL, WITNESS_LEVEL,
};

/// Format version of a heartbeat.
pub const FORMAT: u8 = 1;
/// Most groups in one heartbeat: those of [`crate::identity::MAX_SHARDS`] shards and the meta group.
pub const MAX_GROUPS: usize = 1025;

const _: () = assert!(MAX_GROUPS == crate::identity::MAX_SHARDS as usize + 1);

/// Sent to every peer, independently of turns and disk. Liveness evidence only (safety rule 5).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Heartbeat {
    /// The sender's incarnation.
    pub incarnation: u64,
    /// The sender's wall clock, ms since 1970.
    pub wall_ms: u64,
    /// The sender's monotonic clock, ns; the receiver sends it back as `echo_ns`.
    pub stamp_ns: u64,
    /// The last `stamp_ns` the sender got from the receiver; 0 if none.
    pub echo_ns: u64,
    /// How long ago the sender got that stamp, ns.
    pub held_ns: u64,
    /// How long ago the sender's shard thread made its last turn, ns.
    pub turn_age_ns: u64,
    /// The groups the sender has a replica of; at most [`MAX_GROUPS`] are sent.
    pub groups: Vec<GroupBeat>,
    /// The disk of its log.
    pub disk: DiskBeat,
}

/// What a node knows of one group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupBeat {
    /// The group.
    pub group: GroupId,
    /// Its term.
    pub term: Term,
    /// Its leader in that term, if known.
    pub leader: Option<NodeId>,
    /// Highest index known committed.
    pub commit: Index,
}

impl Heartbeat {
    /// Appends the heartbeat.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        let Heartbeat { incarnation, wall_ms, stamp_ns, echo_ns, held_ns, turn_age_ns, groups, disk } = self;
        for number in [incarnation, wall_ms, stamp_ns, echo_ns, held_ns, turn_age_ns] {
            put_u64(out, *number);
        }
        let groups = &groups[..groups.len().min(MAX_GROUPS)];
        put_u64(out, groups.len() as u64);
        for beat in groups {
            put_u64(out, u64::from(beat.group.0));
            put_u64(out, beat.term);
            put_u64(out, beat.leader.map_or(0, |leader| leader.0));
            put_u64(out, beat.commit);
        }
        disk.encode(out);
    }

    /// Reads a heartbeat.
    ///
    /// # Errors
    /// If it is none, of a newer format, or has more than [`MAX_GROUPS`] groups.
    pub fn decode(r: &mut Reader<'_>) -> Result<Heartbeat, DecodeError> {
        match r.u8()? {
            FORMAT => {}
            other => return Err(DecodeError::Version(other)),
        }
        let mut beat = Heartbeat {
            incarnation: r.u64()?,
            wall_ms: r.u64()?,
            stamp_ns: r.u64()?,
            echo_ns: r.u64()?,
            held_ns: r.u64()?,
            turn_age_ns: r.u64()?,
            groups: Vec::new(),
            disk: DiskBeat::default(),
        };
        let count = r.u64()?;
        if count > MAX_GROUPS as u64 {
            return Err(DecodeError::Malformed("number of groups"));
        }
        for _ in 0..count {
            let group = u32::try_from(r.u64()?).map_err(|_| DecodeError::Malformed("group id"))?;
            let term = r.u64()?;
            let leader = Some(NodeId(r.u64()?)).filter(|node| node.0 != 0);
            beat.groups.push(GroupBeat { group: GroupId(group), term, leader, commit: r.u64()? });
        }
        beat.disk = DiskBeat::decode(r)?;
        Ok(beat)
    }

    /// How long this node's stamp was under way to the peer and back, ns; `None` before the first.
    pub fn round_trip_ns(&self, now_ns: u64) -> Option<u64> {
        (self.echo_ns != 0).then_some(())?;
        now_ns.checked_sub(self.echo_ns)?.checked_sub(self.held_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Fitness;
    use proptest::prelude::*;

    prop_compose! {
        fn beats()(
            numbers: [u64; 6],
            groups in proptest::collection::vec(any::<(u32, u64, u64, u64)>(), 0..5),
            disk: (u64, u8),
        ) -> Heartbeat {
            let [incarnation, wall_ms, stamp_ns, echo_ns, held_ns, turn_age_ns] = numbers;
            let beat = |(group, term, leader, commit)| {
                let leader = Some(NodeId(leader)).filter(|node| node.0 != 0);
                GroupBeat { group: GroupId(group), term, leader, commit }
            };
            let groups = groups.into_iter().map(beat).collect();
            let fitness = [Fitness::Fit, Fitness::Slow, Fitness::Full][usize::from(disk.1 % 3)];
            let disk = DiskBeat { latency_ns: disk.0, fitness };
            Heartbeat { incarnation, wall_ms, stamp_ns, echo_ns, held_ns, turn_age_ns, groups, disk }
        }
    }

    proptest! {
        #[test]
        fn heartbeats_round_trip_and_no_part_of_one_is_one(beat in beats()) {
            let mut out = Vec::new();
            beat.encode(&mut out);
            let mut older = Vec::new();
            beat.disk.encode(&mut older);
            let older = out.len() - older.len();
            let without = Heartbeat { disk: DiskBeat::default(), ..beat.clone() };
            prop_assert_eq!(Heartbeat::decode(&mut Reader::new(&out)), Ok(beat));
            prop_assert_eq!(Heartbeat::decode(&mut Reader::new(&out[..older])), Ok(without));
            for cut in (0..out.len()).filter(|cut| *cut != older) {
                prop_assert!(Heartbeat::decode(&mut Reader::new(&out[..cut])).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Heartbeat::decode(&mut Reader::new(&bytes));
        }
    }

    #[test]
    fn bounds_and_versions_are_checked() {
        let group = GroupBeat { group: GroupId(0), term: 1, leader: None, commit: 1 };
        let long = Heartbeat { groups: vec![group; MAX_GROUPS + 1], ..Heartbeat::default() };
        let mut out = Vec::new();
        long.encode(&mut out);
        assert_eq!(Heartbeat::decode(&mut Reader::new(&out)).unwrap().groups.len(), MAX_GROUPS);
        let mut too_many = vec![FORMAT, 0, 0, 0, 0, 0, 0];
        put_u64(&mut too_many, MAX_GROUPS as u64 + 1);
        let refused = Heartbeat::decode(&mut Reader::new(&too_many));
        assert_eq!(refused, Err(DecodeError::Malformed("number of groups")));
        assert_eq!(Heartbeat::decode(&mut Reader::new(&[2])), Err(DecodeError::Version(2)));
    }

    #[test]
    fn the_round_trip_leaves_out_how_long_the_stamp_was_held() {
        let beat = Heartbeat { echo_ns: 100, held_ns: 30, ..Heartbeat::default() };
        assert_eq!(beat.round_trip_ns(150), Some(20));
        assert_eq!(beat.round_trip_ns(120), None);
        assert_eq!(Heartbeat::default().round_trip_ns(150), None);
    }
}
