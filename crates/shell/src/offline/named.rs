//! The data folders that a command names, in any order: home folders, and further ones that are not where they were last.

use super::Offline;
use cluster::Folder;
use cluster::identity::{Further, FurtherFolder, Marker};
use env::Disk;
use std::path::PathBuf;
use std::sync::Arc;

/// Folders by what they are.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// Home folders, or what else is no further one: opening them says what is wrong.
    pub(crate) homes: Vec<PathBuf>,
    further: Vec<(PathBuf, Marker)>,
}

impl Named {
    /// Looks at each.
    ///
    /// # Errors
    /// In words for a person: two folders that are the same, or one that can not be read.
    pub(crate) fn sort(disk: &Arc<dyn Disk>, dirs: &[PathBuf]) -> Result<Named, String> {
        let mut named = Named::default();
        for dir in dirs {
            match FurtherFolder::marker_in(disk, dir).map_err(|error| error.to_string())? {
                None => named.homes.push(dir.clone()),
                Some(marker) => {
                    let same = |(_, other): &&(PathBuf, Marker)| other.id == marker.id;
                    if let Some((other, _)) = named.further.iter().find(same) {
                        let (other, dir) = (other.display(), dir.display());
                        return Err(format!(
                            "{other} and {dir} are copies of one data folder: name one of them"
                        ));
                    }
                    named.further.push((dir.clone(), marker));
                }
            }
        }
        Ok(named)
    }

    /// Where a further folder of a node is: as named, else where it was last.
    pub(super) fn path_of(&self, home: &Folder, known: &Further) -> PathBuf {
        let is_it = |marker: &Marker| marker.id == known.id && is_of(marker, home);
        let named = self.further.iter().find(|(_, marker)| is_it(marker));
        named.map_or_else(|| known.path.clone(), |(path, _)| path.clone())
    }

    /// Refuses further folders whose node is none of these, or does not know them any more.
    ///
    /// # Errors
    /// In words for a person: which one.
    pub(crate) fn check_owned(&self, nodes: &[Offline]) -> Result<(), String> {
        for (path, marker) in &self.further {
            let (path, node, number) = (path.display(), marker.node, marker.number);
            let Some(owner) = nodes.iter().find(|owner| is_of(marker, &owner.home)) else {
                return Err(format!(
                    "{path} is the data folder {number} of node {node} of cluster {}: name also the home folder of that node",
                    marker.cluster
                ));
            };
            if !owner.home.further().iter().any(|known| known.id == marker.id) {
                return Err(format!(
                    "{path} was the data folder {number} of node {node}, which goes on without it: nothing in it counts"
                ));
            }
        }
        Ok(())
    }
}

fn is_of(marker: &Marker, home: &Folder) -> bool {
    (Some(marker.cluster), Some(marker.node)) == (home.cluster(), home.node())
}
