//! The end of a node in good order: leadership goes to others first, then the log is flushed.

use model::Now;

use crate::node::Node;
use crate::platform::Disks;

/// How long leadership may take to be handed over.
const HAND_OVER_MS: u64 = 2000;
/// How long checkpoints may take that make the next start quicker.
const CHECKPOINT_MS: u64 = 1000;
/// With others there, replies that come from the new leaders get this long to arrive.
const LINGER_MS: u64 = 50;

/// How far the end has come. Times are monotonic ms.
#[derive(Debug, Default)]
pub struct Ending {
    stage: Stage,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Running,
    Asked,
    /// Until then.
    HandingOver(u64),
    /// Not before, and at the latest.
    Flushing(u64, u64),
    Over,
}

impl Ending {
    /// The node is to end, because of `why`.
    pub fn ask(&mut self, why: &str) {
        if self.stage == Stage::Running {
            tracing::info!(because = why, "ending in good order");
            self.stage = Stage::Asked;
        }
    }

    /// True from [`Ending::ask`] on.
    pub fn is_asked(&self) -> bool {
        self.stage != Stage::Running
    }

    /// True when nothing is left to be done.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// One step; call every few milliseconds. `others`: nodes with a connection.
    pub fn drive<D: Disks>(&mut self, node: &mut Node<D>, others: usize, now: Now) {
        let now_ms = now.mono_ms();
        match self.stage {
            Stage::Running | Stage::Over => {}
            Stage::Asked => {
                node.core.begin_end();
                // Alone there is nobody to hand over to.
                let patience_ms = if others > 0 { HAND_OVER_MS } else { 0 };
                self.stage = Stage::HandingOver(now_ms + patience_ms);
            }
            Stage::HandingOver(until_ms) => {
                let leads = node.core.leads();
                if leads > 0 && now_ms < until_ms {
                    node.core.hand_over();
                    return;
                }
                tracing::info!(still_leading = leads, "leadership is handed over");
                node.core.checkpoint_all();
                let linger_ms = if others > 0 { LINGER_MS } else { 0 };
                self.stage = Stage::Flushing(now_ms + linger_ms, now_ms + CHECKPOINT_MS);
            }
            Stage::Flushing(earliest_ms, latest_ms) => {
                let flushed = node.disks.as_ref().is_none_or(Disks::is_flushed);
                let stored = !node.core.is_checkpointing() || now_ms >= latest_ms;
                if flushed && stored && now_ms >= earliest_ms {
                    self.stage = Stage::Over;
                }
            }
        }
    }
}
