//! Log segments: made of bytes with valid checksums, and written by the log itself and then damaged.

#[path = "log_segment/model.rs"]
mod model_of_log;
#[path = "log_segment/raw.rs"]
mod raw;
#[path = "script.rs"]
mod script;
#[path = "log_segment/scripted.rs"]
mod scripted;

use env::{MemDisk, Rng};
use model::{GroupId, Index, Term};
use script::Script;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use storage::log::{BatchBuilder, GroupLog, Log, LogError, LogOptions, MIN_SEGMENT_BYTES, Recovery};

/// Whatever the segments contain, opening them is an error or a recovery, never a panic; what was
/// recovered is recovered again, also behind a further batch. A log that was damaged shows nothing that
/// was not written, and lacks nothing of a group that it does not call damaged.
///
/// # Panics
/// If not.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    match script.byte() % 4 {
        0 => raw::check(&mut script),
        _ => scripted::check(&mut script),
    }
}

const CLUSTER: [u8; 16] = [7; 16];

fn dir() -> &'static Path {
    Path::new("/log")
}

/// A log's folder on a disk of its own.
struct Folder {
    disk: MemDisk,
    direct: bool,
    /// Every start draws other salts, as the operating system's randomness does.
    starts: Cell<u64>,
}

impl Folder {
    fn new(script: &mut Script<'_>) -> Folder {
        Folder { disk: MemDisk::new(), direct: script.byte().is_multiple_of(2), starts: Cell::new(0) }
    }

    fn open(&self) -> Result<(Log, Recovery), LogError> {
        self.starts.set(self.starts.get() + 1);
        let options = LogOptions {
            segment_bytes: MIN_SEGMENT_BYTES,
            direct: self.direct,
            keep: self.starts.get().is_multiple_of(3),
            cluster: CLUSTER,
            begun: false,
        };
        Log::open(Arc::new(self.disk.clone()), dir(), options, Rng::new(self.starts.get()))
    }
}

/// What was recovered is recovered again, and again behind one more batch; power cuts change nothing.
fn stays(folder: &Folder, (log, recovery): (Log, Recovery)) {
    let before = recovery.groups;
    for entries in before.values().filter(|group| !group.damaged).map(|group| &group.entries) {
        assert!(entries.windows(2).all(|pair| pair[0].index + 1 == pair[1].index), "a hole: {entries:?}");
    }
    drop(log);
    folder.disk.power_cut(&mut Rng::new(3));
    let (mut log, again) = folder.open().expect("opened once, opens twice");
    assert_eq!(again.groups, before);
    let (group, next) = going_on(&before);
    let mut batch = BatchBuilder::new();
    batch.entry(group, next, Term::MAX, 9, b"one more");
    match log.append(&[batch.finish()]) {
        // The states of all groups may not fit at the head of the segment that this would begin.
        Err(LogError::TooManyGroups { .. } | LogError::TooLarge { .. }) => return,
        result => drop(result.expect("a disk without faults")),
    }
    drop(log);
    folder.disk.power_cut(&mut Rng::new(4));
    let (_, mut again) = folder.open().expect("opens behind a batch");
    let added = again.groups.get_mut(&group).and_then(|state| state.entries.pop());
    let added = added.map(|entry| (entry.index, entry.term, entry.kind, entry.data));
    assert_eq!(added, Some((next, Term::MAX, 9, b"one more".to_vec())));
    again.groups.retain(|id, state| before.contains_key(id) || *state != GroupLog::default());
    assert_eq!(again.groups, before);
}

/// A group that can go on, and its next index: a known one if there is one.
fn going_on(groups: &BTreeMap<GroupId, GroupLog>) -> (GroupId, Index) {
    let whole = groups.iter().find(|(_, group)| !group.damaged);
    let known = whole.and_then(|(id, group)| Some((*id, group.last_index().checked_add(1)?)));
    let unused = (0..).map(GroupId).find(|id| !groups.contains_key(id)).unwrap_or_default();
    known.unwrap_or((unused, 1))
}
