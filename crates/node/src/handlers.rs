//! The handler of each data command, by the command's place in the table.

use shard::data::Handler;
use shard::table::{Route, Spec, commands};

/// Handlers by [`Spec::id`].
pub struct Handlers {
    by_id: Vec<Option<Handler>>,
}

impl Default for Handlers {
    fn default() -> Handlers {
        Handlers { by_id: commands().iter().map(|spec| shard::commands::handler(spec.name)).collect() }
    }
}

impl Handlers {
    /// The handler of a command or subcommand that runs in a shard.
    #[inline]
    pub fn get(&self, spec: &Spec) -> Option<Handler> {
        match self.by_id.get(spec.id()) {
            Some(handler) => *handler,
            None => shard::commands::handler(spec.name),
        }
    }
}

/// True for commands that a shard executes.
pub fn runs_in_shard(spec: &Spec) -> bool {
    !matches!(spec.route, Route::Front | Route::Transaction | Route::Wait)
}
