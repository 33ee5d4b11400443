//! Reading rows that are not in memory. Not in a lane: whoever waits for a row must not wait for a
//! checkpoint of the same group, and a row store may be read while it is written.

use model::row::{self, family};
use node::{FetchJob, JobDone, Read};
use shard::commands::glob;
use shard::machine::{Fetch, KeyList, Wanted};
use storage::rows::{Order, RowError, RowRange, RowStores, RowView};

/// Does a [`FetchJob`].
pub(super) fn run(stores: &dyn RowStores, job: FetchJob) -> JobDone {
    let FetchJob { group, tree, fetch } = job;
    let result = read(stores, tree, &fetch);
    let damaged = matches!(result, Err(RowError::Damaged { .. }));
    let result = result.map_err(|error| error.to_string());
    JobDone::Fetched { group, tree, ticket: fetch.ticket, result, damaged }
}

fn read(stores: &dyn RowStores, tree: u64, fetch: &Fetch) -> Result<Read, RowError> {
    let store = stores.open(tree)?;
    let mut read = Read::default();
    for wanted in &fetch.wanted {
        read_row(&*store, wanted, &mut read)?;
    }
    if let Some(list) = &fetch.list {
        list_keys(&*store, list, &mut read)?;
    }
    Ok(read)
}

/// The one row at a position: by its key if that is known, which a filter answers without the disk.
fn read_row(view: &dyn RowView, wanted: &Wanted, read: &mut Read) -> Result<(), RowError> {
    let &Wanted { ks, generation, position, .. } = wanted;
    if let Some(key) = &wanted.key {
        let name = row::key_name(ks, generation, position, key);
        if let Some(content) = view.get(&name)? {
            let cells = row::is_large(&content).then(|| name.clone());
            read.rows.push((name, content));
            return cells.map_or(Ok(()), |name| read_cells(view, &name, read));
        }
    }
    let head = |position| row::position_name(ks, generation, position);
    let (from, to) = (head(position.0), position.0.checked_add(1).map(head));
    for found in view.range(RowRange { from: &from, to: to.as_deref() }, Order::Ascending)? {
        read.rows.push(found?);
    }
    Ok(())
}

/// The cells of a large collection: their names begin with that of its key.
fn read_cells(view: &dyn RowView, name: &[u8], read: &mut Read) -> Result<(), RowError> {
    for found in view.range(RowRange::starting_at(name), Order::Ascending)? {
        let found = found?;
        if !found.0.starts_with(name) {
            break;
        }
        if found.0.len() > name.len() {
            read.rows.push(found);
        }
    }
    Ok(())
}

/// The keys of a keyspace that match.
fn list_keys(view: &dyn RowView, list: &KeyList, read: &mut Read) -> Result<(), RowError> {
    let from = row::position_name(list.ks, list.generation, 0);
    let head = &from[..from.len() - 8];
    for found in view.range(RowRange::starting_at(&from), Order::Ascending)? {
        let (name, content) = found?;
        if !name.starts_with(head) || name.first() != Some(&family::KEY) {
            break;
        }
        // A row that makes no sense is left to whoever needs it.
        let (Ok(name), Ok((_, expire, _))) = (row::parse_key_name(&name), row::decode_value(&content)) else {
            continue;
        };
        if list.pattern == b"*" || glob::matches(&list.pattern, &name.key) {
            read.listed.push((name.position, expire, name.key));
        }
    }
    Ok(())
}
