//! Measures the log on the real disk: `cargo run --release --example log_bench -- FOLDER`.
//! Appends one batch per fdatasync, buffered and direct, for some batch sizes, and then through the
//! log thread with one producer that waits for nothing but the queue's bounds.

use env::{Clock, RealClock, RealDisk, Rng};
use everstore_storage::log::{
    Batch, BatchBuilder, Done, DoneFn, Log, LogError, LogOptions, LogThread, SubmitError,
};
use model::GroupId;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

const APPENDS: u64 = 4000;
const SUBMITS: u64 = 200_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder: PathBuf = std::env::args().nth(1).ok_or("usage: log_bench FOLDER")?.into();
    // 4040 bytes of data fill a block, as padding every write to a block would.
    for bytes in [200, 1000, 4040, 16_000] {
        for direct in [false, true, false, true] {
            appends(&folder, direct, bytes)?;
        }
    }
    for direct in [false, true] {
        thread(&folder, direct)?;
    }
    Ok(())
}

fn open(folder: &Path, direct: bool) -> Result<Log, LogError> {
    let disk: Arc<dyn env::Disk> = Arc::new(RealDisk);
    disk.remove_dir_all(folder).map_err(|error| LogError::Io {
        what: "remove",
        path: folder.to_owned(),
        error,
    })?;
    let options = LogOptions { direct, ..LogOptions::new([1; 16]) };
    let (mut log, _) = Log::open(disk, folder, options, Rng::new(1))?;
    log.fill_reserve()?;
    Ok(log)
}

fn batch(index: u64, data: &[u8]) -> Batch {
    let mut builder = BatchBuilder::new();
    builder.entry(GroupId(1), index, 1, 0, data);
    builder.finish()
}

fn appends(folder: &Path, direct: bool, bytes: usize) -> Result<(), LogError> {
    let mut log = open(folder, direct)?;
    let data = vec![5; bytes];
    let mut times = Vec::new();
    let start = RealClock.mono_ns();
    for index in 1..=APPENDS {
        let before = RealClock.mono_ns();
        log.append(&[batch(index, &data)])?;
        times.push((RealClock.mono_ns() - before) / 1000);
    }
    let rate = APPENDS * 1_000_000_000 / (RealClock.mono_ns() - start);
    times.sort_unstable();
    let at = |permille: usize| times[times.len() * permille / 1000];
    println!(
        "append {bytes:6} B {}: {rate:6}/s, p50 {} µs, p99 {} µs, p99.9 {} µs",
        if log.is_direct() { "direct  " } else { "buffered" },
        at(500),
        at(990),
        at(999)
    );
    Ok(())
}

fn thread(folder: &Path, direct: bool) -> Result<(), Box<dyn std::error::Error>> {
    let log = open(folder, direct)?;
    let (sender, dones) = channel();
    // Gone only when this function has returned early.
    let callback: DoneFn = Box::new(move |done| drop(sender.send(done)));
    let (thread, mut handles) = LogThread::start(log, Arc::new(RealClock), vec![callback])?;
    let handle = &mut handles[0];
    let data = [5; 100];
    let (mut submit_ns, mut rounds) = (0, 0u64);
    let start = RealClock.mono_ns();
    for index in 1..=SUBMITS {
        let mut builder = handle.builder();
        builder.entry(GroupId(1), index, 1, 0, &data);
        let mut batch = builder.finish();
        let before = RealClock.mono_ns();
        while let Err(error) = handle.submit(batch) {
            let SubmitError::Full(back) = error else { return Err(format!("{error:?}").into()) };
            batch = back;
            let Done::Synced { .. } = dones.recv()? else { return Err("the log failed".into()) };
        }
        submit_ns += RealClock.mono_ns() - before;
        if index % 20_000 == 0 {
            handle.free(BTreeMap::from([(GroupId(1), index - 1)]));
        }
    }
    while let Ok(Done::Synced { batches, .. }) = dones.recv() {
        rounds += 1;
        if batches == SUBMITS {
            break;
        }
    }
    let ns = RealClock.mono_ns() - start;
    println!(
        "thread {}: {} batches/s, submit {} ns each with waiting, {} syncs (last {rounds} unwaited), p50 {} µs",
        if direct { "direct  " } else { "buffered" },
        SUBMITS * 1_000_000_000 / ns,
        submit_ns / SUBMITS,
        handle.status().trend().count(),
        handle.status().trend().p50_ns() / 1000
    );
    thread.stop();
    Ok(())
}
