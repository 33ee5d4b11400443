//! Patterns of BY and GET: the names of other keys, with an element in them.

use super::value_of;
use crate::data::{Data, Stop};

/// A pattern with a place for an element, and a field if it means a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pattern<'a> {
    before: &'a [u8],
    after: &'a [u8],
    field: Option<&'a [u8]>,
}

impl<'a> Pattern<'a> {
    /// `prefix*suffix` or `prefix*suffix->field`; `None` without a star. As in Redis neither a star nor an arrow
    /// is found behind a zero byte.
    pub fn parse(text: &'a [u8]) -> Option<Pattern<'a>> {
        let searched = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let star = searched.iter().position(|byte| *byte == b'*')?;
        let (before, after) = (&text[..star], &text[star + 1..]);
        let arrow = searched[star + 1..].windows(2).position(|pair| pair == b"->");
        // An arrow with nothing behind it belongs to the name.
        let arrow = arrow.filter(|at| searched.len() > star + 1 + at + 2);
        Some(match arrow {
            Some(at) => Pattern { before, after: &after[..at], field: Some(&after[at + 2..]) },
            None => Pattern { before, after, field: None },
        })
    }

    /// The value of the key, or of the field of the hash, that an element stands for. `None` when it is absent
    /// or of another kind.
    ///
    /// # Errors
    /// [`Stop::Fetch`] when the row is not in memory.
    pub fn value(self, data: &mut Data<'_>, element: &[u8]) -> Result<Option<Box<[u8]>>, Stop> {
        let name = [self.before, element, self.after].concat();
        let key = data.key(&name);
        Ok(data.get(key)?.and_then(|row| value_of(row, self.field)))
    }
}

/// What a GET asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Get<'a> {
    /// `#`: the element itself.
    Element,
    /// The value of another key.
    Other(Pattern<'a>),
    /// A pattern without a star: nothing is ever found.
    Nothing,
}

impl<'a> Get<'a> {
    pub fn parse(text: &'a [u8]) -> Get<'a> {
        // As in Redis a zero byte ends the text.
        if text.split(|byte| *byte == 0).next() == Some(b"#") {
            return Get::Element;
        }
        Pattern::parse(text).map_or(Get::Nothing, Get::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_split_at_its_first_star_and_the_arrow_behind_it() {
        for (text, before, after, field) in [
            ("w_*", "w_", "", None),
            ("*", "", "", None),
            ("a*b*c", "a", "b*c", None),
            ("h_*->f", "h_", "", Some("f")),
            ("h->*_x->f->g", "h->", "_x", Some("f->g")),
            ("h_*->", "h_", "->", None),
            ("h_*->\0f", "h_", "->\0f", None),
            ("h_*\0->f", "h_", "\0->f", None),
        ] {
            let (before, after, field) = (before.as_bytes(), after.as_bytes(), field.map(str::as_bytes));
            assert_eq!(Pattern::parse(text.as_bytes()), Some(Pattern { before, after, field }), "{text:?}");
        }
        for text in ["", "nosort", "#", "a->b", "\0*"] {
            assert_eq!(Pattern::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Get::parse(b"#"), Get::Element);
        assert_eq!(Get::parse(b"##"), Get::Nothing);
        assert!(matches!(Get::parse(b"#*"), Get::Other(_)));
    }
}
