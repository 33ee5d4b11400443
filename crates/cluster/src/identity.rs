//! Who a node is: cluster, node id, incarnation and secret, kept in its data folder.

mod error;
mod folder;
mod further;
mod node_toml;
mod start;
#[cfg(test)]
mod tests;

use crate::hex;
use std::fmt;

pub use error::FolderError;
pub use folder::Folder;
pub use further::{FolderId, Found, Further, FurtherFolder, MAX_FOLDERS, Marker};
pub use start::{MAX_REPLICAS, MAX_SHARDS, Start};

/// A cluster: random, made at bootstrap, never changes. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u128);

impl ClusterId {
    /// The cluster with this name of 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<ClusterId> {
        hex::decode(text).map(|bytes| ClusterId(u128::from_be_bytes(bytes)))
    }

    /// Seed of [`model::KeyHasher`]: the same on all nodes, for ever.
    pub fn hash_seed(self) -> u64 {
        (self.0 >> 64) as u64 ^ self.0 as u64
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}

/// What all nodes of a cluster know and nobody else. Never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// The secret with these bytes.
    pub fn new(bytes: [u8; 32]) -> Secret {
        Secret(bytes)
    }

    /// The secret of 64 hexadecimal digits; space around them is ignored.
    ///
    /// # Errors
    /// A text that says what is allowed and does not repeat what was given.
    pub fn parse(text: &str) -> Result<Secret, String> {
        let wrong = || "not a cluster secret; allowed: 64 hexadecimal digits".to_owned();
        hex::decode(text.trim()).map(Secret).ok_or_else(wrong)
    }

    /// As 64 hexadecimal digits, for the file `secret` and nothing else.
    pub fn to_hex(&self) -> String {
        hex::encode(&self.0)
    }

    /// The key of the message authentication codes.
    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
