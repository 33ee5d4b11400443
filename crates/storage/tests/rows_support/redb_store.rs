//! The oracle of the model test: the same face over redb.

use std::path::Path;
use std::sync::Arc;

use everstore_storage::rows::{Order, RowBatch, RowError, RowIter, RowRange, RowStore, RowView, Verified};
use redb::{Database, ReadTransaction, ReadableDatabase, TableDefinition};

const ROWS: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("rows");

/// One redb file as a row store.
pub struct RedbStore {
    database: Arc<Database>,
}

impl RedbStore {
    /// Opens or makes the file.
    pub fn open(file: &Path) -> RedbStore {
        let database = Database::create(file).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(ROWS).unwrap();
        write.commit().unwrap();
        RedbStore { database: Arc::new(database) }
    }

    fn view(&self) -> RedbView {
        RedbView { read: self.database.begin_read().unwrap() }
    }
}

impl RowView for RedbStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        self.view().get(key)
    }

    fn range(&self, range: RowRange<'_>, order: Order) -> Result<RowIter, RowError> {
        self.view().range(range, order)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<u64, RowError> {
        self.view().for_each(visit)
    }
}

impl RowStore for RedbStore {
    fn id(&self) -> u64 {
        1
    }

    fn snapshot(&self) -> Result<Box<dyn RowView>, RowError> {
        Ok(Box::new(self.view()))
    }

    fn ingest(&self, rows: RowBatch<'_>) -> Result<u64, RowError> {
        let write = self.database.begin_write().unwrap();
        let mut count = 0;
        {
            let mut table = write.open_table(ROWS).unwrap();
            for (key, value) in rows {
                match value {
                    Some(value) => table.insert(&key[..], &value[..]).unwrap(),
                    None => table.remove(&key[..]).unwrap(),
                };
                count += 1;
            }
        }
        write.commit().unwrap();
        Ok(count)
    }

    fn verify(&self, _from: u64) -> Result<Verified, RowError> {
        Ok(Verified::default())
    }

    fn bytes_on_disk(&self) -> u64 {
        0
    }

    fn maintain(&self) -> Result<bool, RowError> {
        Ok(false)
    }

    fn destroy(&self) -> Result<(), RowError> {
        Ok(())
    }
}

struct RedbView {
    read: ReadTransaction,
}

impl RowView for RedbView {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        let table = self.read.open_table(ROWS).unwrap();
        Ok(table.get(key).unwrap().map(|value| value.value().to_vec()))
    }

    fn range(&self, range: RowRange<'_>, order: Order) -> Result<RowIter, RowError> {
        if range.is_empty() {
            return Ok(Box::new(std::iter::empty()));
        }
        let table = self.read.open_table(ROWS).unwrap();
        let rows = match range.to {
            Some(to) => table.range::<&[u8]>(range.from..to),
            None => table.range::<&[u8]>(range.from..),
        };
        let copy = rows.unwrap().map(|row| {
            let (key, value) = row.unwrap();
            Ok((key.value().to_vec(), value.value().to_vec()))
        });
        let mut rows: Vec<_> = copy.collect();
        if order == Order::Descending {
            rows.reverse();
        }
        Ok(Box::new(rows.into_iter()))
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<u64, RowError> {
        let mut count = 0;
        for row in self.range(RowRange::ALL, Order::Ascending)? {
            let (key, value) = row?;
            visit(&key, &value);
            count += 1;
        }
        Ok(count)
    }
}
