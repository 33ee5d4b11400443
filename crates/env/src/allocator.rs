//! What the allocator knows about its memory.

/// Percent of its blocks that a page of the allocator has to have in use so that it is not sparse.
const SPARSE: usize = 80;

/// True when these bytes, which must be of a `Vec` or `Box` of the calling thread, are in a page of the allocator
/// that is mostly free and from which nothing is allocated now: moved elsewhere, they help to give the page back.
/// False with another allocator than mimalloc.
pub fn is_sparse(bytes: &[u8]) -> bool {
    let start = bytes.as_ptr().cast_mut().cast();
    // SAFETY: the allocator looks the page up and finds none for memory that is not its own. It reads counters
    // of the page, which exists as long as these bytes are in it; a count that another thread is just changing
    // may be read as it was before.
    unsafe { libmimalloc_sys::mi_unsafe_heap_page_is_under_utilized(std::ptr::null_mut(), start, SPARSE) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_of_another_allocator_is_not_sparse() {
        let bytes: Vec<Vec<u8>> = (0..1000).map(|i| vec![1; 100 + i % 7]).collect();
        assert!(!bytes.iter().any(|bytes| super::is_sparse(bytes)));
    }
}
