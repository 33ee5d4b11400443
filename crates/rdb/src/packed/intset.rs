//! Intsets: sets of integers.
//!
//! Bytes of a member (4, lowest first; 2, 4 or 8), members (4), members ascending.

use super::cursor::Cursor;
use crate::Error;

const WHAT: &str = "intset";

/// Hands every member of the set to `each`, ascending.
pub(crate) fn read(bytes: &[u8], mut each: impl FnMut(i64) -> Result<(), Error>) -> Result<(), Error> {
    let mut cursor = Cursor::new(bytes, WHAT);
    let width = cursor.u32()?;
    let count = cursor.u32()?;
    if !matches!(width, 2 | 4 | 8) {
        return Err(cursor.wrong("its members have neither 2, 4 nor 8 bytes"));
    }
    if u64::from(count) * u64::from(width) != cursor.left() as u64 {
        return Err(cursor.wrong("it has another length than its header says"));
    }
    let mut last = None;
    for _ in 0..count {
        let member = match width {
            2 => cursor.signed::<2>()?,
            4 => cursor.signed::<4>()?,
            _ => cursor.signed::<8>()?,
        };
        if last.is_some_and(|last| last >= member) {
            return Err(cursor.wrong("its members do not ascend"));
        }
        last = Some(member);
        each(member)?;
    }
    Ok(())
}

/// The set of these members, ascending and none twice, with the smallest width that holds them all.
pub(crate) fn write(members: &[i64]) -> Vec<u8> {
    let all = |min: i64, max: i64| members.iter().all(|member| (min..=max).contains(member));
    let width = if all(i64::from(i16::MIN), i64::from(i16::MAX)) {
        2
    } else if all(i64::from(i32::MIN), i64::from(i32::MAX)) {
        4
    } else {
        8
    };
    let mut out = Vec::with_capacity(8 + members.len() * width);
    out.extend((width as u32).to_le_bytes());
    out.extend((members.len() as u32).to_le_bytes());
    members.iter().for_each(|member| out.extend_from_slice(&member.to_le_bytes()[..width]));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(bytes: &[u8]) -> Result<Vec<i64>, Error> {
        let mut found = Vec::new();
        read(bytes, |member| {
            found.push(member);
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn the_width_follows_the_largest_member() {
        let sets: [(&[i64], usize); 5] = [
            (&[], 8),
            (&[-32768, 32767], 12),
            (&[-32769, 0], 16),
            (&[0, 2147483647], 16),
            (&[0, 2147483648], 24),
        ];
        for (set, length) in sets {
            assert_eq!(write(set).len(), length);
            assert_eq!(members(&write(set)).unwrap(), set);
        }
    }

    #[test]
    fn damage_is_refused() {
        let good = write(&[1, 2]);
        let spoiled = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            members(&bytes).unwrap_err().to_string()
        };
        assert!(spoiled(0, 3).contains("neither"));
        assert!(spoiled(4, 3).contains("another length"));
        assert!(spoiled(8, 2).contains("ascend"));
        assert!(members(&good[..7]).is_err());
    }

    proptest! {
        #[test]
        fn sets_round_trip(set in proptest::collection::btree_set(any::<i64>(), 0..50)) {
            let set: Vec<i64> = set.into_iter().collect();
            prop_assert_eq!(members(&write(&set)).unwrap(), set);
        }

        #[test]
        fn any_input_is_read_or_refused(bytes: Vec<u8>) {
            let _ = members(&bytes);
        }
    }
}
