//! What the disk does by itself, to compare with.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use super::measure::median;

/// Bytes written.
pub const RAW: usize = 1 << 30;
/// Times: a single one swings more than what is compared with it.
const TIMES: usize = 3;

/// Bytes per second that the disk takes of one file, written in a row and synced once: the median of three.
///
/// # Errors
/// The disk refuses.
pub fn raw_write(folder: &Path) -> Result<f64, String> {
    let rates = (0..TIMES).map(|_| once(folder)).collect::<Result<Vec<_>, _>>()?;
    Ok(median(rates))
}

fn once(folder: &Path) -> Result<f64, String> {
    let path = folder.join("raw");
    let block = vec![0x5a_u8; 4 << 20];
    let started = Instant::now();
    let written = File::create(&path).and_then(|mut file| {
        (0..RAW / block.len()).try_for_each(|_| file.write_all(&block))?;
        file.sync_all()
    });
    written.map_err(|e| format!("{}: {e}", path.display()))?;
    let rate = RAW as f64 / started.elapsed().as_secs_f64();
    std::fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(rate)
}
