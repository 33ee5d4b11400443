//! The dedupe window: which forwarded writes were executed, and what was answered.
//!
//! Part of the replicated state: changed only by applying entries, so every replica has the same
//! window. Bounded by [`MAX_ANSWERS`] and [`MAX_AGE_MS`]; whatever leaves it for that reason raises
//! the origin's floor, and a write below the floor is never run again.

use model::NodeId;
use model::effect::WriteId;
use model::slot::Slot;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Most answers kept per shard.
pub const MAX_ANSWERS: usize = 65_536;
/// Longest time an answer is kept, in ms of shard time.
pub const MAX_AGE_MS: u64 = 60_000;
/// Longest reply that is kept, in bytes.
pub const MAX_REPLY: usize = 4096;
/// How often origins that fell silent are swept, in ms of shard time.
const SWEEP_MS: u64 = 10_000;

/// What the window knows of a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Never executed: go on.
    New,
    /// Executed and committed, with its reply if that was kept.
    Done(Option<&'a [u8]>),
    /// Below the floor: it may have been executed; must not be run.
    Forgotten,
}

/// One executed write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Slot of its first key, for moving the window with the data.
    pub slot: Slot,
    /// Shard time in ms at which it was executed.
    pub time: u64,
    /// The reply, if kept.
    pub reply: Option<Box<[u8]>>,
    /// The row store has it.
    pub stored: bool,
}

#[derive(Debug, Default)]
struct Origin {
    /// Every write below is answered or given up; no answer below it is kept.
    floor: u64,
    /// By sequence number. Not a queue: after a failover, and when a shard is loaded slot by slot,
    /// numbers arrive out of order.
    answers: BTreeMap<u64, Answer>,
}

/// The window of one shard.
#[derive(Debug, Default)]
pub struct Window {
    origins: BTreeMap<(NodeId, u64), Origin>,
    len: usize,
    /// Stored answers that left the window since the last checkpoint.
    dropped: Vec<(Slot, WriteId)>,
    /// Origins whose floor changed since the last checkpoint.
    pub(crate) floors_changed: bool,
}

impl Window {
    /// What is known of a write.
    pub fn seen(&self, id: WriteId) -> Seen<'_> {
        let Some(origin) = self.origins.get(&(id.origin, id.incarnation)) else { return Seen::New };
        match origin.answers.get(&id.seq) {
            Some(answer) => Seen::Done(answer.reply.as_deref()),
            None if id.seq < origin.floor => Seen::Forgotten,
            None => Seen::New,
        }
    }

    /// Applies [`model::effect::Effect::Answered`].
    pub fn answered(&mut self, id: WriteId, slot: Slot, time: u64, reply: Option<&[u8]>) {
        self.insert(id, Answer { slot, time, reply: reply.map(Box::from), stored: false });
        self.bound();
    }

    fn insert(&mut self, id: WriteId, answer: Answer) {
        let origin = self.origins.entry((id.origin, id.incarnation)).or_default();
        // Below the floor nobody may ask any more, and what is there twice was answered first.
        if id.seq >= origin.floor
            && let Entry::Vacant(place) = origin.answers.entry(id.seq)
        {
            place.insert(answer);
            self.len += 1;
        }
    }

    /// Applies [`model::effect::Effect::Mark`]: forgets what the origin has answers to.
    pub fn mark(&mut self, node: NodeId, incarnation: u64, seq: u64) {
        self.raise((node, incarnation), seq);
        // An older life of the node has no clients left that could ask.
        let older: Vec<_> = self.origins.range((node, 0)..(node, incarnation)).map(|(&key, _)| key).collect();
        for key in older {
            self.raise(key, u64::MAX);
        }
    }

    /// Lowest sequence number an origin may still ask for.
    pub fn floor(&self, node: NodeId, incarnation: u64) -> u64 {
        self.origins.get(&(node, incarnation)).map_or(0, |origin| origin.floor)
    }

    fn raise(&mut self, key: (NodeId, u64), floor: u64) {
        let origin = self.origins.entry(key).or_default();
        if floor <= origin.floor {
            return;
        }
        origin.floor = floor;
        self.floors_changed = true;
        while let Some(first) = origin.answers.first_entry().filter(|first| *first.key() < floor) {
            let (seq, answer) = first.remove_entry();
            self.len -= 1;
            if answer.stored {
                let id = WriteId { origin: key.0, incarnation: key.1, seq };
                self.dropped.push((answer.slot, id));
            }
        }
    }

    fn bound(&mut self) {
        while self.len > MAX_ANSWERS {
            let longest = self.origins.iter().max_by_key(|(key, o)| (o.answers.len(), **key));
            let Some((&key, origin)) = longest else { return };
            let Some((&first, _)) = origin.answers.first_key_value() else { return };
            let len = self.len;
            self.raise(key, first.saturating_add(1));
            if self.len == len {
                return; // only the number u64::MAX, which nobody reaches, can not be passed
            }
        }
    }

    /// Shard time moved on: drops what is too old. Depends on nothing but the two times and the
    /// window, so all replicas drop the same.
    pub fn advance(&mut self, from: u64, to: u64) {
        if from / SWEEP_MS == to / SWEEP_MS {
            return;
        }
        let old = |origin: &Origin| {
            let old = origin.answers.iter().take_while(|(_, a)| a.time.saturating_add(MAX_AGE_MS) < to);
            old.last().map(|(seq, _)| seq.saturating_add(1))
        };
        let raised: Vec<_> =
            self.origins.iter().filter_map(|(&key, origin)| Some((key, old(origin)?))).collect();
        for (key, seq) in raised {
            self.raise(key, seq);
        }
    }

    /// Number of answers kept.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without answers.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Shows the answers that the row store does not have yet; they count as stored from now on.
    pub(crate) fn take_new(&mut self, mut show: impl FnMut(WriteId, &Answer)) {
        for (&(node, incarnation), origin) in &mut self.origins {
            // All of them: a late write can have a lower number than one that is stored already.
            for (&seq, answer) in origin.answers.iter_mut().filter(|(_, a)| !a.stored) {
                show(WriteId { origin: node, incarnation, seq }, answer);
                answer.stored = true;
            }
        }
    }

    /// Answers that the row store must forget.
    pub(crate) fn take_dropped(&mut self) -> Vec<(Slot, WriteId)> {
        std::mem::take(&mut self.dropped)
    }

    /// Floors of the origins that have one, for the checkpoint.
    pub(crate) fn floors(&self) -> impl Iterator<Item = (NodeId, u64, u64)> {
        let floors = self.origins.iter().map(|(&(node, incarnation), o)| (node, incarnation, o.floor));
        floors.filter(|&(_, _, floor)| floor > 0)
    }

    /// Puts an answer from the row store back.
    pub(crate) fn load(&mut self, slot: Slot, id: WriteId, time: u64, reply: Option<&[u8]>) {
        self.insert(id, Answer { slot, time, reply: reply.map(Box::from), stored: true });
    }

    /// Puts a floor from the row store back.
    pub(crate) fn load_floor(&mut self, node: NodeId, incarnation: u64, floor: u64) {
        self.origins.entry((node, incarnation)).or_default().floor = floor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(seq: u64) -> WriteId {
        WriteId { origin: NodeId(1), incarnation: 4, seq }
    }

    #[test]
    fn answers_are_kept_until_the_mark_passes() {
        let mut window = Window::default();
        window.answered(id(7), 0, 100, Some(b":1\r\n"));
        window.answered(id(6), 0, 100, None);
        assert_eq!(window.seen(id(7)), Seen::Done(Some(b":1\r\n")));
        assert_eq!(window.seen(id(6)), Seen::Done(None));
        assert_eq!(window.seen(id(8)), Seen::New);
        window.mark(NodeId(1), 4, 7);
        assert_eq!(window.seen(id(6)), Seen::Forgotten);
        assert_eq!(window.seen(id(7)), Seen::Done(Some(b":1\r\n")));
        assert_eq!(window.len(), 1);
    }

    #[test]
    fn what_leaves_for_lack_of_room_is_never_new_again() {
        let mut window = Window::default();
        for seq in 0..MAX_ANSWERS as u64 + 10 {
            window.answered(id(seq), 0, 0, None);
        }
        assert_eq!(window.len(), MAX_ANSWERS);
        assert_eq!(window.seen(id(9)), Seen::Forgotten);
        assert_eq!(window.seen(id(10)), Seen::Done(None));
    }

    #[test]
    fn age_and_a_new_incarnation_end_an_answer() {
        let mut window = Window::default();
        window.answered(id(1), 0, 1_000, None);
        window.advance(1_000, 60_500);
        assert_eq!(window.seen(id(1)), Seen::Done(None));
        window.advance(69_000, 70_000);
        assert_eq!(window.seen(id(1)), Seen::Forgotten);
        window.answered(id(2), 0, 70_000, None);
        window.mark(NodeId(1), 5, 1);
        assert_eq!(window.seen(id(2)), Seen::Forgotten);
        assert!(window.is_empty());
    }

    #[test]
    fn a_late_lower_number_is_stored_too() {
        let mut window = Window::default();
        window.answered(id(7), 0, 100, None);
        let mut new = Vec::new();
        window.take_new(|id, _| new.push(id.seq));
        window.answered(id(6), 0, 100, None);
        window.take_new(|id, _| new.push(id.seq));
        assert_eq!(new, [7, 6]);
    }

    #[test]
    fn an_answer_below_the_floor_is_not_kept() {
        let mut window = Window::default();
        window.mark(NodeId(1), 4, 9);
        window.answered(id(8), 0, 0, None);
        assert_eq!((window.seen(id(8)), window.len()), (Seen::Forgotten, 0));
    }

    #[test]
    fn the_first_answer_stays() {
        let mut window = Window::default();
        window.answered(id(1), 0, 0, Some(b":1\r\n"));
        window.answered(id(1), 0, 5, Some(b":2\r\n"));
        assert_eq!((window.seen(id(1)), window.len()), (Seen::Done(Some(b":1\r\n")), 1));
    }
}
