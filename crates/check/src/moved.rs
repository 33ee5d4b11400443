//! **Moved whole**: what is moved from key to key is somewhere, once, and whole.
//!
//! A *hoard* is a collection that is made once, under one of a few keys, and then only moved between them: as a whole
//! (RENAME, COPY with DEL, DUMP and RESTORE), or element by element (SMOVE, LMOVE). So whoever sees all keys at one
//! moment sees each element once, and of one that is moved as a whole all elements under one key.

use crate::history::{Bytes, shown_bytes, shown_time};
use crate::verdict::Violation;
use std::collections::BTreeMap;

/// The property's name in verdicts.
pub const NAME: &str = "moved whole";

/// How a hoard is moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// All of it at once, and what it has stays in its order.
    Whole,
    /// Element by element: only which there are counts.
    Pieces,
}

/// What somebody knows of a hoard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// It was made: it is there from the return on.
    Made,
    /// What each key held at one moment.
    Seen(Vec<Vec<Bytes>>),
}

/// A fact, and when it was learned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sight {
    /// Name of the hoard.
    pub hoard: String,
    /// Who learned it.
    pub client: u32,
    /// When it was asked for, ns of the world's clock.
    pub call_ns: u64,
    /// When it was answered, ns.
    pub return_ns: u64,
    /// What was learned.
    pub fact: Fact,
}

/// A hoard: how it is moved, and what it consists of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hoard {
    /// How it is moved.
    pub kind: Kind,
    /// Its elements, in its order.
    pub elements: Vec<Bytes>,
}

/// Checks all that was seen. `hoard_of`: by its name.
pub fn check(sights: &[Sight], hoard_of: impl Fn(&str) -> Hoard) -> Vec<Violation> {
    let mut of: BTreeMap<&str, Vec<&Sight>> = BTreeMap::new();
    for sight in sights {
        of.entry(&sight.hoard).or_default().push(sight);
    }
    let mut found = Vec::new();
    for (name, sights) in of {
        let hoard = hoard_of(name);
        let there = |sight: &Sight| match &sight.fact {
            Fact::Made => true,
            Fact::Seen(keys) => keys.iter().any(|elements| !elements.is_empty()),
        };
        let there_by = sights.iter().filter(|sight| there(sight)).map(|sight| sight.return_ns).min();
        for sight in &sights {
            let Fact::Seen(keys) = &sight.fact else { continue };
            let known = there_by.is_some_and(|by| by < sight.call_ns);
            if let Some(what) = wrong(&hoard, keys, known) {
                found.push(violation(sight, keys, &what));
            }
        }
    }
    found
}

/// What is wrong with what the keys hold. `known`: it is known to be there.
fn wrong(hoard: &Hoard, keys: &[Vec<Bytes>], known: bool) -> Option<String> {
    let holders: Vec<&Vec<Bytes>> = keys.iter().filter(|elements| !elements.is_empty()).collect();
    if holders.is_empty() {
        return known.then(|| "is gone".to_owned());
    }
    match hoard.kind {
        Kind::Whole if holders.len() > 1 => Some(format!("is under {} keys", holders.len())),
        Kind::Whole => (holders[0] != &hoard.elements)
            .then(|| format!("has {} elements of {}, or others", holders[0].len(), hoard.elements.len())),
        Kind::Pieces => {
            let mut seen: Vec<&Bytes> = holders.into_iter().flatten().collect();
            let mut all: Vec<&Bytes> = hoard.elements.iter().collect();
            seen.sort_unstable();
            all.sort_unstable();
            (seen != all).then(|| format!("has {} elements in all instead of {}", seen.len(), all.len()))
        }
    }
}

fn violation(sight: &Sight, keys: &[Vec<Bytes>], what: &str) -> Violation {
    let (call, ret) = (shown_time(sight.call_ns), shown_time(sight.return_ns));
    let shown = |elements: &Vec<Bytes>| {
        elements.iter().map(|element| shown_bytes(element)).collect::<Vec<_>>().join(" ")
    };
    let keys = keys.iter().enumerate().map(|(at, elements)| format!("key {at}: {}", shown(elements)));
    Violation {
        property: NAME,
        sentence: format!("{} {what}", sight.hoard),
        details: std::iter::once(format!("[{call} .. {ret}] client {}", sight.client)).chain(keys).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(text: &str) -> Vec<Bytes> {
        text.bytes().map(|byte| vec![byte].into()).collect()
    }

    /// What is found when the keys are seen so, after something was learned at 2.
    fn found(kind: Kind, before: Option<Fact>, keys: [&str; 3]) -> Vec<String> {
        let sight =
            |call_ns, fact| Sight { hoard: "h".to_owned(), client: 1, call_ns, return_ns: call_ns + 1, fact };
        let seen = Fact::Seen(keys.iter().map(|key| elements(key)).collect());
        let sights: Vec<Sight> =
            before.map(|fact| sight(1, fact)).into_iter().chain([sight(3, seen)]).collect();
        let hoard = Hoard { kind, elements: elements("abc") };
        check(&sights, |_| hoard.clone()).into_iter().map(|violation| violation.sentence).collect()
    }

    #[test]
    fn a_hoard_is_under_one_key_and_whole() {
        assert!(found(Kind::Whole, None, ["", "", ""]).is_empty(), "nobody has made it");
        assert!(found(Kind::Whole, Some(Fact::Made), ["", "abc", ""]).is_empty());
        assert_eq!(found(Kind::Whole, Some(Fact::Made), ["", "", ""]), ["h is gone"]);
        assert_eq!(found(Kind::Whole, None, ["abc", "", "abc"]), ["h is under 2 keys"]);
        assert_eq!(found(Kind::Whole, None, ["ab", "", ""]), ["h has 2 elements of 3, or others"]);
        assert_eq!(found(Kind::Whole, None, ["acb", "", ""]).len(), 1, "their order counts");
        let seen = Fact::Seen(vec![elements("abc"), vec![], vec![]]);
        assert_eq!(found(Kind::Whole, Some(seen), ["", "", ""]), ["h is gone"]);
    }

    #[test]
    fn pieces_are_somewhere_once() {
        assert!(found(Kind::Pieces, Some(Fact::Made), ["c", "a", "b"]).is_empty());
        assert_eq!(found(Kind::Pieces, None, ["c", "a", ""]), ["h has 2 elements in all instead of 3"]);
        assert_eq!(found(Kind::Pieces, None, ["c", "a", "ba"]).len(), 1);
        assert_eq!(found(Kind::Pieces, Some(Fact::Made), ["", "", ""]), ["h is gone"]);
    }
}
