//! Values as numbers.

use crate::linearizable::values::{Values, integer};

#[test]
fn appended_values_share_and_part() {
    let mut values = Values::default();
    let long = values.intern(&[b'a'; 30]);
    let (x, y) = (values.intern(b"x"), values.intern(b"y"));
    let with_x = values.append(long, x);
    let with_xy = values.append(with_x, y);
    let with_y = values.append(long, y);
    assert_eq!(values.bytes(long), [b'a'; 30]);
    assert_eq!(values.bytes(with_xy), [&[b'a'; 30][..], b"xy"].concat());
    assert_eq!(values.bytes(with_y), [&[b'a'; 30][..], b"y"].concat());
    assert_eq!(values.append(long, x), with_x);
    assert_eq!(values.bytes(with_x), [&[b'a'; 30][..], b"x"].concat());
}

#[test]
fn short_values_are_one_number() {
    let mut values = Values::default();
    let (a, b, ab) = (values.intern(b"1"), values.intern(b"2"), values.intern(b"12"));
    assert_eq!(values.append(a, b), ab);
    assert_eq!(values.integer(ab), Some(12));
}

#[test]
fn integers_are_read_strictly() {
    assert_eq!(integer(b"-9223372036854775808"), Some(i64::MIN));
    for no in ["", "-", "+1", "01", "-0", " 1", "1 ", "9223372036854775808", "1.0"] {
        assert_eq!(integer(no.as_bytes()), None, "{no:?}");
    }
}
