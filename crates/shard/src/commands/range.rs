//! Ranges of places in a collection, as LRANGE, LTRIM and their like name them.

use std::ops::Range;

/// The place that an index names in a collection of `len` elements: from 0 on, or from the end with -1 for
/// the last one. `None` if there is no such place.
pub(super) fn place(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(len as i64)? } else { index };
    usize::try_from(index).ok().filter(|place| *place < len)
}

/// The places from the index `start` to the index `stop`, both included and both counted from the end if
/// negative; what is beyond the ends is cut off. Empty, and within the collection, if nothing is left.
pub(super) fn places(start: i64, stop: i64, len: usize) -> Range<usize> {
    let from_end = |index: i64| if index < 0 { index.saturating_add(len as i64) } else { index };
    let start = usize::try_from(from_end(start)).unwrap_or(0).min(len);
    let end = usize::try_from(from_end(stop).saturating_add(1)).unwrap_or(0).min(len);
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn index() -> impl Strategy<Value = i64> {
        prop_oneof![-12i64..12, any::<i64>(), Just(i64::MIN), Just(i64::MAX)]
    }

    proptest! {
        #[test]
        fn places_are_those_whose_index_is_between(start in index(), stop in index(), len in 0usize..9) {
            // As the documentation has it, with numbers that can not overflow.
            let wide = |index: i64| i128::from(index) + if index < 0 { len as i128 } else { 0 };
            let expected: Vec<_> =
                (0..len).filter(|&at| (wide(start)..=wide(stop)).contains(&(at as i128))).collect();
            let found = places(start, stop, len);
            prop_assert!(found.end <= len);
            prop_assert_eq!(found.collect::<Vec<_>>(), expected);
            let only = (0..len).find(|&at| at as i128 == wide(start));
            prop_assert_eq!(place(start, len), only);
        }
    }
}
