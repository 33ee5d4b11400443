use super::*;

#[test]
fn a_point_is_read_as_it_was_put_and_nothing_else_is() {
    let scope = Scope { slots: (100, 16383), spread: 0x1_0001 };
    let point = Point { at: (1 << 40, 9), scope };
    let row = point.encode();
    assert_eq!(Point::decode(&row), Ok(point));
    assert!((0..row.len()).all(|len| Point::decode(&row[..len]).is_err()));
    assert_eq!(Point::decode(&[2, 1, 1, 1, 1, 1]), Err(DecodeError::Version(2)));
    assert!(Point::decode(&[1, 1, 1, 0xff, 0xff, 0x7f, 1, 1]).is_err(), "no slot");
}
