//! BITOP: strings joined bit by bit.

use crate::data::{Context, Done, Stop};
use crate::row::Form;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

impl Operation {
    fn parse(arg: &[u8]) -> Result<Operation, Stop> {
        let all = [
            ("and", Operation::And),
            ("or", Operation::Or),
            ("xor", Operation::Xor),
            ("not", Operation::Not),
        ];
        let found = all.iter().find(|(name, _)| arg.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, operation)| *operation).ok_or(Stop::SYNTAX)
    }

    /// Joins another source to the result so far. The shorter one counts as if it ended in zeros.
    fn join(self, result: &mut Vec<u8>, source: &[u8]) {
        if result.len() < source.len() {
            result.resize(source.len(), 0);
        }
        let (common, rest) = result.split_at_mut(source.len());
        let pairs = common.iter_mut().zip(source);
        match self {
            Operation::And => {
                pairs.for_each(|(byte, other)| *byte &= other);
                rest.fill(0);
            }
            Operation::Or => pairs.for_each(|(byte, other)| *byte |= other),
            Operation::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
            // It has one source, which is not joined to anything.
            Operation::Not => {}
        }
    }
}

/// `BITOP AND | OR | XOR | NOT destination key [key …]`
///
/// The result is as long as the longest source. It replaces whatever the destination was, its expiry
/// included; where no source has a byte, the destination is deleted.
pub(super) fn bitop(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let operation = Operation::parse(args[1])?;
    if operation == Operation::Not && args.len() != 4 {
        return Err(Stop::error("ERR BITOP NOT must be called with a single source key."));
    }
    // One source after the other, so that no more than the result is held, whatever their number.
    let mut result = Vec::new();
    for (i, source) in args[3..].iter().enumerate() {
        let key = c.data.key(source);
        let value = c.data.string(key)?.unwrap_or_default();
        if i == 0 {
            result.extend_from_slice(value);
        } else {
            operation.join(&mut result, value);
        }
    }
    if operation == Operation::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let destination = c.data.key(args[2]);
    if !result.is_empty() {
        c.data.put_string(destination, 0, &result)?;
        c.data.note_form(destination, Form::Edited);
    } else if c.data.peek(destination)?.is_some() {
        c.data.delete(destination)?;
    }
    c.reply.int(result.len() as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Operation;
    use proptest::prelude::*;

    type Join = fn(u8, u8) -> u8;

    proptest! {
        #[test]
        fn joining_agrees_with_a_byte_at_a_time(
            sources in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5),
        ) {
            let longest = sources.iter().map(Vec::len).max().unwrap_or(0);
            let cases: [(Operation, Join); 3] = [
                (Operation::And, |a, b| a & b),
                (Operation::Or, |a, b| a | b),
                (Operation::Xor, |a, b| a ^ b),
            ];
            for (operation, join) in cases {
                let mut result = sources[0].clone();
                sources[1..].iter().for_each(|source| operation.join(&mut result, source));
                let expected: Vec<u8> = (0..longest)
                    .map(|at| sources.iter().map(move |source| source.get(at).copied().unwrap_or(0)))
                    .filter_map(|bytes| bytes.reduce(join))
                    .collect();
                prop_assert_eq!(&result, &expected, "{:?}", operation);
            }
        }
    }
}
