//! With the allocator of the product: what moves out of sparse pages is not in one afterwards.

use everstore_env as env;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn sparse(rows: &[Vec<u8>]) -> usize {
    rows.iter().filter(|row| env::is_sparse(row)).count()
}

#[test]
fn what_moves_out_of_sparse_pages_lets_them_go() {
    let mut rows: Vec<Vec<u8>> = (0..200_000).map(|i| vec![i as u8; 116]).collect();
    assert!(sparse(&rows) < rows.len() / 10, "nothing was freed");
    let mut at = 0_u32;
    rows.retain(|_| {
        at += 1;
        at.wrapping_mul(0x9E37_79B9) >> 16 & 7 == 0
    });
    let before = sparse(&rows);
    assert!(before > rows.len() / 2, "{before} of {} are in sparse pages", rows.len());
    for row in &mut rows {
        if env::is_sparse(row) {
            let mut moved = Vec::with_capacity(row.capacity());
            moved.extend_from_slice(row);
            *row = moved;
        }
    }
    let after = sparse(&rows);
    assert!(after < rows.len() / 10, "{after} of {} are still in sparse pages", rows.len());
}
