//! Known bugs, planted one at a time to see that the simulator finds them.
//!
//! Only a build with the feature `planted` has them; it refuses to be built without debug assertions,
//! so that no release can. In all other builds [`is_planted`] is a constant `false`.

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("feature `planted` is for tests: it needs debug assertions");

/// A bug. Its text is what goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Bug {
    /// An entry counts as persisted before its sync.
    AckBeforeSync = 1,
    /// Replies leave without a second look at the lease.
    LeaseNotChecked,
    /// The library's `batch_append` is on.
    BatchAppend,
    /// A read does not wait for the uncommitted effects it saw.
    ReadsNotHeld,
    /// The vote is not written to the log.
    VoteNotPersisted,
    /// A snapshot is reported installed before its rows are in place.
    SnapshotBeforeRows,
    /// A torn tail of the log counts as acknowledged: it is not cut but skipped.
    TornTailAcknowledged,
    /// The dedupe window is empty after a failover.
    WindowLost,
    /// Frames of an old connection are taken after a new one was made.
    StaleFrames,
    /// The bound on exposure is not kept.
    ExposureNotEnforced,
    /// The applied index of a checkpoint is not that of its rows.
    AppliedNotAtomic,
    /// The lease is measured by the wall clock.
    ClockExtendsLease,
    /// A cold row is replaced without a look, and overwrites what replaced it when it is fetched.
    ColdOverwrites,
    /// The tail of a log is replaced without an account of its asynchronous writes.
    TailNotAccounted,
    /// A replica answers reads whatever the age of its rows.
    StaleReplicaRead,
    /// The leader evicts keys from its memory and tells nobody.
    EvictedAlone,
    /// Reads of a synchronous keyspace do not wait for what an asynchronous connection has been answered.
    SyncReadSeesAsyncTail,
    /// The answer of a command that takes what it may wait for is not kept: asked again, it takes something else.
    TakenTwice,
    /// A transaction that stops for a row on disk keeps what it has done, and runs from the start.
    TransactionTorn,
    /// A key that is watched is not seen to change by what goes into the same entry.
    WatchSameEntry,
    /// A leader that loses its role does not take back what it changed in collections.
    UndoForgetsElements,
    /// A collection that becomes large forgets when it expires.
    LargeForgetsExpiry,
    /// A stream takes the id of its last entry for the last that it gave.
    LastIdForgotten,
    /// A follower removes a key that gets another name, and has it under none.
    RenameLosesTarget,
    /// The effects of a turn, also of one transaction, go into entries of several turns.
    EntryInParts,
    /// Replicas that are to go are forgotten before those that stay know durably that they may.
    SettledTooEarly,
    /// The chunks of a value are removed when the lease with which they were uploaded is over.
    LiveCollected,
    /// An upload that was given up is forgotten before its chunks are removed.
    ChunksForgotten,
    /// A learner that is to stay one gets a vote as soon as it has caught up.
    LearnerGetsVote,
    /// A new shard is made of the rows of its parent's checkpoint before the entry that divides it.
    ChildOfOldRows,
    /// A shard that was divided goes on with the slots that are another's.
    ParentGoesOn,
    /// A shard that was divided does not know any more what it has answered for the slots that are another's.
    DividedForgetsAnswers,
    /// A checkpoint leaves rows out that were asked for often.
    CheckpointForgetsRow,
    /// The home log does not hear of a new replica in a further data folder, which counts all the same.
    FurtherAlone,
    /// A replica that was lost with its folder begins anew in another one as the one it was, and votes.
    LostVotesAgain,
}

/// All bugs, with the names by which they are planted.
pub const BUGS: [(&str, Bug); 35] = [
    ("ack-before-sync", Bug::AckBeforeSync),
    ("lease-not-checked", Bug::LeaseNotChecked),
    ("batch-append", Bug::BatchAppend),
    ("reads-not-held", Bug::ReadsNotHeld),
    ("vote-not-persisted", Bug::VoteNotPersisted),
    ("snapshot-before-rows", Bug::SnapshotBeforeRows),
    ("torn-tail-acknowledged", Bug::TornTailAcknowledged),
    ("window-lost", Bug::WindowLost),
    ("stale-frames", Bug::StaleFrames),
    ("exposure-not-enforced", Bug::ExposureNotEnforced),
    ("applied-not-atomic", Bug::AppliedNotAtomic),
    ("clock-extends-lease", Bug::ClockExtendsLease),
    ("cold-overwrites", Bug::ColdOverwrites),
    ("tail-not-accounted", Bug::TailNotAccounted),
    ("stale-replica-read", Bug::StaleReplicaRead),
    ("evicted-alone", Bug::EvictedAlone),
    ("sync-read-sees-async-tail", Bug::SyncReadSeesAsyncTail),
    ("taken-twice", Bug::TakenTwice),
    ("transaction-torn", Bug::TransactionTorn),
    ("watch-same-entry", Bug::WatchSameEntry),
    ("undo-forgets-elements", Bug::UndoForgetsElements),
    ("large-forgets-expiry", Bug::LargeForgetsExpiry),
    ("last-id-forgotten", Bug::LastIdForgotten),
    ("rename-loses-target", Bug::RenameLosesTarget),
    ("entry-in-parts", Bug::EntryInParts),
    ("settled-too-early", Bug::SettledTooEarly),
    ("live-collected", Bug::LiveCollected),
    ("chunks-forgotten", Bug::ChunksForgotten),
    ("learner-gets-vote", Bug::LearnerGetsVote),
    ("child-of-old-rows", Bug::ChildOfOldRows),
    ("parent-goes-on", Bug::ParentGoesOn),
    ("divided-forgets-answers", Bug::DividedForgetsAnswers),
    ("checkpoint-forgets-row", Bug::CheckpointForgetsRow),
    ("further-alone", Bug::FurtherAlone),
    ("lost-votes-again", Bug::LostVotesAgain),
];

#[cfg(feature = "planted")]
static PLANTED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Plants a bug in this process, or none.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(0, |bug| bug as u8), std::sync::atomic::Ordering::Relaxed);
}

/// True if this bug is planted.
#[cfg(feature = "planted")]
#[inline]
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.load(std::sync::atomic::Ordering::Relaxed) == bug as u8
}

/// Always false in this build.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn is_planted(_bug: Bug) -> bool {
    false
}
