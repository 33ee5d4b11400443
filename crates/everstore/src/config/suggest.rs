//! "Did you mean": the known word nearest to what was written.

/// The nearest of `known`, if it is at most a third of the word's length (but at least two edits) away.
pub fn nearest(word: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let bound = (word.len() / 3).max(2);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in bytes, with `_` and `-` and the letter case counted as equal.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (folded(a), folded(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn folded(word: &str) -> Vec<u8> {
    word.bytes().map(|b| if b == b'_' { b'-' } else { b.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("Peer_Port", "peer-port"), 0);
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["port", "peer-port", "replicas"];
        assert_eq!(nearest("prot", known), Some("port"));
        assert_eq!(nearest("replica", known), Some("replicas"));
        assert_eq!(nearest("colour", known), None);
    }
}
