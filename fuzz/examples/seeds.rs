//! Writes the seeds of every corpus again, with the product's own encoders: the files `corpus/*/seed-*`.
//!
//!     cargo xtask fuzz --seeds

use std::fs;
use std::path::Path;

#[path = "../seeds/config.rs"]
mod config;
#[path = "../seeds/handshake.rs"]
mod handshake;
#[path = "../seeds/peer.rs"]
mod peer;
#[path = "../seeds/resp.rs"]
mod resp;
#[path = "../seeds/rows.rs"]
mod rows;
#[path = "../seeds/scripts.rs"]
mod scripts;

/// A seed: what it is, and its bytes.
type Seed = (&'static str, Vec<u8>);

fn main() -> std::io::Result<()> {
    let all: [(&str, Vec<Seed>); 7] = [
        ("resp_reply", resp::seeds()),
        ("peer_frame", peer::seeds()),
        ("handshake", handshake::seeds()),
        ("log_segment", scripts::log_segment()),
        ("snapshot_stream", scripts::snapshot_stream()),
        ("row_encoding", rows::seeds()),
        ("config_file", config::seeds()),
    ];
    for (target, seeds) in all {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds {
            fs::write(folder.join(format!("seed-{name}")), bytes)?;
        }
    }
    Ok(())
}
