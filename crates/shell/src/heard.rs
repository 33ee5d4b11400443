//! The file with what leaders announced ([`node::heard`]), as it is read at a start and by a recovery.

use env::Disk;
use node::heard::{FILE, Heard, MAX_BYTES};
use std::path::Path;

/// Reads the file of a data folder; nothing if there is none, or it is of another incarnation of the cluster. What
/// can not be read is told in the log: it keeps no node from starting.
pub(crate) fn read(disk: &dyn Disk, dir: &Path, incarnation: u64) -> Heard {
    let nothing = Heard { incarnation, ..Heard::default() };
    let bytes = match disk.read(&dir.join(FILE), MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return nothing,
        Err(error) => {
            tracing::warn!(%error, "what the leaders announced can not be read");
            return nothing;
        }
    };
    match Heard::parse(&String::from_utf8_lossy(&bytes)) {
        Some(heard) if heard.incarnation == incarnation => heard,
        Some(_) => nothing,
        None => {
            tracing::warn!("the file with what the leaders announced makes no sense");
            nothing
        }
    }
}
