//! The world outside: clock, randomness, threads and the disk, real and simulated.
//!
//! Only this crate touches the operating system, so that the code above it can run under a seeded,
//! simulated world. All `unsafe` of the workspace lives here, in [`sys`], [`allocator`] and [`AlignedBuf`].

// Reason: this is the one crate that is allowed to use what clippy forbids everywhere else.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod aligned;
mod allocator;
pub mod clock;
pub mod disk;
mod mem_disk;
mod real_disk;
mod rng;
mod sys;
pub mod thread;

pub use aligned::AlignedBuf;
pub use allocator::is_sparse;
pub use clock::{Clock, ManualClock, RealClock};
pub use disk::{Disk, DiskFile, DiskLock, LockError, Open};
pub use mem_disk::{MemDisk, Op};
pub use real_disk::RealDisk;
pub use rng::Rng;
pub use sys::{end_with_reader, os_random, raise_open_files};
pub use thread::spawn;

/// Alignment in bytes that direct I/O needs of offsets, lengths and buffers.
pub const DIRECT_ALIGN: usize = 4096;
