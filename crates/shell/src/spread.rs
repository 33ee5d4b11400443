//! The row stores of all data folders as one: a tree's id says which folder it is in.

use node::logs::{folder_of, tree_in};
use std::sync::Arc;
use storage::rows::{RowError, RowStore, RowStores, RowUsage};

/// Row stores by the number of their folder.
pub(crate) struct Spread(Vec<(u32, Arc<dyn RowStores>)>);

impl Spread {
    /// These, that of the home folder (0) first.
    pub(crate) fn new(stores: Vec<(u32, Arc<dyn RowStores>)>) -> Spread {
        Spread(stores)
    }

    /// The first free id within each of these folders.
    pub(crate) fn next_ids(&self, folders: &[u32]) -> Vec<(u32, u64)> {
        let next = |folder: &u32| (*folder, self.stores(*folder).map_or(1, RowStores::next_id));
        folders.iter().map(next).collect()
    }

    fn stores(&self, folder: u32) -> Option<&dyn RowStores> {
        self.0.iter().find(|(number, _)| *number == folder).map(|(_, stores)| &**stores)
    }

    fn of(&self, tree: u64) -> Result<(&dyn RowStores, u64), RowError> {
        let (folder, id) = folder_of(tree);
        let stores = self.stores(folder);
        let gone = || RowError::Manifest(format!("tree {id} is in data folder {folder}, which is not used"));
        stores.map(|stores| (stores, id)).ok_or_else(gone)
    }
}

impl RowStores for Spread {
    fn open(&self, tree: u64) -> Result<Arc<dyn RowStore>, RowError> {
        let (stores, id) = self.of(tree)?;
        stores.open(id)
    }

    fn list(&self) -> Vec<u64> {
        let trees = |(folder, stores): &(u32, Arc<dyn RowStores>)| {
            let folder = *folder;
            stores.list().into_iter().map(move |id| tree_in(folder, id)).collect::<Vec<_>>()
        };
        let mut all: Vec<u64> = self.0.iter().flat_map(trees).collect();
        all.sort_unstable();
        all
    }

    fn usage(&self) -> RowUsage {
        let mut sum = RowUsage::default();
        for usage in self.0.iter().map(|(_, stores)| stores.usage()) {
            sum.cache += usage.cache;
            sum.tables += usage.tables;
            sum.ingested += usage.ingested;
            sum.compacted += usage.compacted;
        }
        sum
    }

    /// Of the home folder.
    fn next_id(&self) -> u64 {
        self.stores(0).map_or(1, RowStores::next_id)
    }

    fn destroy(&self, tree: u64) -> Result<(), RowError> {
        let (stores, id) = self.of(tree)?;
        stores.destroy(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::rows::memory::MemoryStores;

    #[test]
    fn each_tree_is_in_the_folder_that_its_id_names() {
        let (home, further) = (MemoryStores::new(), MemoryStores::new());
        let spread = Spread::new(vec![
            (0, Arc::new(home.clone()) as Arc<dyn RowStores>),
            (3, Arc::new(further.clone())),
        ]);
        let put = |tree: u64| {
            let row = (b"k".to_vec(), Some(tree.to_be_bytes().to_vec()));
            spread.open(tree).unwrap().ingest(&mut [row].into_iter()).unwrap();
        };
        [5, tree_in(3, 5)].into_iter().for_each(put);
        assert_eq!((home.list(), further.list()), (vec![5], vec![5]));
        assert_eq!(spread.list(), [5, tree_in(3, 5)]);
        let read = |tree: u64| spread.open(tree).unwrap().get(b"k").unwrap().unwrap();
        assert_eq!(read(tree_in(3, 5)), tree_in(3, 5).to_be_bytes());
        spread.destroy(tree_in(3, 5)).unwrap();
        assert_eq!((home.list(), further.list()), (vec![5], vec![]));
        assert_eq!(spread.next_ids(&[0, 3]), [(0, 6), (3, 6)]);
        assert!(spread.open(tree_in(4, 1)).is_err(), "no such folder");
    }
}
