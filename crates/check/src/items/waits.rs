//! **Waits**: who takes nothing has waited as long as asked.
//!
//! That nobody waits longer is a matter of liveness, which whoever runs the world sees.

use super::{Came, Deed, ItemHistory};
use crate::history::shown_time;
use crate::verdict::Violation;

/// The property's name in verdicts.
pub const NAME: &str = "waits";

const NS_PER_MS: u64 = 1_000_000;
/// Clocks of nodes are slower or faster by less than a hundredth; a pass that stands still after it has read its
/// clock counts from then.
const MARGIN_NS: u64 = 1000 * NS_PER_MS;

/// Checks every command that waited in vain.
pub fn check(history: &ItemHistory, found: &mut Vec<Violation>) {
    for (at, handling) in history.handlings.iter().enumerate() {
        let (Deed::Take { wait_ms: Some(ms), .. }, Came::Nothing) = (&handling.deed, &handling.came) else {
            continue;
        };
        let least = (ms * NS_PER_MS / 100 * 99).saturating_sub(MARGIN_NS);
        let waited = handling.done_by().saturating_sub(handling.call_ns);
        if waited < least {
            let sentence = format!("a command that waits {ms} ms gave up after {}", shown_time(waited));
            found.push(history.violation(NAME, sentence, &[at]));
        }
    }
}
