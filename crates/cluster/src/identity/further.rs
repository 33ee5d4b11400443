//! Further data folders of a node: each has a log and row stores for some of its shards, on a disk of its own.
//!
//! The home folder knows them all by number and id (`node.toml`); each has a file of its own, `folder.toml`, that
//! says whose it is. So a folder of another node is refused, and one that is gone is noticed.

use super::node_toml::{CHECK, checksum};
use super::start::{LOCK, LOG, NODE_TOML, ROWS, read, write};
use super::{ClusterId, FolderError};
use crate::hex;
use env::{Disk, DiskLock};
use model::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most data folders of a node, the home folder included.
pub const MAX_FOLDERS: usize = 16;

const FOLDER_TOML: &str = "folder.toml";
const FORMAT: i64 = 1;
const MAX_FOLDER_TOML: usize = 4096;
const HEAD: &str =
    "# A further data folder of an Everstore node, written by the program. A changed file is refused.\n";
/// What an empty folder may hold: what a start that was cut off has left, and what file systems make.
const LEFTOVERS: [&str; 3] = [LOCK, "folder.toml.tmp", "lost+found"];

/// Tells a folder from all others, also from one that had its number before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FolderId(pub [u8; 16]);

impl fmt::Display for FolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for FolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FolderId({self})")
    }
}

/// A further folder as the home folder knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Further {
    /// Its number, from 1; never used again.
    pub number: u32,
    /// Its id.
    pub id: FolderId,
    /// Where it was last.
    pub path: PathBuf,
}

/// What a further folder says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Marker {
    /// Cluster of its node.
    pub cluster: ClusterId,
    /// Its node.
    pub node: NodeId,
    /// Its number there.
    pub number: u32,
    /// Its id.
    pub id: FolderId,
    /// Its log had a durable byte: from then on it is never taken for an empty one.
    pub log_started: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: i64,
    cluster: String,
    node: u64,
    number: u32,
    id: String,
    log_started: bool,
}

impl Marker {
    fn encode(&self) -> String {
        let file = File {
            format: FORMAT,
            cluster: self.cluster.to_string(),
            node: self.node.0,
            number: self.number,
            id: self.id.to_string(),
            log_started: self.log_started,
        };
        let body = toml::to_string(&file).expect("numbers and strings have a form in TOML");
        let text = format!("{HEAD}{body}");
        let check = checksum(&text);
        format!("{text}{CHECK}{check}\n")
    }

    fn decode(path: &Path, bytes: &[u8]) -> Result<Marker, FolderError> {
        let damaged = |why: &str| FolderError::Damaged { path: path.to_owned(), why: why.to_owned() };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("not UTF-8"))?;
        let format = text.parse::<toml::Table>().ok().and_then(|table| table.get("format")?.as_integer());
        if let Some(found) = format.filter(|found| *found != FORMAT) {
            return Err(FolderError::Format { path: path.to_owned(), found, known: FORMAT });
        }
        let (body, check) = text.rsplit_once(CHECK).ok_or_else(|| damaged("no checksum line"))?;
        if check.trim_end_matches('\n') != checksum(body) {
            return Err(damaged("the checksum in its last line does not fit"));
        }
        let file: File = toml::from_str(body).map_err(|error| damaged(error.message()))?;
        let ids = ClusterId::parse(&file.cluster).zip(hex::decode(&file.id).map(FolderId));
        let (cluster, id) = ids.ok_or_else(|| damaged("an id is not what it must be"))?;
        let File { node, number, log_started, .. } = file;
        Ok(Marker { cluster, node: NodeId(node), number, id, log_started })
    }
}

/// What is found where a further folder should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// No folder.
    Missing,
    /// Nothing of ours, and nothing of others.
    Empty,
    /// A further folder of a node.
    Marked(Marker),
}

/// An open further folder; locked until dropped.
pub struct FurtherFolder {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    marker: Marker,
    _lock: Box<dyn DiskLock>,
}

impl FurtherFolder {
    /// Looks at a folder and changes nothing.
    ///
    /// # Errors
    /// It is a home folder, or holds something else; [`FolderError::Io`].
    pub fn inspect(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Found, FolderError> {
        let fail = |doing, error| FolderError::Io { doing, path: dir.to_owned(), error };
        if !disk.exists(dir).map_err(|error| fail("look for", error))? {
            return Ok(Found::Missing);
        }
        if let Some(marker) = FurtherFolder::marker_in(disk, dir)? {
            return Ok(Found::Marked(marker));
        }
        let names = disk.list(dir).map_err(|error| fail("list", error))?;
        if names.iter().any(|name| name == NODE_TOML) {
            return Err(further(dir, "it is the home folder of a node; a further folder begins empty"));
        }
        match names.into_iter().find(|name| !LEFTOVERS.contains(&name.as_str())) {
            None => Ok(Found::Empty),
            Some(found) => {
                let why = format!(
                    "it has no folder.toml but is not empty (it holds {found:?}); a further folder begins empty"
                );
                Err(further(dir, &why))
            }
        }
    }

    /// What a folder says of itself, if it is a further one.
    ///
    /// # Errors
    /// Its `folder.toml` can not be read, or is not what was written.
    pub fn marker_in(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Option<Marker>, FolderError> {
        let path = dir.join(FOLDER_TOML);
        let bytes = read(disk, &path, MAX_FOLDER_TOML)?;
        bytes.map(|bytes| Marker::decode(&path, &bytes)).transpose()
    }

    /// Locks a folder that is there.
    ///
    /// # Errors
    /// [`FolderError::Lock`].
    pub fn open(disk: &Arc<dyn Disk>, dir: &Path, marker: Marker) -> Result<FurtherFolder, FolderError> {
        let lock = disk.lock(&dir.join(LOCK))?;
        Ok(FurtherFolder { disk: Arc::clone(disk), dir: dir.to_owned(), marker, _lock: lock })
    }

    /// Makes an empty folder one of a node. The home folder knows it already.
    ///
    /// # Errors
    /// [`FolderError::Lock`], [`FolderError::Io`].
    pub fn create(disk: &Arc<dyn Disk>, dir: &Path, marker: Marker) -> Result<FurtherFolder, FolderError> {
        let fail = |error| FolderError::Io { doing: "create", path: dir.to_owned(), error };
        disk.create_dir_all(dir).map_err(fail)?;
        let folder = FurtherFolder::open(disk, dir, marker)?;
        write(disk, &dir.join(FOLDER_TOML), folder.marker.encode().as_bytes())?;
        Ok(folder)
    }

    /// What it says of itself.
    pub fn marker(&self) -> &Marker {
        &self.marker
    }

    /// To be called when its log has its first durable byte.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn log_started(&mut self) -> Result<(), FolderError> {
        if !self.marker.log_started {
            let next = Marker { log_started: true, ..self.marker.clone() };
            write(&self.disk, &self.dir.join(FOLDER_TOML), next.encode().as_bytes())?;
            self.marker = next;
        }
        Ok(())
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Folder of its log.
    pub fn log_dir(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// Folder of its row stores.
    pub fn rows_dir(&self) -> PathBuf {
        self.dir.join(ROWS)
    }
}

/// An error about a further folder.
pub(super) fn further(path: &Path, why: &str) -> FolderError {
    FolderError::Further { path: path.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use env::{MemDisk, Open};

    fn marker() -> Marker {
        Marker {
            cluster: ClusterId(7),
            node: NodeId(2),
            number: 1,
            id: FolderId([9; 16]),
            log_started: false,
        }
    }

    #[test]
    fn a_folder_says_whose_it_is_and_a_changed_word_is_noticed() {
        let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
        let dir = Path::new("/further");
        assert_eq!(FurtherFolder::inspect(&disk, dir).unwrap(), Found::Missing);
        disk.create_dir_all(&dir.join("lost+found")).unwrap();
        assert_eq!(FurtherFolder::inspect(&disk, dir).unwrap(), Found::Empty);
        let mut folder = FurtherFolder::create(&disk, dir, marker()).unwrap();
        assert_eq!(FurtherFolder::inspect(&disk, dir).unwrap(), Found::Marked(marker()));
        folder.log_started().unwrap();
        let started = Marker { log_started: true, ..marker() };
        assert_eq!(FurtherFolder::inspect(&disk, dir).unwrap(), Found::Marked(started));
        let text = marker().encode().replace("node = 2", "node = 3");
        let error = Marker::decode(dir, text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("was changed by hand"), "{error}");
        let text = marker().encode().replace("format = 1", "format = 2");
        assert!(matches!(Marker::decode(dir, text.as_bytes()), Err(FolderError::Format { found: 2, .. })));
    }

    #[test]
    fn what_is_of_others_is_not_taken() {
        let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
        let refused = |dir: &str, name: &str| {
            disk.create_dir_all(Path::new(dir)).unwrap();
            disk.open(&Path::new(dir).join(name), Open::CREATE).unwrap();
            FurtherFolder::inspect(&disk, Path::new(dir)).unwrap_err().to_string()
        };
        assert!(refused("/a", "photo.jpg").contains("not empty (it holds \"photo.jpg\")"));
        assert!(refused("/b", NODE_TOML).contains("home folder of a node"));
    }
}
