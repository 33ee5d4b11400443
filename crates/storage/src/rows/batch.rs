//! The rules a batch must keep, checked before the engine sees a row (engines panic where we report).

use model::limits::MAX_ENTRY;

use super::RowError;
use super::error::show_key;

/// Longest row key in bytes: the engine stores key lengths in 16 bits.
pub const MAX_ROW_KEY: usize = u16::MAX as usize;

/// Longest row value in bytes: as much as one log entry can carry.
pub const MAX_ROW_VALUE: usize = MAX_ENTRY;

/// Checks a key that is looked up or written.
pub(crate) fn check_key(key: &[u8]) -> Result<(), RowError> {
    if key.is_empty() || key.len() > MAX_ROW_KEY {
        return Err(RowError::KeyLength { len: key.len(), max: MAX_ROW_KEY });
    }
    Ok(())
}

/// Watches the rows of one batch go by.
#[derive(Debug, Default)]
pub(crate) struct BatchCheck {
    previous: Vec<u8>,
    rows: u64,
}

impl BatchCheck {
    /// Watches rows that continue after key `previous` (empty: from the start).
    pub(crate) fn after(previous: &[u8]) -> BatchCheck {
        BatchCheck { previous: previous.to_vec(), rows: 0 }
    }

    /// Accepts the next row or says which rule it breaks.
    pub(crate) fn next(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), RowError> {
        check_key(key)?;
        let len = value.map_or(0, <[u8]>::len);
        if len > MAX_ROW_VALUE {
            return Err(RowError::ValueLength { len, max: MAX_ROW_VALUE });
        }
        // No key is empty, so an empty `previous` is smaller than the first key.
        match key.cmp(&self.previous) {
            std::cmp::Ordering::Greater => {}
            std::cmp::Ordering::Equal => return Err(RowError::Duplicate { key: show_key(key) }),
            std::cmp::Ordering::Less => {
                return Err(RowError::Unsorted { previous: show_key(&self.previous), next: show_key(key) });
            }
        }
        self.previous.clear();
        self.previous.extend_from_slice(key);
        self.rows += 1;
        Ok(())
    }

    /// Number of rows accepted so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The number of rows of the whole batch; a batch without rows is refused.
    pub(crate) fn finish(&self) -> Result<u64, RowError> {
        if self.rows == 0 {
            return Err(RowError::EmptyBatch);
        }
        Ok(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_batches_are_refused() {
        let mut check = BatchCheck::default();
        assert!(matches!(check.finish(), Err(RowError::EmptyBatch)));
        check.next(b"b", None).unwrap();
        let unsorted = check.next(b"a", Some(b"v")).unwrap_err();
        assert_eq!(unsorted.to_string(), "row \"a\" comes after row \"b\": rows of a batch must ascend");
        assert!(matches!(check.next(b"b", None), Err(RowError::Duplicate { .. })));
        assert!(matches!(check.next(b"", None), Err(RowError::KeyLength { .. })));
        let long = vec![0xff; MAX_ROW_KEY + 1];
        assert!(matches!(check.next(&long, None), Err(RowError::KeyLength { .. })));
        check.next(&long[1..], None).unwrap();
        assert_eq!(check.finish().unwrap(), 2);
    }
}
