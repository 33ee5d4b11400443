//! The search itself: depth first, with its own stack.
//!
//! What keeps it small, each without losing an order or inventing one:
//! - **Lanes.** The operations in the order are a prefix of each lane, and only the first of each lane's rest
//!   can be next, if it was called before any of them returned.
//! - **Forced reads.** An operation that fits to the state, and changes nothing wherever it fits, comes next:
//!   it constrains nothing when it is moved to the front.
//! - **Unknown ones last.** One is tried only where nothing with a reply leads on, and only if the state it
//!   leads to fits, itself or with more of them, to the reply of an operation that can be next; otherwise the
//!   order is as good without it. For the same reason none is followed by one that overwrites.
//! - **Outlook.** What replies further on demand is known beforehand, see [`super::outlook`].
//! - **Memory.** A configuration that failed makes fail every one with the same positions and state in which
//!   at least the same unknown ones are used up. Where no operation was open all positions are equal, so each
//!   state at such a cut is explored once.

use hashbrown::HashMap;
use smallvec::SmallVec;

use foldhash::fast::FixedState;

use super::model::{Kinds, Model, State};
use super::outlook::Outlook;
use super::unknowns::{Unknowns, Used};
use super::{Decision, Item, Rules, lanes};

#[derive(Clone, Copy)]
enum Step {
    /// The first operation of the rest of a lane.
    Lane(u32),
    /// The first of the rest of a class of unknown ones.
    Unknown(u32),
    /// The key expires, or is evicted.
    Expire,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// Operations with a reply are tried.
    Replied,
    /// Those of unknown outcome and expiry are tried too.
    Everything,
}

struct Frame {
    /// The step that led here, with what it changed.
    step: Option<Step>,
    state_before: State,
    time_before: u64,
    /// Steps not tried yet, the next one last.
    steps: SmallVec<[(Step, State); 4]>,
    phase: Phase,
}

/// Positions in all lanes, then the state.
type Configuration = Box<[u32]>;

pub(crate) struct Search<'a> {
    items: &'a [Item<'a>],
    lanes: Vec<Vec<u32>>,
    unknowns: Unknowns,
    model: Model<'a>,
    outlook: Outlook<'a>,
    limit: u64,
    steps: u64,
    /// Where the search is.
    positions: Vec<u32>,
    left: usize,
    state: State,
    /// Latest call of an operation with a reply in the order: it is not earlier than that.
    time: u64,
    failed: HashMap<Configuration, SmallVec<[Used; 1]>, FixedState>,
    /// The configuration as it is looked up.
    scratch: Vec<u32>,
}

impl<'a> Search<'a> {
    pub fn new(items: &'a [Item<'a>], rules: Rules, limit: u64) -> Search<'a> {
        let lanes = lanes::lanes(items);
        let model = Model::new(items, rules);
        Search {
            items,
            positions: vec![0; lanes.len()],
            left: lanes.iter().map(Vec::len).sum(),
            lanes,
            unknowns: Unknowns::new(items),
            outlook: Outlook::new(items, &model),
            model,
            limit,
            steps: 0,
            state: State::ABSENT,
            time: 0,
            failed: HashMap::default(),
            scratch: Vec::new(),
        }
    }

    pub fn steps(&self) -> u64 {
        self.steps
    }

    pub fn run(&mut self) -> Decision {
        if self.left == 0 {
            return Decision::Yes;
        }
        let mut stack = vec![self.frame(None)];
        while let Some(frame) = stack.last_mut() {
            if let Some((step, to)) = frame.steps.pop() {
                self.steps += 1;
                if self.steps > self.limit {
                    return Decision::Undecided;
                }
                let before = (self.state, self.time);
                self.take(step, to);
                if self.left == 0 {
                    return Decision::Yes;
                }
                if self.outlook.is_dead(before.0, to, &self.model) || self.is_known_to_fail() {
                    self.take_back(step, before);
                    continue;
                }
                let mut next = self.frame(Some(step));
                (next.state_before, next.time_before) = before;
                stack.push(next);
            } else if frame.phase == Phase::Replied {
                frame.phase = Phase::Everything;
                let after_unknown = !matches!(frame.step, None | Some(Step::Lane(_)));
                frame.steps = self.unreplied_steps(after_unknown);
            } else {
                self.remember_failure();
                let (step, before) = (frame.step, (frame.state_before, frame.time_before));
                stack.pop();
                if let Some(step) = step {
                    self.take_back(step, before);
                }
            }
        }
        Decision::No
    }

    fn head(&self, lane: usize) -> Option<u32> {
        self.lanes[lane].get(self.positions[lane] as usize).copied()
    }

    /// Operations that can be next, with their lanes, and the first return among all that are left.
    fn heads(&self) -> (SmallVec<[(u32, u32); 16]>, u64) {
        let mut heads: SmallVec<[(u32, u32); 16]> = SmallVec::new();
        let mut until = u64::MAX;
        for lane in 0..self.lanes.len() {
            if let Some(at) = self.head(lane) {
                until = until.min(self.items[at as usize].ret);
                heads.push((lane as u32, at));
            }
        }
        heads.retain(|(_, at)| self.items[*at as usize].call <= until);
        (heads, until)
    }

    /// A frame for where the search is, with the steps of operations with a reply.
    fn frame(&mut self, step: Option<Step>) -> Frame {
        let after_unknown = !matches!(step, None | Some(Step::Lane(_)));
        let (mut heads, _) = self.heads();
        // What returned first comes first most often; the last is tried first.
        heads.sort_by_key(|(_, at)| std::cmp::Reverse(self.items[*at as usize].ret));
        let mut frame = Frame {
            step,
            state_before: self.state,
            time_before: self.time,
            steps: SmallVec::new(),
            phase: Phase::Replied,
        };
        for (lane, at) in heads {
            let item = &self.items[at as usize];
            let blind = item.blind();
            // The unknown one before it would be without effect.
            if blind && after_unknown {
                continue;
            }
            if !blind && !self.model.visible(self.state, self.time.max(item.call)) {
                continue;
            }
            if !self.outlook.allows(item, self.model.len(self.state)) {
                continue;
            }
            let Some(to) = self.model.step(self.state, at) else { continue };
            if item.inert() {
                frame.steps = SmallVec::from_slice(&[(Step::Lane(lane), to)]);
                frame.phase = Phase::Everything;
                return frame;
            }
            frame.steps.push((Step::Lane(lane), to));
        }
        frame
    }

    /// Steps of what is not seen by a reply.
    fn unreplied_steps(&mut self, after_unknown: bool) -> SmallVec<[(Step, State); 4]> {
        let (heads, until) = self.heads();
        let open: Vec<(u32, u32)> = self.unknowns.open(self.items, until).collect();
        let mut kinds = Kinds::default();
        open.iter().for_each(|(_, at)| kinds.note(&self.items[*at as usize]));
        let mut steps = SmallVec::new();
        for (class, at) in open {
            self.steps += 1;
            let item = &self.items[at as usize];
            let blind = item.blind();
            let useless =
                if blind { after_unknown } else { !self.model.visible(self.state, self.time.max(item.call)) };
            if useless
                || !self.outlook.allows(item, self.model.len(self.state))
                || !self.model.might_append(self.state, at, &heads, kinds)
            {
                continue;
            }
            let Some(to) = self.model.step(self.state, at) else { continue };
            if to != self.state && self.is_useful(to, &heads, kinds) {
                steps.push((Step::Unknown(class), to));
            }
        }
        let expires = self.model.may_expire(self.state, until);
        if expires && self.is_useful(State::ABSENT, &heads, kinds) {
            steps.push((Step::Expire, State::ABSENT));
        }
        steps
    }

    /// Whether an operation that can be next, and that looks at the state, may find it as it says.
    fn is_useful(&mut self, to: State, heads: &[(u32, u32)], mut kinds: Kinds) -> bool {
        // Expiry, too, may come between.
        kinds.other |= self.model.ever_expires(to);
        heads.iter().any(|(_, at)| {
            !self.items[*at as usize].blind()
                && (self.model.step(to, *at).is_some() || self.model.might_lead(to, *at, kinds))
        })
    }

    fn take(&mut self, step: Step, to: State) {
        self.state = to;
        match step {
            Step::Lane(lane) => {
                let lane = lane as usize;
                if let Some(at) = self.head(lane) {
                    self.time = self.time.max(self.items[at as usize].call);
                    self.outlook.take(at);
                }
                self.positions[lane] += 1;
                self.left -= 1;
            }
            Step::Unknown(class) => self.outlook.take(self.unknowns.take(class)),
            Step::Expire => {}
        }
    }

    fn take_back(&mut self, step: Step, (state, time): (State, u64)) {
        (self.state, self.time) = (state, time);
        match step {
            Step::Lane(lane) => {
                self.positions[lane as usize] -= 1;
                self.left += 1;
                if let Some(at) = self.head(lane as usize) {
                    self.outlook.give_back(at);
                }
            }
            Step::Unknown(class) => self.outlook.give_back(self.unknowns.give_back(class)),
            Step::Expire => {}
        }
    }

    fn configuration(&mut self) -> &[u32] {
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.positions);
        self.scratch.extend([self.state.value, self.state.deadline]);
        &self.scratch
    }

    fn is_known_to_fail(&mut self) -> bool {
        self.configuration();
        let known = self.failed.get(self.scratch.as_slice());
        known.is_some_and(|known| known.iter().any(|used| self.unknowns.includes(used)))
    }

    fn remember_failure(&mut self) {
        let key: Configuration = self.configuration().into();
        let used = self.unknowns.used();
        self.failed.entry(key).or_default().push(used);
    }
}
