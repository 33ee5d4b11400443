//! Merges the replies of the parts of a command that was split over shards.
//!
//! All parts are encoded in the connection's protocol; elements are copied as they are.

use crate::decode::walk::{elements, is_error, read_int};
use model::Reply;
use shard::table::Merge;

/// The answer to a part that is not what its command replies: a bug or a foreign node, never data.
const UNEXPECTED: &str =
    "ERR a shard's part of the reply is malformed; whether the command was done is not known";

/// Collects the replies of the parts; parts may arrive in any order.
#[derive(Debug)]
pub struct Gather {
    kind: Kind,
    /// The error of the lowest part that failed.
    failed: Option<(usize, Vec<u8>)>,
    /// Parts that have not yet answered.
    waiting: usize,
}

#[derive(Debug)]
enum Kind {
    Sum(i64),
    AllOk,
    /// Per part its reply and the places of its elements in the whole.
    Interleave(Vec<(Vec<usize>, Vec<u8>)>),
    /// Per part its reply.
    Concat(Vec<Vec<u8>>),
}

impl Gather {
    /// Waits for `places.len()` parts. For [`Merge::Interleave`] each part brings the places (from
    /// 0) that its elements have in the answer; otherwise the lists may be empty.
    pub fn new(merge: Merge, places: Vec<Vec<usize>>) -> Gather {
        let waiting = places.len();
        let kind = match merge {
            Merge::Sum => Kind::Sum(0),
            Merge::AllOk => Kind::AllOk,
            Merge::Interleave => Kind::Interleave(places.into_iter().map(|p| (p, Vec::new())).collect()),
            Merge::Concat => Kind::Concat(vec![Vec::new(); waiting]),
        };
        Gather { kind, failed: None, waiting }
    }

    /// Takes the reply of a part, which answers once. True when all parts have answered.
    pub fn add(&mut self, part: usize, reply: &[u8]) -> bool {
        self.waiting = self.waiting.saturating_sub(1);
        if is_error(reply) {
            self.fail(part, reply.to_vec());
            return self.waiting == 0;
        }
        let fits = match &mut self.kind {
            Kind::Sum(sum) => read_int(reply).map(|n| *sum = sum.saturating_add(n)).is_ok(),
            Kind::AllOk => reply == b"+OK\r\n",
            Kind::Interleave(parts) => parts.get_mut(part).is_some_and(|(places, kept)| {
                kept.extend_from_slice(reply);
                elements(reply)
                    .is_ok_and(|all| all.left() == places.len() && all.into_iter().all(|e| e.is_ok()))
            }),
            Kind::Concat(parts) => parts.get_mut(part).is_some_and(|kept| {
                kept.extend_from_slice(reply);
                elements(reply).is_ok_and(|mut all| all.all(|e| e.is_ok()))
            }),
        };
        if !fits {
            self.fail(part, format!("-{UNEXPECTED}\r\n").into_bytes());
        }
        self.waiting == 0
    }

    fn fail(&mut self, part: usize, reply: Vec<u8>) {
        if self.failed.as_ref().is_none_or(|(first, _)| part < *first) {
            self.failed = Some((part, reply));
        }
    }

    /// True when all parts have answered.
    pub fn is_complete(&self) -> bool {
        self.waiting == 0
    }

    /// Writes the answer: the error of the first part (by number, not by time, so that a rerun says
    /// the same) or the merged value. Before [`Gather::is_complete`] it is the answer of what came.
    pub fn finish(&self, out: &mut dyn Reply) {
        if let Some((_, error)) = &self.failed {
            return out.encoded(error);
        }
        match &self.kind {
            Kind::Sum(sum) => out.int(*sum),
            Kind::AllOk => out.ok(),
            Kind::Interleave(parts) => interleave(parts, out),
            Kind::Concat(parts) => {
                let all = || parts.iter().flat_map(|p| elements(p).into_iter().flatten().flatten());
                out.array(all().count());
                all().for_each(|element| out.encoded(element));
            }
        }
    }
}

fn interleave(parts: &[(Vec<usize>, Vec<u8>)], out: &mut dyn Reply) {
    let len = parts.iter().map(|(places, _)| places.len()).sum();
    let mut whole: Vec<&[u8]> = vec![b""; len];
    for (places, reply) in parts {
        let all = elements(reply).into_iter().flatten().flatten();
        for (place, element) in places.iter().zip(all) {
            if let Some(slot) = whole.get_mut(*place) {
                *slot = element;
            }
        }
    }
    out.array(len);
    for element in whole {
        if element.is_empty() { out.null() } else { out.encoded(element) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Proto, Resp};

    fn merged(merge: Merge, places: &[&[usize]], replies: &[(usize, &str)]) -> String {
        let mut gather = Gather::new(merge, places.iter().map(|p| p.to_vec()).collect());
        for (i, (part, reply)) in replies.iter().enumerate() {
            assert!(!gather.is_complete());
            assert_eq!(gather.add(*part, reply.as_bytes()), i + 1 == places.len());
        }
        let mut buf = Vec::new();
        gather.finish(&mut Resp { buf: &mut buf, proto: Proto::Resp2 });
        String::from_utf8(buf).expect("text")
    }

    #[test]
    fn integers_are_added_and_oks_joined() {
        assert_eq!(merged(Merge::Sum, &[&[], &[]], &[(1, ":2\r\n"), (0, ":40\r\n")]), ":42\r\n");
        assert_eq!(merged(Merge::AllOk, &[&[], &[]], &[(0, "+OK\r\n"), (1, "+OK\r\n")]), "+OK\r\n");
    }

    #[test]
    fn elements_go_to_the_places_of_their_keys() {
        let replies = [(1, "*1\r\n$1\r\nb\r\n"), (0, "*2\r\n$1\r\na\r\n$-1\r\n")];
        let whole = merged(Merge::Interleave, &[&[0, 2], &[1]], &replies);
        assert_eq!(whole, "*3\r\n$1\r\na\r\n$1\r\nb\r\n$-1\r\n");
    }

    #[test]
    fn arrays_are_joined_in_the_order_of_the_parts() {
        let replies = [(1, "*1\r\n$1\r\nc\r\n"), (0, "*2\r\n$1\r\na\r\n$1\r\nb\r\n"), (2, "*0\r\n")];
        let whole = merged(Merge::Concat, &[&[], &[], &[]], &replies);
        assert_eq!(whole, "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    }

    #[test]
    fn the_error_of_the_first_part_wins_whenever_it_comes() {
        for merge in [Merge::Sum, Merge::AllOk, Merge::Concat, Merge::Interleave] {
            let replies = [(2, "-ERR late\r\n"), (1, "-MOVED early\r\n"), (0, ":1\r\n")];
            let whole = merged(merge, &[&[], &[], &[]], &replies[..]);
            let expected =
                if merge == Merge::Sum { "-MOVED early\r\n".into() } else { format!("-{UNEXPECTED}\r\n") };
            assert_eq!(whole, expected, "{merge:?}");
        }
    }

    #[test]
    fn a_part_of_another_shape_is_an_error() {
        let unexpected = format!("-{UNEXPECTED}\r\n");
        for (merge, reply) in [
            (Merge::Sum, "+OK\r\n"),
            (Merge::Sum, ":1\r\n:1\r\n"),
            (Merge::AllOk, "+QUEUED\r\n"),
            (Merge::Interleave, "*1\r\n:1\r\n"),
            (Merge::Interleave, "*2\r\n:1\r\n"),
            (Merge::Concat, "*1\r\n"),
            (Merge::Concat, ""),
        ] {
            assert_eq!(merged(merge, &[&[0, 1]], &[(0, reply)]), unexpected, "{merge:?} {reply:?}");
        }
    }
}
