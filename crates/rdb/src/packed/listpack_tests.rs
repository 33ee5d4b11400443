//! Listpacks are written as they are read, and damage is noticed.

use super::*;
use proptest::prelude::*;

fn build(texts: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = Builder::new();
    texts.iter().for_each(|text| builder.push(text));
    builder.finish()
}

fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    Listpack::open(bytes)?.map(|element| element.map(Element::to_vec)).collect()
}

#[test]
fn every_kind_of_element_round_trips_at_its_edges() {
    let edges =
        [0i64, 127, 128, 4095, 4096, 32767, 32768, 8388607, 8388608, 2147483647, 2147483648, i64::MAX];
    let numbers = edges.iter().flat_map(|n| [*n, -n, -n - 1]).chain([i64::MIN]);
    let strings = [0usize, 63, 64, 4095, 4096, 16376, 16377, 16378, 16379, 70_000, 2_097_145, 2_097_146];
    let strings = strings.iter().map(|len| vec![b'x'; *len]);
    let texts: Vec<Vec<u8>> = numbers.map(|n| n.to_string().into_bytes()).chain(strings).collect();
    assert_eq!(read(&build(&texts)).unwrap(), texts);
}

#[test]
fn the_bytes_are_those_of_redis() {
    let texts = [b"a".to_vec(), b"5".to_vec(), b"-1".to_vec(), b"1000".to_vec()];
    let expected =
        [&[21, 0, 0, 0, 4, 0][..], &[0x81, b'a', 2], &[5, 1], &[0xdf, 0xff, 2], &[0xc3, 0xe8, 2], &[0xff]];
    let mut expected = expected.concat();
    expected[0] = expected.len() as u8;
    assert_eq!(build(&texts), expected);
}

#[test]
fn more_elements_than_the_header_can_count() {
    for count in [65_534usize, 65_535, 65_536] {
        let texts = vec![b"1".to_vec(); count];
        let bytes = build(&texts);
        assert_eq!(bytes[4..6], count.min(65_535).to_le_bytes()[..2]);
        assert_eq!(read(&bytes).unwrap().len(), count);
    }
}

#[test]
fn damage_is_refused() {
    let good = build(&[b"abc".to_vec(), b"12".to_vec()]);
    let spoiled = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        read(&bytes).unwrap_err().to_string()
    };
    assert!(spoiled(0, 1).contains("another length"));
    assert!(spoiled(4, 1).contains("another number"));
    assert!(spoiled(6, 0xf5).contains("unknown kind"));
    assert!(spoiled(6, 0xbf).contains("ends inside"));
    assert!(spoiled(10, 9).contains("length behind"));
    assert!(spoiled(11, 0xff).contains("before its last byte"));
    assert!(read(&[5, 0, 0, 0, 0]).unwrap_err().to_string().contains("ends inside"));
    assert!(read(&[6, 0, 0, 0, 0, 0]).is_err());
}

proptest! {
    #[test]
    fn elements_round_trip(texts in proptest::collection::vec(
        prop_oneof![any::<i64>().prop_map(|n| n.to_string().into_bytes()), any::<Vec<u8>>()], 0..40)
    ) {
        prop_assert_eq!(read(&build(&texts)).unwrap(), texts);
    }

    #[test]
    fn any_input_is_read_or_refused(mut bytes: Vec<u8>) {
        let _ = read(&bytes);
        if bytes.len() >= 4 {
            let length = bytes.len() as u32;
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            let _ = read(&bytes);
        }
    }
}
