//! Whether this program understands what the cluster has written since all its nodes were upgraded (safety rule 20).
//!
//! The level in the map only rises. Who understands less is refused in the handshake; who comes past it, because the
//! level rose meanwhile or because an older program is started on the folder, stops here, before it reads the map.

use crate::core::Core;
use crate::outbox::Outbox;
use cluster::handshake::{Levels, too_old};
use cluster::heartbeat::SAID_LEVEL;
use cluster::map::{self, LEVEL_ROW};

impl Core {
    /// What this node says of itself in a handshake.
    pub fn levels(&self) -> Levels {
        let used = self.map.level;
        Levels { own: self.settings.level, used, said: used >= SAID_LEVEL }
    }

    /// Whether a map with this content of the level's row can be read; if not, the node stops.
    pub(crate) fn understands(&mut self, level_row: Option<&[u8]>) -> bool {
        let (used, own) = (level_row.and_then(map::level).unwrap_or(0), self.settings.level);
        if used > own {
            self.outbox.too_old = Some(too_old(&format!("node {}", self.me.node), used, own));
        }
        used <= own
    }

    /// The same for the map in this node's own replica of the meta group.
    pub(crate) fn understands_own_map(&mut self) -> bool {
        let meta = self.replicas.first().and_then(Option::as_deref);
        let row = meta.and_then(|meta| meta.machine.system(LEVEL_ROW)).map(<[u8]>::to_vec);
        self.understands(row.as_deref())
    }
}

impl Outbox {
    /// The node stops: nothing more is taken in, promised or sent.
    pub(crate) fn stops(&self) -> bool {
        self.refused.is_some() || self.too_old.is_some()
    }
}
