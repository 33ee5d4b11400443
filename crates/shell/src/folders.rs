//! Opening the data folders of a node: whose each of them is, which are new, and which are lost.
//!
//! The home folder knows its further folders (`cluster::identity::Further`), and its log knows which replicas are in
//! each. A folder that is gone, empty, or can not be read is lost, and its replicas with it
//! (`recover/places.rs`); the node goes on without. A folder that is there and only not named by whoever starts the
//! node is no loss but a mistake: the start is refused, unless no replica is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::node::folders::DataFolder;
use cluster::identity::{FolderError, FolderId, Found, Further, FurtherFolder, MAX_FOLDERS, Marker};
use cluster::{Folder, Tenure};
use env::{Disk, Rng};
use model::GroupId;
use storage::log::{GroupLog, Log, LogError, LogOptions, Recovery};
use storage::rows::RowStores;

use crate::platform::Platform;
use crate::recover::{self, tenure_of};
use crate::setup::Setup;
use crate::spread::Spread;

/// Log, what it says, and row stores of a folder.
pub(crate) type Contents = (Log, Recovery, Arc<dyn RowStores>);

/// All folders that are used.
pub(crate) struct Folders {
    /// Their logs, that of the home folder first.
    pub logs: Vec<Log>,
    /// What the logs say, in the same order.
    pub found: Vec<recover::Found>,
    /// The row stores of all.
    pub stores: Arc<Spread>,
    /// Their numbers, in the same order.
    pub numbers: Vec<u32>,
    /// Keeps further ones locked.
    pub locked: Vec<FurtherFolder>,
    /// All there should be, for people, the lost ones included.
    pub shown: Vec<DataFolder>,
}

/// Refuses folders that can not go together.
pub(crate) fn check(setup: &Setup) -> Result<(), String> {
    let all: Vec<&PathBuf> = std::iter::once(&setup.dir).chain(&setup.further).collect();
    if all.len() > MAX_FOLDERS {
        return Err(format!("{} data folders; allowed: 1 to {MAX_FOLDERS}", all.len()));
    }
    if let Some((_, path)) = all.iter().enumerate().find(|(at, path)| all[..*at].contains(path)) {
        return Err(format!("data folder {} is given twice", path.display()));
    }
    if setup.start.witness && all.len() > 1 {
        return Err("a witness keeps no data: it has one data folder".to_owned());
    }
    Ok(())
}

/// How further folders are opened.
pub(crate) struct Opening<'a> {
    /// The file system.
    pub disk: &'a Arc<dyn Disk>,
    /// The further folders that whoever starts the node names.
    pub given: &'a [PathBuf],
    /// How their logs are opened.
    pub options: LogOptions,
    /// Ids of new folders, and what is random in logs.
    pub rng: Rng,
}

/// What is to be done with a path.
enum Plan {
    /// A known folder.
    Open(Further, Marker),
    /// An empty place for a new one.
    Make,
}

impl Opening<'_> {
    /// Opens all further folders beside what the home folder has.
    ///
    /// # Errors
    /// In words for a person: the node must not start.
    pub(crate) fn open<P: Platform>(
        mut self,
        home: &mut Folder,
        contents: Contents,
        platform: &mut P,
    ) -> Result<Folders, String> {
        let in_use: BTreeSet<u32> = replicas_elsewhere(&contents.1).into_values().collect();
        let mut lost: Vec<(Further, String)> = Vec::new();
        let plans = self.plan(home, &in_use, &mut lost)?;
        let mut all = Folders {
            logs: vec![contents.0],
            found: vec![recover::Found { folder: 0, recovery: contents.1 }],
            stores: Arc::new(Spread::new(Vec::new())),
            numbers: vec![0],
            locked: Vec::new(),
            shown: vec![shown(0, home.dir(), None)],
        };
        let mut stores = vec![(0, contents.2)];
        for (path, plan) in plans {
            let further = match plan {
                Plan::Make => {
                    let folder = self.make(home, &path)?;
                    (known(&folder), Ok(folder))
                }
                Plan::Open(further, marker) => {
                    let folder = FurtherFolder::open(self.disk, &path, marker);
                    (further, folder)
                }
            };
            match self.contents(further.1, platform)? {
                Ok((folder, (log, recovery, rows))) => {
                    let number = folder.marker().number;
                    all.shown.push(shown(number, &path, None));
                    all.logs.push(log);
                    all.found.push(recover::Found { folder: number, recovery });
                    all.numbers.push(number);
                    all.locked.push(folder);
                    stores.push((number, rows));
                }
                Err(why) => lost.push((further.0, why)),
            }
        }
        for (further, why) in lost {
            let (number, dir) = (further.number, further.path.display());
            tracing::error!(number, %dir, reason = %why, "a data folder is not used: its replicas are lost until it is back");
            all.shown.push(shown(number, &further.path, Some(why)));
        }
        all.shown.sort_by_key(|folder| folder.number);
        all.stores = Arc::new(Spread::new(stores));
        Ok(all)
    }

    /// Compares what is there with what the home folder knows.
    fn plan(
        &self,
        home: &mut Folder,
        in_use: &BTreeSet<u32>,
        lost: &mut Vec<(Further, String)>,
    ) -> Result<Vec<(PathBuf, Plan)>, String> {
        let (mut known, mut plans) = (home.further().to_vec(), Vec::new());
        for path in self.given {
            let at = |further: &&Further| further.path == *path;
            let before = known.iter().find(at).cloned();
            match FurtherFolder::inspect(self.disk, path) {
                Ok(Found::Marked(marker)) => {
                    let further = owned(home, path, &marker)?;
                    known
                        .iter_mut()
                        .filter(|of| of.number == further.number)
                        .for_each(|of| of.path.clone_from(path));
                    plans.push((path.clone(), Plan::Open(further, marker)));
                }
                // Its disk may not be there: a folder made in its place would be on another one.
                Ok(Found::Missing) if before.as_ref().is_some_and(|of| in_use.contains(&of.number)) => {}
                Ok(Found::Missing | Found::Empty) => plans.push((path.clone(), Plan::Make)),
                Err(FolderError::Io { error, .. }) if before.is_some() && is_failure(&error) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        for further in std::mem::take(&mut known) {
            let opened = plans
                .iter()
                .any(|(_, plan)| matches!(plan, Plan::Open(of, _) if of.number == further.number));
            if opened {
                known.push(further);
            } else if in_use.contains(&further.number) {
                lost.push((further.clone(), self.why_lost(&further)?));
                known.push(further);
            } else {
                tracing::info!(number = further.number, dir = %further.path.display(), "a data folder without replicas is not used any more");
            }
        }
        home.set_further(known).map_err(|error| error.to_string())?;
        Ok(plans)
    }

    /// Why a folder with replicas is gone; an error if it is there.
    fn why_lost(&self, further: &Further) -> Result<String, String> {
        match FurtherFolder::inspect(self.disk, &further.path) {
            Ok(Found::Missing) => Ok("it is missing".to_owned()),
            Ok(Found::Marked(marker)) if marker.id == further.id => Err(format!(
                "data folder {} holds replicas of this node: start it with --data-dir {0}; if it is to go, have the \
                 node drained first (everstore node drain)",
                further.path.display()
            )),
            Ok(Found::Empty | Found::Marked(_)) => {
                Ok("it is empty, or another one is in its place".to_owned())
            }
            Err(FolderError::Io { error, .. }) if is_failure(&error) => {
                Ok(format!("it can not be read: {error}"))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Makes a new folder; the home folder knows it first.
    fn make(&mut self, home: &mut Folder, path: &Path) -> Result<FurtherFolder, String> {
        let (Some(cluster), Some(node)) = (home.cluster(), home.node()) else {
            return Err("the data folder has a formation but no cluster".to_owned());
        };
        let mut id = FolderId([0; 16]);
        self.rng.fill(&mut id.0);
        let number = home.next_further();
        let mut all = home.further().to_vec();
        all.push(Further { number, id, path: path.to_owned() });
        home.set_further(all).map_err(|error| error.to_string())?;
        tracing::info!(number, dir = %path.display(), "a new data folder");
        let marker = Marker { cluster, node, number, id, log_started: false };
        FurtherFolder::create(self.disk, path, marker).map_err(|error| error.to_string())
    }

    /// Log and row stores of a folder, or why its disk does not give them.
    #[allow(clippy::type_complexity)]
    fn contents<P: Platform>(
        &mut self,
        folder: Result<FurtherFolder, FolderError>,
        platform: &mut P,
    ) -> Result<Result<(FurtherFolder, Contents), String>, String> {
        let mut folder = match folder {
            Ok(folder) => folder,
            Err(FolderError::Lock(env::LockError::Io { error, path })) if is_failure(&error) => {
                return Ok(Err(format!("{} can not be locked: {error}", path.display())));
            }
            Err(error) => return Err(error.to_string()),
        };
        let options = LogOptions { begun: folder.marker().log_started, ..self.options.clone() };
        let rng = Rng::new(self.rng.next_u64());
        let (log, recovery) = match Log::open(Arc::clone(self.disk), &folder.log_dir(), options, rng) {
            Ok(opened) => opened,
            Err(error) if is_lost(&error) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error.to_string()),
        };
        match folder.log_started() {
            Err(FolderError::Io { error, .. }) if is_failure(&error) => {
                return Ok(Err(format!("it can not be written: {error}")));
            }
            result => result.map_err(|error| error.to_string())?,
        }
        // Rows that can not be read are lost with their log: a part of a folder is not trusted.
        match platform.open_rows(&folder.rows_dir(), 1 + self.given.len()) {
            Ok(rows) => Ok(Ok((folder, (log, recovery, rows)))),
            Err(why) => Ok(Err(why)),
        }
    }
}

/// The folder that a marker is of; an error if it is not one of this node.
fn owned(home: &Folder, path: &Path, marker: &Marker) -> Result<Further, String> {
    let (dir, of) = (path.display(), (Some(marker.cluster), Some(marker.node)));
    if of != (home.cluster(), home.node()) {
        let shown = |id: Option<String>| id.unwrap_or_else(|| "none".to_owned());
        return Err(format!(
            "data folder {dir} belongs to node {} of cluster {}; this is node {} of cluster {}: each node has its own \
             folders, start it with them",
            marker.node,
            marker.cluster,
            shown(home.node().map(|node| node.to_string())),
            shown(home.cluster().map(|cluster| cluster.to_string())),
        ));
    }
    let known =
        home.further().iter().find(|further| further.id == marker.id && further.number == marker.number);
    known.cloned().ok_or_else(|| {
        format!(
            "data folder {dir} was folder {} of this node, which goes on without it: empty it to use it again",
            marker.number
        )
    })
}

fn known(folder: &FurtherFolder) -> Further {
    let marker = folder.marker();
    Further { number: marker.number, id: marker.id, path: folder.dir().to_owned() }
}

fn shown(number: u32, path: &Path, lost: Option<String>) -> DataFolder {
    DataFolder { number, path: path.display().to_string(), lost }
}

/// Groups with a replica in a further folder, and the number of that, as the home log says.
pub(crate) fn replicas_elsewhere(home: &Recovery) -> BTreeMap<GroupId, u32> {
    let folder = |(group, log): (&GroupId, &GroupLog)| match tenure_of(log) {
        Ok(Some(Tenure::Elsewhere { folder, .. })) => Some((*group, folder)),
        _ => None,
    };
    home.groups.iter().filter_map(folder).collect()
}

/// Whether a log is lost, and not only unusable for this start.
pub(crate) fn is_lost(error: &LogError) -> bool {
    match error {
        LogError::Damaged { .. } => true,
        LogError::Io { error, .. } => is_failure(error),
        _ => false,
    }
}

/// Whether an error speaks of the disk, and not of the rights or the options of this start.
pub(crate) fn is_failure(error: &io::Error) -> bool {
    use io::ErrorKind::{
        AlreadyExists, Interrupted, InvalidInput, OutOfMemory, PermissionDenied, StorageFull,
    };
    let others = [AlreadyExists, Interrupted, InvalidInput, OutOfMemory, PermissionDenied, StorageFull];
    !others.contains(&error.kind())
}
