//! Why a data folder was refused, each in one line that says what to do.

use super::ClusterId;
use env::LockError;
use model::NodeId;
use std::io;
use std::path::PathBuf;

/// Why a data folder could not be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process runs on this folder, or the lock file cannot be made.
    #[error("data folder in use: {0}")]
    Lock(#[from] LockError),
    /// The disk failed. What was being written may or may not be there: the node must stop.
    #[error("data folder: cannot {doing} {}: {error}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system answered.
        error: io::Error,
    },
    /// Nothing there, and the start does not say what to make of it.
    #[error("data folder {} is empty: start it with --bootstrap to create a cluster, or with --join \
             PEER-ADDRESS to join one", .0.display())]
    Empty(PathBuf),
    /// Nothing there, where the folder of a node that has run was asked for.
    #[error("{} is no data folder of a node: it has no node.toml", .0.display())]
    NoNode(PathBuf),
    /// Files, but not ours, or the identity is missing.
    #[error("data folder {} has no node.toml but is not empty (it holds {found:?}): it is no data folder, or \
             it lost its identity", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// The first thing found in it.
        found: String,
    },
    /// `node.toml` was made by another version of the program.
    #[error("{} has format {found}; this program reads format {known}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format it says it has.
        found: i64,
        /// The format this program writes.
        known: i64,
    },
    /// `node.toml` or `secret` is not what was written.
    #[error("{} is damaged or was changed by hand: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The log was there once and is not any more (safety rule 2).
    #[error("{} is gone or empty, but node {node} had one: its replicas can not vote again; everstore node replace has them made anew \
             elsewhere", path.display())]
    LostLog {
        /// The folder of the log.
        path: PathBuf,
        /// The node whose log it was.
        node: NodeId,
    },
    /// An earlier start learned that the folder is an old copy (safety rule 2). Those who know may have
    /// forgotten it since.
    #[error("data folder {} is not the newest of its node, an earlier start was told: {why}", path.display())]
    Outdated {
        /// The folder.
        path: PathBuf,
        /// What was told.
        why: String,
    },
    /// The folder belongs to a cluster with another secret than the one given.
    #[error("data folder {} belongs to cluster {cluster}, whose secret is not the one given", path.display())]
    OtherSecret {
        /// The folder.
        path: PathBuf,
        /// Cluster of the folder, or `none yet`.
        cluster: String,
    },
    /// The folder belongs to another cluster or node than the one it is to become.
    #[error(
        "this data folder belongs to node {own_node} of cluster {own}; it can not become node {node} of \
             cluster {cluster}"
    )]
    OtherCluster {
        /// Cluster of the folder.
        own: ClusterId,
        /// Node of the folder.
        own_node: NodeId,
        /// Cluster that was to be joined.
        cluster: ClusterId,
        /// Node it was to become.
        node: NodeId,
    },
    /// The cluster was formed already, in another way.
    #[error("this data folder knows another formation of its cluster: {known} instead of {given}")]
    OtherFormation {
        /// What the folder has.
        known: String,
        /// What it was told.
        given: String,
    },
    /// Joining needs the secret.
    #[error(
        "joining needs the cluster's secret: copy the file 'secret' of a member and name it with \
             --secret-file, or set EVERSTORE_SECRET"
    )]
    NoSecret,
    /// A further data folder that can not be used.
    #[error("data folder {}: {why}", path.display())]
    Further {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An option of the start is not possible.
    #[error("{0}")]
    Start(String),
}
