//! What a key is, from its rows in a checkpoint: for who looks at the checkpoint of a node that does not run.

use crate::commands::value_of;
use crate::row::Row;
use model::row::{KeyName, kind, split_cell_name};
use model::varint::DecodeError;

/// A key as a checkpoint has it, in whatever form: equal for replicas that have the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyContent {
    /// Its type, see [`model::row::kind`].
    pub kind: u8,
    /// When it expires, ms of shard time; 0 = never.
    pub expire: u64,
    /// What it holds.
    pub value: KeyValue,
}

/// What a key holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyValue {
    /// A string, or the manifest of a large value.
    String(Vec<u8>),
    /// A collection, as `DUMP` gives it, with its elements in an order that does not depend on the replica.
    Dump(Vec<u8>),
}

impl KeyContent {
    /// From the row of the key and, of a large collection, its cells: rows whose names begin with that of the
    /// key's row. Cells of collections that are gone are left out. Takes memory like the key in memory.
    ///
    /// # Errors
    /// A row that can not be read.
    pub fn read(
        name: &KeyName,
        content: &[u8],
        cells: &[(Vec<u8>, Vec<u8>)],
        hash_seed: u64,
    ) -> Result<KeyContent, DecodeError> {
        let mut row = Row::stored(name.position, &name.key, content, hash_seed)?;
        for (name, content) in cells {
            if let Some((_, id, cell)) = split_cell_name(name) {
                row.load_cell(id, cell, content)?;
            }
        }
        let value = match row.kind {
            kind::STRING | kind::MANIFEST => KeyValue::String(row.value().to_vec()),
            _ => {
                let value = value_of(&row).map_err(|_| DecodeError::Malformed("type of a key"))?;
                KeyValue::Dump(rdb::dump(&value.in_order()))
            }
        };
        Ok(KeyContent { kind: row.kind, expire: row.expire, value })
    }
}
