//! What zones are for: voters, or only copies that follow (learner zones).
//!
//! A row of the meta group per zone whose role was ever decided. A zone without one has voters. After a
//! recovery from a lost majority the rows of before say only that the role was decided once: all zones
//! that are left have voters, since their nodes are all there is.

use super::{ClusterMap, FORMAT, MAX_ZONE, Row, format};
use crate::heartbeat::LEARNERS_LEVEL;
use model::NodeId;
use model::varint::{DecodeError, Reader, put_u64};

/// Most learner zones: each adds a member to every group.
pub const MAX_LEARNER_ZONES: usize = 8;
/// Most zones whose role is recorded.
pub const MAX_ZONES: usize = 64;
pub(super) const ZONE_PREFIX: &str = "zone/";

/// What the nodes of a zone are for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum ZoneRole {
    /// They hold replicas with a vote.
    #[default]
    Voter,
    /// They hold a replica of each group, together, that never votes and never leads.
    Learner,
}

impl ZoneRole {
    /// As a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            ZoneRole::Voter => "voter",
            ZoneRole::Learner => "learner",
        }
    }

    /// What a person wrote; `None` if it is neither `voter` nor `learner`.
    pub fn parse(text: &str) -> Option<ZoneRole> {
        [ZoneRole::Voter, ZoneRole::Learner].into_iter().find(|role| text.eq_ignore_ascii_case(role.name()))
    }
}

/// The content of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Decided {
    /// Incarnation of the cluster in which it was written.
    incarnation: u64,
    role: ZoneRole,
}

impl Decided {
    fn encode(self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_u64(&mut out, self.incarnation);
        out.push(u8::from(self.role == ZoneRole::Learner));
        out
    }

    /// Reads a row's content.
    ///
    /// # Errors
    /// If it is none, or of a newer format.
    pub(super) fn decode(content: &[u8]) -> Result<Decided, DecodeError> {
        let mut r = Reader::new(content);
        format(&mut r)?;
        let incarnation = r.u64()?;
        let role = match r.u8()? {
            0 => ZoneRole::Voter,
            1 => ZoneRole::Learner,
            _ => return Err(DecodeError::Malformed("role of a zone")),
        };
        match r.is_empty() {
            true => Ok(Decided { incarnation, role }),
            false => Err(DecodeError::Malformed("role of a zone")),
        }
    }
}

/// The zone in the name of its row.
///
/// # Errors
/// If it is longer than [`MAX_ZONE`] or empty.
pub(super) fn zone_of(name: &str) -> Result<&str, DecodeError> {
    match name.is_empty() || name.len() > MAX_ZONE {
        true => Err(DecodeError::Malformed("zone row name")),
        false => Ok(name),
    }
}

impl ClusterMap {
    /// What a zone is for. Nodes without a zone are voters.
    pub fn role_of_zone(&self, zone: &str) -> ZoneRole {
        match self.zones.get(zone) {
            Some(decided) if decided.incarnation == self.incarnation => decided.role,
            _ => ZoneRole::Voter,
        }
    }

    /// What the zone of a node is for.
    pub fn role_of(&self, node: NodeId) -> ZoneRole {
        self.members.get(&node).map_or(ZoneRole::Voter, |member| self.role_of_zone(&member.zone))
    }

    /// Whether the role of a zone was ever decided, by a person or by its first node.
    pub fn is_decided(&self, zone: &str) -> bool {
        self.zones.contains_key(zone)
    }

    /// Zones of members, and those whose role is decided, ascending.
    pub fn zones(&self) -> Vec<String> {
        let of_members = self.members.values().map(|member| &member.zone);
        let mut all: Vec<String> = of_members.chain(self.zones.keys()).cloned().collect();
        all.retain(|zone| !zone.is_empty());
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Rows with which a zone has this role; empty if that is recorded.
    ///
    /// # Errors
    /// In words: not all members understand such a row, the name is no zone's, or there are too many.
    pub fn zone_rows(&self, zone: &str, role: ZoneRole) -> Result<Vec<Row>, String> {
        if self.level < LEARNERS_LEVEL {
            return Err(
                "not all nodes run a version that knows learner zones, or they were not yet up together"
                    .to_owned(),
            );
        }
        if zone.is_empty() || zone.len() > MAX_ZONE {
            return Err(format!("'{zone}' is no name of a zone; allowed: 1 to {MAX_ZONE} bytes"));
        }
        if !self.is_decided(zone) && self.zones.len() >= MAX_ZONES {
            return Err(format!("the roles of {MAX_ZONES} zones are decided, which is the most"));
        }
        let learns = |other: &&String| *other != zone && self.role_of_zone(other) == ZoneRole::Learner;
        if role == ZoneRole::Learner && self.zones.keys().filter(learns).count() >= MAX_LEARNER_ZONES {
            return Err(format!("{MAX_LEARNER_ZONES} learner zones are the most"));
        }
        let decided = Decided { incarnation: self.incarnation, role };
        if self.zones.get(zone) == Some(&decided) {
            return Ok(Vec::new());
        }
        Ok(vec![(format!("{ZONE_PREFIX}{zone}").into_bytes(), decided.encode()), self.next_epoch()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Formation, Member};

    fn map(incarnation: u64) -> ClusterMap {
        let members = vec![NodeId(1)];
        let formation = Formation { replicas: 1, shards: 1, members, incarnation, ..Formation::default() };
        let mut map = ClusterMap::new(&formation);
        map.level = LEARNERS_LEVEL;
        map.members.insert(NodeId(4), Member { zone: "far".to_owned(), ..Member::default() });
        map
    }

    fn decide(map: &mut ClusterMap, role: ZoneRole) -> Vec<Row> {
        let rows = map.zone_rows("far", role).unwrap();
        rows.iter().for_each(|(name, content)| assert_eq!(map.apply_row(name, Some(content)), Ok(true)));
        rows
    }

    #[test]
    fn a_zone_has_voters_until_somebody_decides_otherwise() {
        let mut map = map(0);
        assert_eq!((map.role_of(NodeId(4)), map.is_decided("far")), (ZoneRole::Voter, false));
        let rows = decide(&mut map, ZoneRole::Learner);
        assert_eq!(rows[0], (b"zone/far".to_vec(), vec![1, 0, 1]), "rows of older versions must be read");
        assert_eq!((map.role_of(NodeId(4)), map.role_of(NodeId(1))), (ZoneRole::Learner, ZoneRole::Voter));
        assert_eq!((decide(&mut map, ZoneRole::Learner), map.zones()), (Vec::new(), vec!["far".to_owned()]));
        decide(&mut map, ZoneRole::Voter);
        assert_eq!((map.role_of(NodeId(4)), map.is_decided("far")), (ZoneRole::Voter, true));
        assert!(map.knows_row(b"zone/far"));
    }

    #[test]
    fn after_a_recovery_the_zones_that_are_left_have_voters() {
        let row = decide(&mut map(0), ZoneRole::Learner).remove(0);
        let mut map = map(1);
        map.apply_row(&row.0, Some(&row.1)).unwrap();
        // Decided once, so that what a node was started with does not decide it again.
        assert_eq!((map.role_of(NodeId(4)), map.is_decided("far")), (ZoneRole::Voter, true));
        decide(&mut map, ZoneRole::Learner);
        assert_eq!(map.role_of(NodeId(4)), ZoneRole::Learner);
    }

    #[test]
    fn what_not_all_understand_is_not_written() {
        let mut map = map(0);
        map.level = LEARNERS_LEVEL - 1;
        assert!(map.zone_rows("far", ZoneRole::Learner).unwrap_err().starts_with("not all nodes"));
        assert!(Decided::decode(&[1, 0, 2]).is_err() && Decided::decode(&[2, 0, 1]).is_err());
        assert!(map.apply_row(b"zone/", Some(&[1, 0, 1])).is_err());
    }
}
