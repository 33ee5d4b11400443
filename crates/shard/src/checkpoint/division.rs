//! Which rows of a stored shard become rows of a shard that is made of a part of its slots.
//!
//! Keys go by their slots, in the keyspaces that are spread; so do answers of the dedupe window. Of the shard's own
//! rows the new one has copies, apart from those that speak of the old one alone.

use super::{APPLIED, Applied, FLOOR, GENERATION, Generation, OWN};
use model::Keyspace;
use model::effect::WriteId;
use model::large::{Manifest, PREFIX, State, Upload, UploadId};
use model::limits::SPACES;
use model::row::{self, family, kind};
use model::slot::Slot;
use model::varint::{DecodeError, put_u64};
use std::collections::{BTreeMap, BTreeSet};

/// Names and contents of rows, in no order.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// What a shard is divided by.
#[derive(Debug)]
pub struct Division {
    /// First and last slot of the new shard.
    slots: (Slot, Slot),
    /// Keyspaces that are spread, a bit each.
    spread: u32,
    /// Present generations of the keyspaces.
    generations: Vec<u32>,
    /// The shard's own rows, by their names without prefixes; uploads apart.
    own: BTreeMap<Vec<u8>, Vec<u8>>,
    uploads: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Floors and generations, by their whole names.
    kept: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Names of the uploads that manifests in the new shard name.
    moved: BTreeSet<Vec<u8>>,
}

impl Division {
    /// From all rows of the shard's own state.
    ///
    /// # Errors
    /// A row that can not be read.
    pub fn new(rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<Division, DecodeError> {
        let mut division = Division {
            slots: (0, 0),
            spread: 0,
            generations: vec![0; usize::from(SPACES)],
            own: BTreeMap::new(),
            uploads: BTreeMap::new(),
            kept: BTreeMap::new(),
            moved: BTreeSet::new(),
        };
        for (name, content) in rows {
            let bad = DecodeError::Malformed("system row");
            let Some((&family::SYSTEM, short)) = name.split_first() else { return Err(bad) };
            if let Some(own) = short.strip_prefix(OWN) {
                let place = if own.starts_with(PREFIX) { &mut division.uploads } else { &mut division.own };
                place.insert(own.to_vec(), content);
            } else if let Some(ks) = short.strip_prefix(GENERATION) {
                let ks: [u8; 2] = ks.try_into().map_err(|_| bad)?;
                let at = usize::from(u16::from_be_bytes(ks));
                *division.generations.get_mut(at).ok_or(bad)? = Generation::decode(&content)?;
                division.kept.insert(name, content);
            } else if short.starts_with(FLOOR) {
                division.kept.insert(name, content);
            } else if short != APPLIED {
                return Err(bad);
            }
        }
        Ok(division)
    }

    /// One of the shard's own rows.
    pub fn own(&self, name: &[u8]) -> Option<&[u8]> {
        self.own.get(name).map(|content| &content[..])
    }

    /// Names of the shard's own rows that begin so.
    pub fn own_names(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        self.own.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    /// The new shard has these slots of the keyspaces that are spread (a bit each).
    pub fn take(&mut self, slots: (Slot, Slot), spread: u32) {
        (self.slots, self.spread) = (slots, spread);
    }

    /// Whether a row of a key, of a cell or of an answer is one of the new shard. Notes the large values among them.
    ///
    /// # Errors
    /// A row that can not be read.
    pub fn takes(&mut self, name: &[u8], content: &[u8]) -> Result<bool, DecodeError> {
        let within = |slot: Slot| (self.slots.0..=self.slots.1).contains(&slot);
        match name.first() {
            Some(&family::ANSWER) => {
                let (slot, _): (Slot, WriteId) = row::parse_answer_name(name)?;
                return Ok(within(slot));
            }
            Some(&family::KEY) => {}
            _ => return Err(DecodeError::Malformed("row family")),
        }
        let (ks, generation, position) = row::place(name)?;
        let current = self.generations.get(usize::from(ks.0)).ok_or(DecodeError::Malformed("keyspace"))?;
        if self.spread >> ks.0 & 1 == 0 || generation != *current || !within(position.slot()) {
            return Ok(false);
        }
        if content.get(1) == Some(&kind::MANIFEST) && row::split_cell_name(name).is_none() {
            let (_, _, value) = row::decode_value(content)?;
            let uploads = Manifest::decode(value)?.uploads();
            self.moved.extend(uploads.into_iter().map(|(id, ..)| id.row_name()));
        }
        Ok(true)
    }

    /// Names of the own rows of uploads that are the new shard's, once all keys were looked at.
    pub fn uploads(&self) -> Vec<Vec<u8>> {
        let goes = |(name, content): &(&Vec<u8>, &Vec<u8>)| {
            self.moved.contains(*name) || self.is_on_its_way(name, content)
        };
        self.uploads.iter().filter(goes).map(|(name, _)| name.clone()).collect()
    }

    /// Whether it is the row of an upload under way whose key will be in the new shard. No manifest names it.
    fn is_on_its_way(&self, name: &[u8], content: &[u8]) -> bool {
        let place = UploadId::of_row_name(name).filter(|id| id.row_name() == name).and_then(UploadId::place);
        let goes = place.is_some_and(|(ks, slot)| {
            self.spread >> ks.0 & 1 == 1 && (self.slots.0..=self.slots.1).contains(&slot)
        });
        goes && Upload::decode(content).is_ok_and(|upload| upload.state == State::Uploading)
    }

    /// The new shard's own rows, once all keys were looked at, ascending. `own`: rows that it has instead of those of
    /// the old shard; without content it has none of that name.
    pub fn first_rows(mut self, applied: Applied, own: &[(&[u8], Option<&[u8]>)]) -> Rows {
        for (name, content) in own {
            match content {
                Some(content) => self.own.insert(name.to_vec(), content.to_vec()),
                None => self.own.remove(*name),
            };
        }
        let names = self.uploads();
        let moved = names.into_iter().filter_map(|name| self.uploads.remove_entry(&name));
        let all = self.own.into_iter().chain(moved);
        let own = all.map(|(name, content)| (row::system_name(&[OWN, &name].concat()), content));
        let Applied { index, term, shard_time, rolling } = applied;
        let mut content = vec![row::FORMAT];
        [index, term, shard_time, rolling].iter().for_each(|&number| put_u64(&mut content, number));
        let mut rows: Rows = own.chain(self.kept).chain([(Applied::name(), content)]).collect();
        rows.sort_unstable();
        rows
    }

    /// Where rows of keys of the new shard are, keyspace by keyspace: names from the first up to the second one.
    pub fn ranges(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let spread = (0..SPACES).filter(|ks| self.spread >> ks & 1 == 1);
        let range = |ks: u16| {
            let generation = self.generations[usize::from(ks)];
            let at = |slot: u64| row::position_name(Keyspace(ks), generation, slot << 48);
            (at(self.slots.0.into()), at(u64::from(self.slots.1) + 1))
        };
        spread.map(range).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Machine;
    use crate::row::Row;
    use model::{KeyHasher, Position};

    const SPREAD: u32 = 1;

    fn stored(machine: &mut Machine) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let changes = machine.checkpoint().unwrap();
        changes.iter().filter_map(|(name, row)| Some((name.to_vec(), row?.to_vec()))).collect()
    }

    /// A shard with a row in each of two slots, in a spread and in a single keyspace, an answer of each slot, and rows
    /// of its own.
    fn parent() -> Machine {
        let mut machine = Machine::new(KeyHasher::new(1), 1000, 1);
        let mut entry = model::entry::EntryBuilder::default();
        for seq in [1, 2] {
            let id = WriteId { origin: model::NodeId(1), incarnation: 1, seq };
            let slot = if seq == 1 { 5 } else { 15 };
            entry.push(model::effect::Effect::Answered { id, slot, reply: Some(b"+OK\r\n") });
        }
        for name in [&b"members"[..], b"mode/00", b"slots"] {
            entry.push(model::effect::Effect::System { name, value: Some(b"parent") });
        }
        machine.apply(7, 3, &entry.finish(1000)).unwrap();
        for ks in [0, 3].map(Keyspace) {
            for slot in [5, 15] {
                let row = Row::new(Position::slot_start(slot), 0, slot.to_string().as_bytes(), b"v");
                machine.space_mut(ks).insert(row);
            }
        }
        machine
    }

    #[test]
    fn keys_and_answers_go_by_slot_and_own_rows_are_copied() {
        let rows = stored(&mut parent());
        let system = rows.iter().filter(|(name, _)| name[0] == family::SYSTEM);
        let mut division = Division::new(system.map(|(n, c)| (n.clone(), c.clone()))).unwrap();
        assert_eq!(division.own(b"mode/00"), Some(&b"parent"[..]));
        division.take((10, 19), SPREAD);
        let mut child = Machine::new(KeyHasher::new(1), 1000, 1);
        let mut taken: Rows = Vec::new();
        for (name, content) in rows.iter().filter(|(name, _)| name[0] != family::SYSTEM) {
            if division.takes(name, content).unwrap() {
                let in_range = division.ranges().iter().any(|(from, to)| from <= name && name < to);
                assert_eq!(in_range, name[0] == family::KEY, "the ranges hold what is taken");
                taken.push((name.clone(), content.clone()));
            }
        }
        let applied = Applied { index: 10, term: 1, shard_time: 999, rolling: 4 };
        let own = [(&b"members"[..], Some(&b"child"[..])), (b"slots", None)];
        let first = division.first_rows(applied, &own);
        assert!(first.is_sorted());
        for (name, content) in first.iter().chain(&taken) {
            assert!(child.load(name, content).unwrap());
        }
        assert_eq!((child.applied(), child.rolling(), child.answers()), ((10, 1), 4, 1));
        assert_eq!((child.space(Keyspace(0)).len(), child.space(Keyspace(3)).len()), (1, 0));
        let own = |name: &[u8]| child.system(name).map(<[u8]>::to_vec);
        assert_eq!(own(b"members"), Some(b"child".to_vec()));
        assert_eq!((own(b"mode/00"), own(b"slots")), (Some(b"parent".to_vec()), None));
    }

    #[test]
    fn rows_that_make_no_sense_are_refused() {
        let bad = |name: &[u8]| Division::new([(name.to_vec(), vec![1, 1])].into_iter()).is_err();
        assert!(bad(b"\x01unknown") && bad(b"\x02key") && bad(b"\x01generation/x"));
        let mut division = Division::new(std::iter::empty()).unwrap();
        assert!(division.takes(b"\x02short", b"").is_err() && division.takes(b"\x09", b"").is_err());
    }
}
