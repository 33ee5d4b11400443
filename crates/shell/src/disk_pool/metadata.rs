//! The rows of a tree that a witness needs: up to where entries were applied, and who votes.

use cluster::MEMBERS_ROW;
use shard::checkpoint::{applied_name, own_name};
use storage::rows::{Order, RowError, RowIter, RowRange, RowView};

/// Name and content.
type Row = (Vec<u8>, Vec<u8>);

/// A view that shows nothing else.
pub(super) struct MetadataOnly(pub(super) Box<dyn RowView>);

impl MetadataOnly {
    fn rows(&self) -> Result<Vec<Row>, RowError> {
        let mut names = [applied_name(), own_name(MEMBERS_ROW)];
        names.sort_unstable();
        let mut rows = Vec::new();
        for name in names {
            rows.extend(self.0.get(&name)?.map(|content| (name, content)));
        }
        Ok(rows)
    }
}

impl RowView for MetadataOnly {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        Ok(self.rows()?.into_iter().find(|(name, _)| name == key).map(|(_, content)| content))
    }

    fn range(&self, range: RowRange<'_>, order: Order) -> Result<RowIter, RowError> {
        let mut rows = self.rows()?;
        rows.retain(|(name, _)| &name[..] >= range.from && range.to.is_none_or(|to| &name[..] < to));
        if order == Order::Descending {
            rows.reverse();
        }
        Ok(Box::new(rows.into_iter().map(Ok)))
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<u64, RowError> {
        let rows = self.rows()?;
        rows.iter().for_each(|(name, content)| visit(name, content));
        Ok(rows.len() as u64)
    }
}
