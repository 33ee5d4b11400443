//! The control plane: members, cluster map, node health, and the status that is made of them.
//!
//! Pure state machines, bytes in and bytes out; only the data folder's identity touches the disk,
//! through [`env::Disk`].

pub mod formation;
pub mod handshake;
pub mod health;
pub mod heartbeat;
mod hex;
pub mod identity;
pub mod map;
pub mod members;
pub mod peer;
pub mod placement;
pub mod status;

pub use formation::{Admission, Formation, Forming, Joiner};
pub use handshake::{
    Established, Gate, Handshake, Known, Local, News, Progress, Purpose, Refusal, State, Verdict,
};
pub use health::{DiskJudge, Fitness, Health, PeerHealth};
pub use heartbeat::{DiskBeat, GroupBeat, Heartbeat, NodeReport};
pub use identity::{ClusterId, Folder, FolderError, Secret, Start};
pub use map::{ClusterMap, KeyspaceLayout, Member, Placement, ReplicaSet, Seat, ShardInfo, ShardLayout};
pub use members::{MEMBERS_ROW, Members, Tenure};
pub use peer::{Addresses, Boot, JoinToken, Peer};
pub use placement::{Placed, Site, Standing, explain, place, place_with_witnesses};
