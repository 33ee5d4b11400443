//! The little language in which groups write their command lines.
//!
//! `<name>` is a word to draw, `[ a b ]` may be left out, `( a | b )` is one of several, `{ a b }` comes one to
//! four times, anything else stands for itself. All are separated by spaces.

use super::draw::Draw;

/// Most repetitions of `{ }`.
const MOST: usize = 4;

/// A part of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// Stands for itself.
    Literal(&'static str),
    /// Is drawn, by its name without `<` and `>`.
    Word(&'static str),
    /// May be left out.
    Optional(Vec<Part>),
    /// One of these.
    OneOf(Vec<Vec<Part>>),
    /// Comes several times.
    Repeated(Vec<Part>),
}

/// Reads a line.
///
/// # Errors
/// A bracket without its partner.
pub fn parse(line: &'static str) -> Result<Vec<Part>, String> {
    let mut tokens = line.split(' ');
    let (mut parts, end) = sequence(&mut tokens)?;
    match (end, parts.len(), parts.pop()) {
        (None, 1, Some(parts)) => Ok(parts),
        (end, ..) => Err(format!("{line:?}: {end:?} closes or divides nothing")),
    }
}

/// Everything up to a closing bracket or the end, as the alternatives that `|` divides, and what ended it.
fn sequence(
    tokens: &mut impl Iterator<Item = &'static str>,
) -> Result<(Vec<Vec<Part>>, Option<char>), String> {
    let mut all = vec![Vec::new()];
    while let Some(token) = tokens.next() {
        let part = match token {
            "[" => Part::Optional(bracketed(tokens, ']')?.pop().unwrap_or_default()),
            "{" => Part::Repeated(bracketed(tokens, '}')?.pop().unwrap_or_default()),
            "(" => Part::OneOf(bracketed(tokens, ')')?),
            "]" | "}" | ")" => return Ok((all, token.chars().next())),
            "|" => {
                all.push(Vec::new());
                continue;
            }
            _ => match token.strip_prefix('<').and_then(|t| t.strip_suffix('>')) {
                Some(name) => Part::Word(name),
                None => Part::Literal(token),
            },
        };
        all.last_mut().ok_or("no sequence")?.push(part);
    }
    Ok((all, None))
}

fn bracketed(tokens: &mut impl Iterator<Item = &'static str>, close: char) -> Result<Vec<Vec<Part>>, String> {
    match sequence(tokens)? {
        (all, Some(end)) if end == close && (close == ')' || all.len() == 1) => Ok(all),
        (_, end) => Err(format!("{end:?} where {close:?} should be")),
    }
}

/// Draws a command line.
pub fn expand(parts: &[Part], draw: &mut Draw, out: &mut Vec<Vec<u8>>) {
    for part in parts {
        match part {
            Part::Literal(text) => out.push(text.as_bytes().to_vec()),
            Part::Word(name) => out.push(draw.word(name)),
            Part::Optional(inner) if draw.chance(2) => expand(inner, draw, out),
            Part::Optional(_) => {}
            Part::OneOf(all) => {
                let chosen = draw.below(all.len());
                expand(&all[chosen], draw, out);
            }
            Part::Repeated(inner) => (0..=draw.below(MOST)).for_each(|_| expand(inner, draw, out)),
        }
    }
}

/// The names of all words in a line.
#[cfg(test)]
pub fn words(parts: &[Part]) -> Vec<&'static str> {
    let of = |part: &Part| match part {
        Part::Literal(_) => Vec::new(),
        Part::Word(name) => vec![*name],
        Part::Optional(inner) | Part::Repeated(inner) => words(inner),
        Part::OneOf(all) => all.iter().flat_map(|parts| words(parts)).collect(),
    };
    parts.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let expected = vec![
            Part::Literal("SET"),
            Part::Word("key"),
            Part::Optional(vec![Part::OneOf(vec![
                vec![Part::Literal("NX")],
                vec![Part::Literal("EX"), Part::Word("seconds")],
            ])]),
        ];
        assert_eq!(parse("SET <key> [ ( NX | EX <seconds> ) ]"), Ok(expected));
        for wrong in ["A [ B", "A ]", "A ( B ]", "A | B", "{ A | B }"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
