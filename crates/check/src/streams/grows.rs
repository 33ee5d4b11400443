//! **Ids grow**: an entry has a higher id than all that anybody knew of before it was added, and what a stream says of
//! itself never goes back, whatever happens to its leader: the last id it gave, the entries it ever had, and, of one
//! that is not capped, those that it has.

use super::known::Known;
use super::{Act, Came, Deed, Found, Id, Stream, shown};

/// The property's name in verdicts.
pub const NAME: &str = "ids grow";

/// Something that was known by some time, ns, by an act.
type Fact<T> = (u64, T, usize);

/// The highest of what was known before each time.
struct Highest<T> {
    facts: Vec<Fact<T>>,
}

impl<T: Ord + Copy> Highest<T> {
    /// Of facts in any order.
    fn of(mut facts: Vec<Fact<T>>) -> Highest<T> {
        facts.sort_unstable();
        for at in 1..facts.len() {
            if facts[at - 1].1 > facts[at].1 {
                (facts[at].1, facts[at].2) = (facts[at - 1].1, facts[at - 1].2);
            }
        }
        Highest { facts }
    }

    /// What was known before `time`, and by which act.
    fn before(&self, time: u64) -> Option<(T, usize)> {
        let count = self.facts.partition_point(|(by, _, _)| *by < time);
        count.checked_sub(1).map(|at| (self.facts[at].1, self.facts[at].2))
    }
}

/// Checks every id that was given, and all that a stream said of itself.
pub fn check(stream: &Stream, known: &Known, found: &mut Found<'_>) {
    let (mut ids, mut ever) = (Vec::new(), Vec::new());
    for (at, act) in stream.acts.iter().enumerate() {
        match &act.came {
            Came::Added(id) => ids.push((act.done_by(), *id, at)),
            Came::Entries(entries) => ids.extend(entries.last().map(|(id, _)| (act.done_by(), *id, at))),
            Came::Counted(_, Some((last, added))) => {
                ids.push((act.done_by(), *last, at));
                ever.push((act.done_by(), *added, at));
            }
            _ => {}
        }
    }
    let (ids, ever) = (Highest::of(ids), Highest::of(ever));
    for (at, act) in stream.acts.iter().enumerate() {
        match &act.came {
            Came::Added(id) => lower(*id, true, ids.before(act.call_ns), at, found),
            Came::Entries(entries) if matches!(act.deed, Deed::Read { after: None, .. }) => {
                if let Some((first, _)) = entries.first() {
                    lower(*first, true, ids.before(act.call_ns), at, found);
                }
            }
            Came::Counted(len, more) => {
                counted(stream, known, act, *len, at, found);
                let Some((last, added)) = more else { continue };
                lower(*last, false, ids.before(act.call_ns), at, found);
                if let Some((before, by)) = ever.before(act.call_ns).filter(|(before, _)| before > added) {
                    let what = format!("it ever had {before} entries, and then {added}");
                    found.add(NAME, &what, &[by, at]);
                }
            }
            _ => {}
        }
    }
}

fn lower(id: Id, strictly: bool, before: Option<(Id, usize)>, at: usize, found: &mut Found<'_>) {
    let Some((before, by)) = before else { return };
    if id < before || strictly && id == before {
        found.add(NAME, &format!("{} comes after {}, which was known", shown(id), shown(before)), &[by, at]);
    }
}

/// How many entries there can be.
fn counted(stream: &Stream, known: &Known, act: &Act, len: u64, at: usize, found: &mut Found<'_>) {
    let (call, ret) = (act.call_ns, act.done_by());
    let there = known.by_id.values().filter(|entry| entry.added < call && entry.may_go > ret).count() as u64;
    let added =
        |act: &&Act| matches!(act.deed, Deed::Add { .. }) && act.came != Came::NotDone && act.call_ns < ret;
    let gone = known.by_id.values().filter(|entry| entry.gone < call).count();
    let most = (stream.acts.iter().filter(added).count() - gone) as u64;
    if len > most || len < there && !stream.capped {
        let what = format!("it has {len} entries, where {there} to {most} can be");
        found.add(NAME, &what, &[at]);
    }
}
