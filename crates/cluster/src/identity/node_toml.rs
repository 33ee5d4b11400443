//! The file `node.toml`: what a node must remember of itself and of its peers.
//!
//! Text, so that a person can read it; its last line is a checksum, so that a changed digit of an
//! incarnation or an id is noticed (safety rule 2).

use super::{ClusterId, FolderError, FolderId, Further};
use crate::formation::Formation;
use crate::hex;
use crate::peer::{Addresses, Boot, JoinToken, Peer};
use model::NodeId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// Format of `node.toml`.
pub(super) const FORMAT: i64 = 1;
/// Largest `node.toml` in bytes: [`crate::peer::MAX_MEMBERS`] peers fit.
pub(super) const MAX_NODE_TOML: usize = 2 * 1024 * 1024;

const HEAD: &str = "# Identity of an Everstore node, written by the program. A changed file is refused.\n";
pub(super) const CHECK: &str = "# check ";
const _: () = assert!(crate::peer::MAX_MEMBERS * (4 * crate::peer::MAX_ADDRESS + 256) < MAX_NODE_TOML);

/// What is remembered.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Record {
    pub(super) cluster: Option<ClusterId>,
    pub(super) node: Option<NodeId>,
    pub(super) incarnation: u64,
    pub(super) boot: Boot,
    pub(super) token: JoinToken,
    pub(super) log_started: bool,
    /// It votes, and keeps no data.
    pub(super) witness: bool,
    /// How it was found out that the folder is older than what its node promised.
    pub(super) outdated: Option<String>,
    /// On the node that was bootstrapped: replicas and shards the cluster is to have.
    pub(super) wish: Option<(u32, u16)>,
    pub(super) formation: Option<Formation>,
    /// Other members in the order of their ids.
    pub(super) peers: BTreeMap<NodeId, Known>,
    /// The highest number that a further data folder ever had; 0 if there was none.
    pub(super) folders_made: u32,
    /// Further data folders in the order of their numbers.
    pub(super) further: Vec<Further>,
}

/// Another member.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Known {
    pub(super) peer: Peer,
    /// With which it asked for its id; only on the node that gave the id.
    pub(super) token: Option<JoinToken>,
    /// It asked for its id as a witness; only where the token is.
    pub(super) witness: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<u64>,
    incarnation: u64,
    boot: String,
    join_token: String,
    log_started: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    witness: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    outdated: Option<String>,
    /// Like the tables `folder`: a program that does not know it refuses the file.
    #[serde(default, skip_serializing_if = "is_none_made")]
    folders_made: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    forming: Option<Wish>,
    #[serde(skip_serializing_if = "Option::is_none")]
    formation: Option<FormationTable>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    folder: Vec<FolderTable>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    peer: Vec<PeerTable>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FolderTable {
    number: u32,
    id: String,
    path: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    replicas: u32,
    shards: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormationTable {
    replicas: u32,
    shards: u16,
    members: Vec<u64>,
    /// A program that does not know it must not open the folder: it refuses the file.
    #[serde(default, skip_serializing_if = "is_zero")]
    incarnation: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    before: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    witness: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference over
fn is_none_made(number: &u32) -> bool {
    *number == 0
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerTable {
    node: u64,
    redis: String,
    peer: String,
    admin: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    cluster: String,
    incarnation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    witness: bool,
}

impl Record {
    /// The whole file.
    pub(super) fn encode(&self) -> String {
        let file = File {
            format: FORMAT,
            cluster: self.cluster.map(|id| id.to_string()),
            node: self.node.map(|node| node.0),
            incarnation: self.incarnation,
            boot: self.boot.to_string(),
            join_token: self.token.to_string(),
            log_started: self.log_started,
            witness: self.witness,
            outdated: self.outdated.clone(),
            forming: self.wish.map(|(replicas, shards)| Wish { replicas, shards }),
            formation: self.formation.as_ref().map(|formation| FormationTable {
                replicas: formation.replicas,
                shards: formation.shards,
                members: formation.members.iter().map(|node| node.0).collect(),
                incarnation: formation.incarnation,
                before: formation.before.0,
                witness: formation.witness.unwrap_or_default().0,
            }),
            folders_made: self.folders_made,
            folder: self.further.iter().map(folder_table).collect(),
            peer: self.peers.values().map(peer_table).collect(),
        };
        let body = toml::to_string(&file).expect("numbers, strings and lists of them have a form in TOML");
        let text = format!("{HEAD}{body}");
        let check = checksum(&text);
        format!("{text}{CHECK}{check}\n")
    }

    /// Reads the file `path` with this content.
    pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Record, FolderError> {
        let damaged = |why: String| FolderError::Damaged { path: path.to_owned(), why };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("not UTF-8".into()))?;
        // The format first: another one may have another checksum.
        if let Some(found) = text.parse::<toml::Table>().ok().and_then(|t| t.get("format")?.as_integer())
            && found != FORMAT
        {
            return Err(FolderError::Format { path: path.to_owned(), found, known: FORMAT });
        }
        let (body, check) = text.rsplit_once(CHECK).ok_or_else(|| damaged("no checksum line".into()))?;
        if check.trim_end_matches('\n') != checksum(body) {
            return Err(damaged("the checksum in its last line does not fit".into()));
        }
        let file: File = toml::from_str(body).map_err(|error| damaged(error.message().to_owned()))?;
        file.record().ok_or_else(|| damaged("an id is not what it must be".into()))
    }
}

impl File {
    fn record(self) -> Option<Record> {
        let mut peers = BTreeMap::new();
        for table in self.peer {
            let known = table.known()?;
            peers.insert(known.peer.node, known);
        }
        Some(Record {
            cluster: self.cluster.map(|id| ClusterId::parse(&id).ok_or(())).transpose().ok()?,
            node: self.node.map(NodeId),
            incarnation: self.incarnation,
            boot: Boot::parse(&self.boot)?,
            token: JoinToken::parse(&self.join_token)?,
            log_started: self.log_started,
            witness: self.witness,
            outdated: self.outdated,
            wish: self.forming.map(|wish| (wish.replicas, wish.shards)),
            formation: self.formation.map(|table| Formation {
                replicas: table.replicas,
                shards: table.shards,
                members: table.members.into_iter().map(NodeId).collect(),
                incarnation: table.incarnation,
                before: NodeId(table.before),
                witness: Some(NodeId(table.witness)).filter(|node| node.0 != 0),
            }),
            peers,
            folders_made: self.folders_made,
            further: self.folder.into_iter().map(FolderTable::further).collect::<Option<_>>()?,
        })
    }
}

impl FolderTable {
    fn further(self) -> Option<Further> {
        let id = FolderId(hex::decode(&self.id)?);
        Some(Further { number: self.number, id, path: self.path.into() })
    }
}

fn folder_table(further: &Further) -> FolderTable {
    let Further { number, id, path } = further;
    FolderTable { number: *number, id: id.to_string(), path: path.to_string_lossy().into_owned() }
}

impl PeerTable {
    fn known(self) -> Option<Known> {
        let PeerTable { redis, peer, admin, cluster, .. } = self;
        let addresses = Addresses { redis, peer, admin, cluster };
        let boot = self.boot.map(|boot| Boot::parse(&boot).ok_or(())).transpose().ok()?;
        let token = self.token.map(|token| JoinToken::parse(&token).ok_or(())).transpose().ok()?;
        let peer = Peer { node: NodeId(self.node), addresses, incarnation: self.incarnation, boot };
        Some(Known { peer, token, witness: self.witness })
    }
}

fn peer_table(known: &Known) -> PeerTable {
    let Peer { node, addresses, incarnation, boot } = &known.peer;
    PeerTable {
        node: node.0,
        redis: addresses.redis.clone(),
        peer: addresses.peer.clone(),
        admin: addresses.admin.clone(),
        cluster: addresses.cluster.clone(),
        incarnation: *incarnation,
        boot: boot.map(|boot| boot.to_string()),
        token: known.token.map(|token| token.to_string()),
        witness: known.witness,
    }
}

/// First 16 bytes of SHA-256, in hexadecimal.
pub(super) fn checksum(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}
