//! A whole cluster under a seeded, hostile world: the same shells, cores and logs as in the program, in
//! one thread, with a virtual clock, network and disk that a seed controls.
//!
//! [`run::run`] runs one seed. What goes wrong is in [`faults`], what clients do in [`clients`], what is
//! checked meanwhile in [`watch`], and what is checked of their histories in crate `check`.

pub mod clients;
#[cfg(test)]
mod cut_splits;
pub mod disks;
pub mod faults;
mod majority;
mod members;
pub mod net;
pub mod plan;
pub mod platform;
pub mod process;
pub mod run;
pub mod time;
mod timeline;
#[cfg(test)]
mod too_old;
pub mod trace;
pub mod violation;
pub mod watch;
mod witness;
pub mod world;

pub use plan::{Options, Plan};
pub use run::{Outcome, run, shorten};
pub use violation::Violation;
