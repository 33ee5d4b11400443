use super::hash::{murmur, place};
use super::sketch::Sketch;
use super::{REGISTERS, changed_parts, selftest, sparse};
use proptest::prelude::*;

#[test]
fn the_self_test_passes() {
    assert_eq!(selftest(), Ok(()));
}

#[test]
fn all_bytes_of_an_element_count() {
    let text = b"0123456789abcdefghi";
    let hashes: std::collections::BTreeSet<u64> = (0..=text.len()).map(|len| murmur(&text[..len])).collect();
    assert_eq!(hashes.len(), text.len() + 1);
}

#[test]
fn a_damaged_value_is_refused() {
    let mut cut = Sketch::new().bytes().to_vec();
    cut.pop();
    let sketch = Sketch::read(&cut).expect("a header");
    assert!(sketch.cardinality().is_err() && sketch.clone().make_dense().is_err());
    assert!(Sketch::read(b"HYLL").is_err() && Sketch::read(&[0; 16]).is_err());
}

#[test]
fn parts_are_where_bytes_differ() {
    assert_eq!(changed_parts(b"abcdef", b"aBCdeF"), Some(vec![1..3, 5..6]));
    assert_eq!(changed_parts(b"abc", b"ab"), None);
    assert_eq!(changed_parts(&[0; 200], &[1, 0].repeat(100)), None);
}

proptest! {
    #[test]
    fn sparse_and_dense_hold_the_same(
        elements in prop::collection::vec(any::<u32>(), 0..600),
        most in 0usize..2000,
    ) {
        let (mut some, mut dense) = (Sketch::new(), Sketch::new());
        dense.make_dense().expect("an empty one");
        let mut model = vec![0; REGISTERS];
        for element in &elements {
            let bytes = element.to_le_bytes();
            let (register, count) = place(&bytes);
            let raised = model[register] < count;
            model[register] = count.max(model[register]);
            prop_assert_eq!(some.add(&bytes, most), Ok(raised));
            prop_assert_eq!(dense.add(&bytes, most), Ok(raised));
        }
        prop_assert_eq!(some.registers().expect("whole"), &model[..]);
        prop_assert_eq!(dense.registers().expect("whole"), &model[..]);
        if !some.is_dense() {
            prop_assert!(some.bytes().len() <= most.max(18));
            let covered: usize = sparse::runs(some.bytes()).expect("whole").iter().map(|run| run.len).sum();
            prop_assert_eq!(covered, REGISTERS);
        }
    }
}
