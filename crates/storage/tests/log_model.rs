//! The log against a model: random batches, with the process killed or the power cut at any
//! operation of the disk. What is recovered is what some number of batches leave behind, at least
//! all that were acknowledged, and never a hole, damage or a discarded entry.

mod log_support;

use env::{Disk, MemDisk, Rng};
use everstore_storage::log::{
    Batch, BatchBuilder, GroupLog, HardState, Install, Log, LogError, LogOptions, Recovery,
};
use log_support::{dir, open_with, options};
use model::{GroupId, Index, Term};
use proptest::prelude::*;
use std::collections::BTreeMap;

const GROUPS: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Batches handed over together: what each contains is drawn from the seed.
    Append {
        batches: u8,
        seed: u64,
    },
    /// The same without a sync.
    Write {
        batches: u8,
        seed: u64,
    },
    Free {
        group: u32,
        keep: u8,
    },
    /// The log goes around the page cache from now on, or through it.
    Way {
        direct: bool,
    },
    Restart,
    KillProcess,
    CutPower {
        seed: u64,
    },
    /// The disk stops working after so many operations.
    Halt {
        ops: u8,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1..5u8, any::<u64>()).prop_map(|(batches, seed)| Step::Append { batches, seed }),
        2 => (1..5u8, any::<u64>()).prop_map(|(batches, seed)| Step::Write { batches, seed }),
        3 => (0..GROUPS, 0..12u8).prop_map(|(group, keep)| Step::Free { group, keep }),
        1 => any::<bool>().prop_map(|direct| Step::Way { direct }),
        1 => Just(Step::Restart),
        1 => Just(Step::KillProcess),
        2 => any::<u64>().prop_map(|seed| Step::CutPower { seed }),
        2 => (0..12u8).prop_map(|ops| Step::Halt { ops }),
    ];
    prop::collection::vec(step, 1..80)
}

/// What a group should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    hard: Option<HardState>,
    install: Option<Install>,
    base: Index,
    entries: BTreeMap<Index, (Term, Vec<u8>)>,
}

impl Group {
    fn last(&self) -> Index {
        self.entries.keys().last().copied().unwrap_or(self.base)
    }
}

type Model = BTreeMap<GroupId, Group>;

/// Draws a batch and what it does to the model.
fn draw(rng: &mut Rng, model: &mut Model, term: Term, floors: &BTreeMap<GroupId, Index>) -> Batch {
    let mut batch = BatchBuilder::new();
    for _ in 0..1 + rng.below(3) {
        let id = GroupId(rng.below(u64::from(GROUPS)) as u32);
        let group = model.entry(id).or_default();
        let last = group.last();
        match rng.below(20) {
            0 => {
                let index = last + 1 + rng.below(5);
                let install = Install { tree: rng.below(9), index, term, conf_state: vec![1; 3] };
                batch.install(id, install.clone());
                group.entries.clear();
                (group.install, group.base) = (Some(install), index);
            }
            1..6 => {
                let hard = HardState { term, vote: rng.below(4), commit: last };
                batch.hard_state(id, hard);
                group.hard = Some(hard);
            }
            n => {
                // Mostly goes on at the end; sometimes discards a few, never what may be freed.
                let floor = floors.get(&id).map_or(0, |&floor| floor).max(group.base);
                let back = if n == 6 { rng.below(4).min(last.saturating_sub(floor)) } else { 0 };
                let first = last + 1 - back;
                for index in first..=first + rng.below(3) {
                    let data = vec![rng.next_u64() as u8; rng.below(900) as usize];
                    batch.entry(id, index, term, 1, &data);
                    let _ = group.entries.split_off(&index);
                    group.entries.insert(index, (term, data));
                }
            }
        }
    }
    batch.finish()
}

struct World {
    disk: MemDisk,
    direct: bool,
    log: Log,
    /// The model after each batch since the last start; the first is what was recovered.
    history: Vec<Model>,
    /// `history[acknowledged]` is what must at least be there.
    acknowledged: usize,
    /// Floors asked for; entries up to them may or may not be there.
    floors: BTreeMap<GroupId, Index>,
    term: Term,
}

impl World {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Append { batches, seed } => {
                let batches = self.draw(batches, seed);
                let result = self.log.append(&batches).map(drop);
                self.finish(result, true);
            }
            Step::Write { batches, seed } => {
                let batches = self.draw(batches, seed);
                let result = self.log.write(&batches).map(drop);
                self.finish(result, false);
            }
            Step::Free { group, keep } => {
                let id = GroupId(group);
                let acknowledged = self.history[self.acknowledged].get(&id).map_or(0, Group::last);
                let current = self.history[self.history.len() - 1].get(&id).map_or(0, Group::last);
                // Only what is committed is freed, and that is never discarded.
                let floor = acknowledged.min(current).saturating_sub(u64::from(keep) + 4);
                let floors = self.floors.entry(id).or_default();
                *floors = floor.max(*floors);
                let result = self.log.free(&self.floors.clone()).map(|freed| freed.segments > 0);
                let synced = matches!(result, Ok(true));
                self.finish(result.map(drop), synced);
            }
            Step::Way { direct } => {
                let result = self.log.fill_reserve().and_then(|()| self.log.set_direct(direct));
                let through = result.is_ok() && !direct;
                self.finish(result, false);
                assert!(!through || !self.log.is_direct());
            }
            Step::Restart => {
                self.restart();
            }
            Step::KillProcess => {
                self.disk.crash_process();
                self.restart();
            }
            Step::CutPower { seed } => {
                self.disk.power_cut(&mut Rng::new(seed));
                self.restart();
            }
            Step::Halt { ops } => self.disk.halt_after(u64::from(ops)),
        }
    }

    fn draw(&mut self, count: u8, seed: u64) -> Vec<Batch> {
        let mut rng = Rng::new(seed);
        self.term += rng.below(2);
        let mut batches = Vec::new();
        for _ in 0..count {
            let mut model = self.history[self.history.len() - 1].clone();
            batches.push(draw(&mut rng, &mut model, self.term, &self.floors));
            self.history.push(model);
        }
        batches
    }

    /// After a call: everything before is acknowledged if it synced; a failed log is restarted
    /// after the power was cut.
    fn finish(&mut self, result: Result<(), LogError>, synced: bool) {
        match result {
            Ok(()) if synced => self.acknowledged = self.history.len() - 1,
            Ok(()) => {}
            Err(_) => {
                self.disk.power_cut(&mut Rng::new(self.term));
                self.restart();
            }
        }
    }

    fn restart(&mut self) {
        // A start may itself meet the end of the disk: it is repeated after another power cut.
        for attempt in 0.. {
            // As it was written before, or as the world says.
            let options = LogOptions { keep: self.term.is_multiple_of(2), ..options(self.direct) };
            let opened = open_with(&self.disk, options);
            match opened {
                Ok((log, recovery)) => {
                    self.log = log;
                    self.check(&recovery);
                    return;
                }
                Err(LogError::Io { .. }) if attempt == 0 => self.disk.power_cut(&mut Rng::new(self.term)),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// What was recovered must be a point of the history not before the acknowledged one.
    fn check(&mut self, recovery: &Recovery) {
        assert!(recovery.damage.is_empty());
        assert!(recovery.groups.values().all(|group| !group.damaged));
        let found =
            (self.acknowledged..self.history.len()).rev().find(|&i| self.is(&self.history[i], recovery));
        let Some(found) = found else {
            panic!("recovered {recovery:?}\nacknowledged {:?}", self.history[self.acknowledged]);
        };
        let model = self.history[found].clone();
        self.history = vec![model];
        self.acknowledged = 0;
    }

    fn is(&self, model: &Model, recovery: &Recovery) -> bool {
        let empty = (Group::default(), GroupLog::default());
        (0..GROUPS).map(GroupId).all(|id| {
            let want = model.get(&id).unwrap_or(&empty.0);
            let got = recovery.groups.get(&id).unwrap_or(&empty.1);
            let asked = self.floors.get(&id).map_or(0, |&floor| floor).max(want.base);
            let entries: BTreeMap<Index, (Term, Vec<u8>)> =
                got.entries.iter().map(|e| (e.index, (e.term, e.data.clone()))).collect();
            let needed: BTreeMap<_, _> =
                want.entries.range(got.floor + 1..).map(|(i, e)| (*i, e.clone())).collect();
            got.hard == want.hard && got.install == want.install && got.floor <= asked && entries == needed
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_acknowledged_batch_survives_any_crash(steps in steps(), direct: bool) {
        let disk = MemDisk::new();
        let (log, _) = open_with(&disk, options(direct)).unwrap();
        let mut world = World {
            disk, direct, log,
            history: vec![Model::default()],
            acknowledged: 0,
            floors: BTreeMap::new(),
            term: 1,
        };
        for step in &steps {
            world.step(step);
        }
        world.disk.power_cut(&mut Rng::new(9));
        world.restart();
    }
}

/// A log of several segments that was ended cleanly.
fn clean_log(disk: &MemDisk, direct: bool) {
    let (mut log, _) = open_with(disk, options(direct)).unwrap();
    for index in 1..=120u64 {
        let mut batch = BatchBuilder::new();
        let group = GroupId(index as u32 % GROUPS);
        batch.entry(group, index.div_ceil(u64::from(GROUPS)), 1, 0, &[index as u8; 300]);
        batch.hard_state(group, HardState { term: 1, vote: 1, commit: 0 });
        log.append(&[batch.finish()]).unwrap();
    }
    log.close().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_flipped_bit_loses_anything_silently(file: prop::sample::Index, at: prop::sample::Index, bit in 0..8u8) {
        flipped(|names| file.get(names).clone(), at.index(16384) as u64, bit);
    }
}

/// A bit is flipped in a clean log: that is told, and whoever is not named is whole. How many groups were named.
fn flipped(file: impl Fn(&[String]) -> String, at: u64, bit: u8) -> Option<usize> {
    let clean = || {
        let disk = MemDisk::new();
        clean_log(&disk, true);
        disk
    };
    let (_, whole) = open_with(&clean(), options(true)).unwrap();
    let disk = clean();
    let path = dir().join(file(&disk.list(dir()).unwrap()));
    disk.flip_bit(&path, at, bit).unwrap();
    let found = match open_with(&disk, options(true)) {
        Err(error) => {
            assert!(matches!(error, LogError::Damaged { .. }), "{error}");
            return None;
        }
        Ok((_, found)) => found,
    };
    assert!(!found.damage.is_empty() || found.groups == whole.groups);
    for (group, state) in found.groups.iter().filter(|(_, state)| !state.damaged) {
        assert_eq!(state, &whole.groups[group]);
    }
    let named: Vec<GroupId> = found.damage.iter().flat_map(|damage| damage.groups.clone()).collect();
    assert!(named.iter().all(|group| found.groups[group].damaged));
    Some(named.len())
}

/// The first batch of a segment may say something of the log alone (which segment is its first): when it can
/// not be read that is told, and concerns no group.
#[test]
fn a_batch_without_groups_that_can_not_be_read_is_named_and_damages_none() {
    let first = |names: &[String]| names[0].clone();
    assert_eq!(flipped(first, 4096 + 48, 0), Some(0));
    // Of the batch after it a group is named.
    assert_eq!(flipped(first, 8192 + 48, 0), Some(1));
}
