//! The last word of a node that stops at once, so that the status of the others says why.
//!
//! Nothing else may leave with it: what the turn that failed has collected is dropped, so that nothing is
//! acknowledged after the failure.

use crate::core::Core;
use crate::frame::Section;
use model::NodeId;

/// Longest reason in bytes that is told and kept.
pub const MAX_FAREWELL: usize = 512;

impl Core {
    /// This node stops at once because of `why`: that is all that its frames to others hold now.
    pub fn farewell(&mut self, why: &str) {
        let end = why.floor_char_boundary(MAX_FAREWELL);
        for peer in self.peers.values_mut() {
            peer.frame.clear();
            peer.answers.clear();
            peer.frame.section(Section::Farewell, |out| out.extend_from_slice(&why.as_bytes()[..end]));
        }
    }

    /// Another node has stopped: its successors need not wait for silence to tell them.
    pub(crate) fn on_farewell(&mut self, from: NodeId, content: &[u8]) {
        let content = &content[..content.len().min(MAX_FAREWELL)];
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let why: String = String::from_utf8_lossy(content).chars().map(printable).collect();
        tracing::warn!(node = %from, reason = %why, "a node has stopped");
        self.peer(from).farewell = Some(why);
        self.on_peer_refused(from);
    }
}
