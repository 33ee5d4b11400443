//! One replica of one Raft group: our glue around crate `raft`, which is a pure state machine.
//!
//! The glue adds what the library leaves to its user and what it gets wrong for us: the vote
//! promise, our own lease, election timing that a seed replays, completion of Readys in the order
//! in which the log made them durable, and the refusal of messages that would make the library
//! panic or forward proposals. The rules are those of the safety page; each is named where it is kept.
//!
//! The crate is pure: time comes in as [`model::Now`], randomness as a seed, and whatever must be
//! written or sent goes out through [`Output`]. It knows no commands: entries are opaque bytes.
//!
//! A turn of the caller is: [`Group::persisted`] for what the log finished, [`Group::step`] for what
//! peers sent, [`Group::tick`], [`Group::propose`], and at the end [`Group::ready`].

mod admit;
mod config;
mod election;
mod group;
mod inspect;
mod lease;
mod logger;
mod members;
mod output;
mod promise;
mod propose;
mod ready;
mod rebuild;
mod replaced;
mod rng;
mod tail;
mod transfer;
pub mod wire;
mod witness;

pub use admit::{Dropped, Step};
pub use config::{GroupConfig, GroupError, Recovered};
pub use group::Group;
pub use inspect::PeerView;
pub use lease::RoundId;
pub use members::change::{entry_kind, entry_payload, set_entry_kind};
pub use members::{MemberStep, MembersRefused};
pub use output::{Install, Output, Persist, ReadDone, SendSnapshot, SoftChange};
pub use promise::Promise;
pub use propose::Refused;
pub use raft::StateRole as Role;
pub use raft::eraftpb::{ConfState, Entry, HardState, Message, MessageType};
pub use transfer::TransferRefused;
pub use witness::is_metadata;
