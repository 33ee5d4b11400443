//! How much the leader of a group has to do.

/// Commands that a leader executes, smoothed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Since the last second ended.
    pub(crate) commands: u64,
    /// Per second, over about half a minute, in 32nds.
    smooth: u64,
}

impl Load {
    /// A second is over.
    pub(crate) fn each_second(&mut self) {
        self.smooth += std::mem::take(&mut self.commands);
        self.smooth -= self.smooth / 32;
    }

    /// Commands per second.
    pub(crate) fn per_second(self) -> u64 {
        self.smooth / 32
    }
}
