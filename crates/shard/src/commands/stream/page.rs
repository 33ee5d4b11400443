//! Pages: Redis packs the entries of a stream into pieces, and trims whole ones where it may be about right (`~`).
//! Here entries are no pieces of anything; but each says which page it would be in, so that trimming removes what
//! it removes in Redis. A page is full by its entries or its bytes, as Redis packs them (a listpack; Redis's
//! source, `t_stream.c` and `listpack.c`, has the sizes).

use super::id::Id;
use crate::collection::Limits;
use crate::commands::integer;
use model::varint::{DecodeError, Reader, put_bytes, put_u64};

/// Bytes of an empty listpack.
const EMPTY: u64 = 7;
/// Bytes of a page in Redis where there is no other bound.
const MAX_BYTES: u64 = 1 << 30;

/// The last page, to which entries are added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// Rises from page to page; 0 = there is none.
    pub number: u64,
    /// Entries in it, those that are gone included.
    pub entries: u64,
    /// Bytes that it would take.
    pub bytes: u64,
    /// Id of its first entry.
    pub first: Id,
    /// Hash of the fields of its first entry: others that have the same do not repeat them.
    pub fields: u64,
}

impl Page {
    /// The page after an entry with these fields and values, in turns, was added: this one, or a new one behind it
    /// if it is full or has no entry left (`void`).
    pub fn with(self, id: Id, pairs: &[&[u8]], void: bool, limits: &Limits) -> Page {
        let fields = hash_of_fields(pairs);
        let mut page = match self.number == 0 || void || self.is_full(pairs, limits) {
            true => Page { number: self.number + 1, entries: 0, bytes: head(pairs), first: id, fields },
            false => self,
        };
        page.bytes += integer_size(page.entries as i64 + 1) - integer_size(page.entries as i64);
        page.entries += 1;
        page.bytes += page.size_of(id, pairs, fields == page.fields);
        page
    }

    fn is_full(&self, pairs: &[&[u8]], limits: &Limits) -> bool {
        let new: usize = pairs.iter().map(|part| part.len()).sum();
        let most = if limits.stream_bytes == 0 { MAX_BYTES } else { limits.stream_bytes.min(MAX_BYTES) };
        self.bytes + new as u64 >= most || limits.stream_entries > 0 && self.entries >= limits.stream_entries
    }

    fn size_of(&self, id: Id, pairs: &[&[u8]], same_fields: bool) -> u64 {
        let count = (pairs.len() / 2) as i64;
        let values = pairs.iter().skip(1).step_by(2).map(|value| size(value));
        let (ms, seq) = (id.ms.wrapping_sub(self.first.ms), id.seq.wrapping_sub(self.first.seq));
        let head = integer_size(0) + integer_size(ms as i64) + integer_size(seq as i64);
        let fields = match same_fields {
            true => integer_size(count + 3),
            false => names_size(pairs) + integer_size(count) + integer_size(2 * count + 4),
        };
        head + values.sum::<u64>() + fields
    }

    /// Appends it encoded.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.number, self.entries, self.bytes, self.first.ms, self.first.seq] {
            put_u64(out, number);
        }
        out.extend_from_slice(&self.fields.to_le_bytes());
    }

    /// Reads one.
    ///
    /// # Errors
    /// An input that ends inside it.
    pub fn decode(r: &mut Reader<'_>) -> Result<Page, DecodeError> {
        let (number, entries, bytes) = (r.u64()?, r.u64()?, r.u64()?);
        let first = Id { ms: r.u64()?, seq: r.u64()? };
        let fields = r.take(8)?.try_into().map_or(0, u64::from_le_bytes);
        Ok(Page { number, entries, bytes, first, fields })
    }
}

/// Bytes of a page with a first entry of these fields, without entries.
fn head(pairs: &[&[u8]]) -> u64 {
    // Number of entries, of those that are gone, and of fields; the fields; a zero.
    EMPTY + 3 * integer_size(0) + integer_size((pairs.len() / 2) as i64) + names_size(pairs)
}

fn names_size(pairs: &[&[u8]]) -> u64 {
    pairs.iter().step_by(2).map(|name| size(name)).sum()
}

fn hash_of_fields(pairs: &[&[u8]]) -> u64 {
    let mut names = Vec::new();
    pairs.iter().step_by(2).for_each(|name| put_bytes(&mut names, name));
    xxhash_rust::xxh3::xxh3_64(&names)
}

/// Bytes of a string in a listpack: as an integer if it is one.
fn size(text: &[u8]) -> u64 {
    if let Some(value) = integer::parse(text) {
        return integer_size(value);
    }
    let len = text.len() as u64;
    let encoded = match len {
        0..64 => 1 + len,
        64..4096 => 2 + len,
        _ => 5 + len,
    };
    encoded + back_size(encoded)
}

/// Bytes of an integer in a listpack.
fn integer_size(value: i64) -> u64 {
    match value {
        0..=127 => 2,
        -4096..=4095 => 3,
        -0x8000..=0x7fff => 4,
        -0x80_0000..=0x7f_ffff => 5,
        -0x8000_0000..=0x7fff_ffff => 6,
        _ => 10,
    }
}

/// Bytes of the length behind an element, by which it is read backwards.
fn back_size(len: u64) -> u64 {
    match len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = Id { ms: 1_700_000_000_000, seq: 0 };

    fn id(at: u64) -> Id {
        Id { ms: ID.ms + at, seq: 0 }
    }

    #[test]
    fn a_page_is_full_by_its_entries() {
        let limits = Limits { stream_entries: 3, ..Limits::default() };
        let mut page = Page::default();
        let mut numbers = Vec::new();
        for at in 0..7 {
            page = page.with(id(at), &[b"f", b"v"], false, &limits);
            numbers.push(page.number);
        }
        assert_eq!(numbers, [1, 1, 1, 2, 2, 2, 3]);
        assert_eq!(page.with(id(9), &[b"f", b"v"], true, &limits).number, 4, "the entry of page 3 is gone");
    }

    #[test]
    fn a_page_is_full_by_its_bytes() {
        let limits = Limits { stream_entries: 0, ..Limits::default() };
        let value = [b'x'; 1000];
        let mut page = Page::default();
        for at in 0..4 {
            page = page.with(id(at), &[b"f", &value], false, &limits);
            assert_eq!(page.number, 1, "{}", page.bytes);
        }
        assert_eq!(page.with(id(5), &[b"f", b"v"], false, &limits).number, 1, "{}", page.bytes);
        assert_eq!(page.with(id(5), &[b"f", &value], false, &limits).number, 2);
        let none = Limits { stream_bytes: 0, ..limits };
        assert_eq!(page.with(id(5), &[b"f", &value], false, &none).number, 1);
    }

    /// `DEBUG LISTPACK`-like numbers, as MEMORY USAGE of Redis tells them apart.
    #[test]
    fn elements_have_the_sizes_of_a_listpack() {
        let sizes: [(&[u8], u64); 9] = [
            (b"", 2),
            (b"abc", 5),
            (b"127", 2),
            (b"128", 3),
            (b"-1", 3),
            (b"40000", 5),
            (b"007", 5),
            (&[b'x'; 64], 67),
            (&[b'x'; 126], 130),
        ];
        for (text, bytes) in sizes {
            assert_eq!(size(text), bytes, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn pages_are_read_back() {
        let page = Page::default().with(ID, &[b"a", b"1", b"b", b"2"], false, &Limits::default());
        let mut bytes = Vec::new();
        page.encode(&mut bytes);
        assert_eq!(Page::decode(&mut Reader::new(&bytes)), Ok(page));
        assert!(Page::decode(&mut Reader::new(&bytes[..bytes.len() - 1])).is_err());
    }
}
