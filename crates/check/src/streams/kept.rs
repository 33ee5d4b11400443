//! **Entries are kept**: whoever reads behind an id gets, in order and without a gap, all that was acknowledged before
//! and not removed; nothing that was removed; and nothing only if nothing is there.

use super::known::Known;
use super::{Act, Came, Deed, Found, Id, Seen, Stream, shown};
use crate::history::shown_time;

/// The property's name in verdicts.
pub const NAME: &str = "entries are kept";
/// That of those who wait.
const WAITS: &str = "waits";

const LAST: Id = (u64::MAX, u64::MAX);
const NS_PER_MS: u64 = 1_000_000;
/// As for other commands that wait, see `items/waits.rs`.
const MARGIN_NS: u64 = 1000 * NS_PER_MS;

/// Checks every reading.
pub fn check(stream: &Stream, known: &Known, found: &mut Found<'_>) {
    for (at, act) in stream.acts.iter().enumerate() {
        let Deed::Read { after, count, wait_ms } = &act.deed else { continue };
        let entries = match &act.came {
            Came::Entries(entries) => &entries[..],
            Came::Nothing => &[],
            _ => continue,
        };
        in_order(*after, entries, at, found);
        for (id, _) in entries {
            if let Some(entry) = known.by_id.get(id).filter(|entry| entry.gone < act.call_ns) {
                found.add(
                    NAME,
                    &format!("{} was read after it was removed", shown(*id)),
                    &[entry.gone_by, at],
                );
            }
        }
        let whole = *count == 0 || entries.len() < *count;
        let from = match (after, entries.first()) {
            (Some(after), _) if !stream.capped => Some(*after),
            // What was before the first entry may have left a capped stream, or was there before `$`.
            (_, first) => first.map(|(id, _)| *id),
        };
        let upto = if whole { Some(LAST) } else { entries.last().map(|(id, _)| *id) };
        if let (Some(from), Some(upto)) = (from, upto)
            && let Some((id, entry)) = known.there(from, upto, act.call_ns, act.done_by(), entries)
        {
            let what =
                format!("{} was acknowledged, and not there for who read behind {}", shown(id), shown(from));
            found.add(NAME, &what, &[entry.by, at]);
        }
        if let (Some(ms), Came::Nothing) = (wait_ms, &act.came) {
            waited(act, *ms, at, found);
        }
    }
}

fn in_order(after: Option<Id>, entries: &[Seen], at: usize, found: &mut Found<'_>) {
    let ids = after.into_iter().chain(entries.iter().map(|(id, _)| *id)).collect::<Vec<_>>();
    if let Some(pair) = ids.windows(2).find(|pair| pair[0] >= pair[1]) {
        found.add(NAME, &format!("{} was read behind {}", shown(pair[1]), shown(pair[0])), &[at]);
    }
}

fn waited(act: &Act, ms: u64, at: usize, found: &mut Found<'_>) {
    let least = (ms * NS_PER_MS / 100 * 99).saturating_sub(MARGIN_NS);
    let waited = act.done_by().saturating_sub(act.call_ns);
    if waited < least {
        found.add(WAITS, &format!("who waits {ms} ms gave up after {}", shown_time(waited)), &[at]);
    }
}
