//! The log thread: completions, bounds, buffers, reserve, failure.

mod log_support;

use env::{MemDisk, Op, RealClock};
use everstore_storage::log::{Batch, Done, DoneFn, LogHandle, LogThread, SubmitError};
use log_support::{G, H, batch, entries, entry, open, open_with, options};
use model::GroupId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

fn start(disk: &MemDisk, threads: usize) -> (LogThread, Vec<LogHandle>, Vec<Receiver<Done>>) {
    let (log, _) = open(disk).unwrap();
    let (mut callbacks, mut dones) = (Vec::<DoneFn>::new(), Vec::new());
    for _ in 0..threads {
        let (sender, receiver) = channel();
        // The test may have ended.
        callbacks.push(Box::new(move |done| drop(sender.send(done))));
        dones.push(receiver);
    }
    let (thread, handles) = LogThread::start(log, Arc::new(RealClock), callbacks).unwrap();
    (thread, handles, dones)
}

fn wait_for(dones: &Receiver<Done>, number: u64) {
    loop {
        match dones.recv().unwrap() {
            Done::Synced { batches, .. } if batches >= number => return,
            Done::Synced { .. } | Done::Written(_) => {}
            Done::Failed(text) => panic!("{text}"),
        }
    }
}

#[test]
fn what_is_announced_is_told_when_it_is_written_and_survives_the_process() {
    let disk = MemDisk::new();
    let (thread, mut handles, dones) = start(&disk, 1);
    for index in 1..=3 {
        let mut builder = handles[0].builder();
        builder.entry(G, index, 1, 0, &[3; 50]);
        if index == 2 {
            builder.announce();
        }
        handles[0].submit(builder.finish()).unwrap();
        match dones[0].recv().unwrap() {
            Done::Written(batches) => assert_eq!((index, batches), (2, 2)),
            Done::Synced { batches, .. } => assert_eq!((batches, index == 2), (index, false)),
            Done::Failed(text) => panic!("{text}"),
        }
        if index == 2 {
            wait_for(&dones[0], 2);
        }
    }
    // The next sync must be the log's and none of a segment in the making.
    while thread.status().reserve_low() {
        std::thread::yield_now();
    }
    // The disk refuses to sync: the batch is told to be written, and is there after a crash.
    disk.fail_once(Op::Sync, 0);
    let mut builder = handles[0].builder();
    builder.entry(G, 4, 1, 0, &[4; 50]);
    builder.announce();
    handles[0].submit(builder.finish()).unwrap();
    assert_eq!(dones[0].recv().unwrap(), Done::Written(4));
    assert!(matches!(dones[0].recv().unwrap(), Done::Failed(_)));
    thread.stop();
    disk.crash_process();
    let (_, recovery) = open(&disk).unwrap();
    assert_eq!(entries(&recovery, G).len(), 4);
}

#[test]
fn each_shard_thread_hears_how_far_its_own_batches_are_durable() {
    let disk = MemDisk::new();
    let (thread, handles, dones) = start(&disk, 2);
    let submitters: Vec<_> = handles
        .into_iter()
        .zip(dones)
        .zip([G, H])
        .map(|((mut handle, dones), group)| {
            env::spawn("submit", move || {
                for index in 1..=500 {
                    let mut builder = handle.builder();
                    builder.entry(group, index, 1, 0, &[3; 50]);
                    assert_eq!(handle.submit(builder.finish()).unwrap(), index);
                    if index % 7 == 0 {
                        wait_for(&dones, index);
                    }
                }
                wait_for(&dones, 500);
                handle
            })
            .unwrap()
        })
        .collect();
    let handles: Vec<LogHandle> = submitters.into_iter().map(|thread| thread.join().unwrap()).collect();
    // So that no segment is being made when the power goes.
    while handles[0].status().reserve_low() {
        std::thread::yield_now();
    }
    // Acknowledged is durable, without any further help.
    disk.power_cut(&mut env::Rng::new(1));
    let (_, recovery) = open(&disk).unwrap();
    assert_eq!(entries(&recovery, G).len(), 500);
    assert_eq!(entries(&recovery, H).len(), 500);
    let trend = handles[0].status().trend();
    assert!(trend.count() > 0 && trend.p99_ns() >= trend.p50_ns());
    thread.stop();
}

#[test]
fn the_reserve_is_filled_and_freed_segments_are_used_again() {
    let disk = MemDisk::new();
    let (thread, mut handles, dones) = start(&disk, 1);
    let handle = &mut handles[0];
    while handle.status().reserve_low() {
        std::thread::yield_now();
    }
    for index in 1..=600 {
        let number = handle.submit(entry(G, index, 1)).unwrap();
        wait_for(&dones[0], number);
        if index % 100 == 0 {
            assert!(handle.free(BTreeMap::from([(G, index - 1), (GroupId(5), 1)])));
        }
    }
    thread.stop();
    assert!(matches!(handle.submit(entry(G, 601, 1)), Err(SubmitError::Stopped)));
    assert!(!handle.status().shares().is_empty());
    let (log, recovery) = open(&disk).unwrap();
    assert_eq!(entries(&recovery, G), [(600, 1)]);
    assert!(log.bytes() <= 3 * 16384, "{}", log.bytes());
}

#[test]
fn a_failed_sync_is_reported_and_nothing_more_is_taken() {
    let disk = MemDisk::new();
    let (_thread, mut handles, dones) = start(&disk, 2);
    while handles[0].status().reserve_low() {
        std::thread::yield_now();
    }
    disk.fail_once(Op::Sync, 0);
    handles[0].submit(entry(G, 1, 1)).unwrap();
    for dones in &dones {
        let Ok(Done::Failed(text)) = dones.recv() else { panic!("must fail") };
        assert!(text.contains("cannot sync"), "{text}");
    }
    // The callbacks are dropped when the thread has ended.
    assert!(dones[0].recv().is_err());
    assert!(matches!(handles[1].submit(entry(G, 2, 1)), Err(SubmitError::Stopped)));
}

#[test]
fn whoever_finds_the_log_stopped_was_told_why() {
    let disk = MemDisk::new();
    let (_thread, mut handles, dones) = start(&disk, 1);
    while handles[0].status().reserve_low() {
        std::thread::yield_now();
    }
    disk.fail_once(Op::Sync, 0);
    // It may be full before it has failed.
    let stopped = |index| matches!(handles[0].submit(entry(G, index, 1)), Err(SubmitError::Stopped));
    assert!((1..).any(stopped));
    assert!(matches!(dones[0].try_recv(), Ok(Done::Failed(_))), "without waiting for it");
}

/// A log through the page cache, and batches whose sync may be put off.
fn start_buffered(disk: &MemDisk) -> (LogThread, LogHandle, Receiver<Done>) {
    let (mut log, _) = open_with(disk, options(false)).unwrap();
    log.fill_reserve().unwrap();
    let (sender, done) = channel();
    let callback: DoneFn = Box::new(move |told| drop(sender.send(told)));
    let (thread, mut handles) = LogThread::start(log, Arc::new(RealClock), vec![callback]).unwrap();
    (thread, handles.pop().unwrap(), done)
}

fn put_off(index: u64) -> Batch {
    batch(|b| {
        b.entry(G, index, 1, 0, &[index as u8; 100]);
        b.announce();
        b.put_off();
    })
}

#[test]
fn what_need_not_be_synced_at_once_is_written_by_whoever_has_it() {
    let disk = MemDisk::new();
    let (thread, mut handle, done) = start_buffered(&disk);
    assert!(
        matches!(handle.write_now(entry(G, 1, 1)), Err(SubmitError::Full(_))),
        "somebody waits for its sync"
    );
    let mut written = 0;
    for index in 1..=40 {
        // The log thread may be at work just then.
        let number = match handle.write_now(put_off(index)) {
            Ok(number) => {
                written += 1;
                assert!(handle.buffer().is_some());
                number
            }
            Err(SubmitError::Full(batch)) => handle.submit(batch).unwrap(),
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(number, index);
        if index % 10 == 0 {
            // The sync comes by itself.
            wait_for(&done, index);
        }
    }
    assert!(written > 0);
    thread.stop();
    assert!(matches!(handle.write_now(put_off(41)), Err(SubmitError::Full(_) | SubmitError::Failed(_))));
    assert!(matches!(handle.submit(put_off(41)), Err(SubmitError::Stopped)));
    let (_, recovery) = open(&disk).unwrap();
    assert_eq!(entries(&recovery, G).len(), 40);
}

#[test]
fn what_is_written_at_once_survives_the_process() {
    let disk = MemDisk::new();
    let (thread, mut handle, _done) = start_buffered(&disk);
    let number = loop {
        match handle.write_now(put_off(1)) {
            Ok(number) => break number,
            Err(SubmitError::Full(_)) => std::thread::yield_now(),
            Err(error) => panic!("{error:?}"),
        }
    };
    assert_eq!(number, 1);
    let copy = disk.clone();
    copy.crash_process();
    let (_, recovery) = open(&copy).unwrap();
    assert_eq!(entries(&recovery, G), [(1, 1)]);
    drop(thread);
}

#[test]
fn a_failed_write_of_a_shard_thread_stops_the_log() {
    let disk = MemDisk::new();
    let (_thread, mut handle, _done) = start_buffered(&disk);
    while handle.status().reserve_low() {
        std::thread::yield_now();
    }
    disk.fail_once(Op::Write, 0);
    let failed = (0..).find_map(|_| match handle.write_now(put_off(1)) {
        Err(SubmitError::Failed(why)) => Some(why),
        Err(SubmitError::Full(_)) => None,
        other => panic!("{other:?}"),
    });
    assert!(failed.is_some_and(|why| why.contains("cannot write")));
    assert!(matches!(handle.write_now(put_off(1)), Err(SubmitError::Failed(_) | SubmitError::Full(_))));
}

#[test]
fn what_does_not_fit_is_given_back() {
    let disk = MemDisk::new();
    let (log, _) = open(&disk).unwrap();
    let (go, gate) = channel::<()>();
    let callback: DoneFn = Box::new(move |_| {
        let _ = gate.recv();
    });
    let (thread, mut handles) = LogThread::start(log, Arc::new(RealClock), vec![callback]).unwrap();
    let handle = &mut handles[0];
    let large = handle.max_batch() as usize;
    let refused = handle.submit(batch(|b| b.entry(G, 1, 1, 0, &vec![0; large])));
    assert!(matches!(refused, Err(SubmitError::TooLarge(_, max)) if max == large as u64), "{refused:?}");
    // The log thread is held in its first callback, so the queue fills.
    let mut index = 0;
    let given_back = loop {
        match handle.submit(entry(G, index + 1, 1)) {
            Ok(number) => {
                index += 1;
                assert_eq!(number, index);
            }
            Err(SubmitError::Full(batch)) => break batch,
            Err(other) => panic!("{other:?}"),
        }
    };
    assert!(index >= 1024);
    assert!(!handle.free(BTreeMap::new()));
    drop(go);
    let mut given_back = Some(given_back);
    while let Some(batch) = given_back.take() {
        given_back = match handle.submit(batch) {
            Ok(_) => None,
            Err(SubmitError::Full(batch)) => Some(batch),
            Err(other) => panic!("{other:?}"),
        };
    }
    thread.stop();
    assert_eq!(entries(&open(&disk).unwrap().1, G).len() as u64, index + 1);
}
