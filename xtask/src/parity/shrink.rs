//! A shorter sequence that still shows the difference: parts of it are left out as long as it does.

use super::connection::Command;

/// Leaves out commands for as long as `differs` says yes to the rest, in halves at first, then in ever smaller
/// parts down to single commands. The result differs; no single command can be left out of it, unless `most`
/// runs were not enough.
///
/// # Errors
/// Those of `differs`.
pub fn shrink(
    commands: &[Command],
    most: usize,
    mut differs: impl FnMut(&[Command]) -> Result<bool, String>,
) -> Result<Vec<Command>, String> {
    let mut left = commands.to_vec();
    let mut runs = 0;
    let mut size = left.len().div_ceil(2);
    while size > 0 && runs < most {
        let mut shorter_found = false;
        let mut end = left.len();
        // From the end: what is last depends on what is first, seldom the other way round.
        while end > 0 && runs < most {
            let start = end.saturating_sub(size);
            let shorter = [&left[..start], &left[end..]].concat();
            runs += 1;
            if differs(&shorter)? {
                left = shorter;
                shorter_found = true;
            }
            end = start;
        }
        if !shorter_found || size > 1 {
            size /= 2;
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::super::connection::words;
    use super::*;

    #[test]
    fn what_is_needed_stays() {
        let commands: Vec<Command> = (0..200).map(|i| words(&format!("N {i}"))).collect();
        let needed = [words("N 17"), words("N 130"), words("N 131")];
        let has_all = |all: &[Command]| Ok(needed.iter().all(|one| all.contains(one)));
        assert_eq!(shrink(&commands, 400, has_all), Ok(needed.to_vec()));
    }

    #[test]
    fn errors_end_it() {
        let commands = vec![words("A"), words("B")];
        assert_eq!(shrink(&commands, 400, |_| Err("broken".into())), Err("broken".into()));
    }
}
