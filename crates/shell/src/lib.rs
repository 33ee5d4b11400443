//! The shell of a node: it moves bytes between sockets, disks and the core, which does the rest.
//!
//! [`Shell`] is one process of the cluster without its operating system: connections, handshakes,
//! forming, recovery and the work of the disk pool. What is left to the operating system is the trait
//! [`Platform`]; the program has a real one, the simulator one that a seed controls, so both run the
//! same shell. Invariant: no decision about data, replication or routing is made here.

mod clients;
mod dialer;
pub mod disk_pool;
mod ending;
mod folders;
mod heard;
mod holders;
mod link;
mod links;
mod log_mode;
mod losses;
mod membership;
mod node;
pub mod offline;
pub mod platform;
pub mod recover;
pub mod salvage;
mod setup;
mod shell;
mod slab;
mod split;
mod spread;
pub mod survivors;

pub use ending::Ending;
pub use log_mode::LogMode;
pub use losses::LossFolder;
pub use node::Node;
pub use platform::{Disks, Opened, Platform, Ready, Stream};
pub use setup::Setup;
pub use shell::{MAX_READ_BYTES, Port, Shell, Stop, UPKEEP_NS};
