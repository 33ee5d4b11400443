//! `client-output-buffer-limit` of Redis: a hard limit, and a soft one with its seconds, for each class of clients. Here
//! `output-buffer-limit` is the hard limit of all of them.

use crate::config::units::parse_size;

/// The name of the option.
pub(super) const NAME: &str = "client-output-buffer-limit";

/// The limits as Redis shows them. `most`: bytes, of `output-buffer-limit`.
pub(super) fn show(most: u64) -> String {
    format!("normal {most} 0 0 slave 0 0 0 pubsub {most} 0 0")
}

/// The hard limit of normal clients, bytes, if one is given. Replicas are no clients here, and nobody subscribes yet, so
/// what is said of those changes nothing.
///
/// # Errors
/// What is wrong, in words: another form, or a limit that would not be kept.
pub(super) fn parse(text: &str) -> Result<Option<u64>, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err(
            "allowed: class, hard limit, soft limit and seconds, such as 'normal 64mb 0 0'".to_owned()
        );
    }
    let mut limit = None;
    for class in words.chunks_exact(4) {
        let numbers = (parse_size(class[1]), parse_size(class[2]), class[3].parse::<u64>());
        let (Some(hard), Some(soft), Ok(seconds)) = numbers else {
            return Err(format!("'{}' are no limits; allowed: two sizes and seconds", class[1..].join(" ")));
        };
        match class[0].to_ascii_lowercase().as_str() {
            "normal" if hard == 0 => {
                return Err("every client has a limit here: 'normal' needs a hard one".to_owned());
            }
            "normal" if soft > 0 && soft < hard && seconds > 0 => {
                return Err("there are no soft limits: give 'normal' a hard one, and 0 0".to_owned());
            }
            "normal" => limit = Some(hard),
            "slave" | "replica" | "pubsub" => {}
            other => return Err(format!("class '{other}' does not exist; allowed: normal, replica, pubsub")),
        }
    }
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_be_kept_is_refused() {
        assert_eq!(parse(&show(64 << 20)), Ok(Some(64 << 20)));
        assert_eq!(parse("normal 1mb 2mb 60 replica 3mb 4mb 70 pubsub 5mb 6mb 80"), Ok(Some(1 << 20)));
        assert_eq!(parse("replica 0 0 0"), Ok(None));
        for (bad, why) in [
            ("", "allowed"),
            ("normal 1mb", "allowed"),
            ("normal 0 0 0", "every client"),
            ("normal 2mb 1mb 60", "soft"),
            ("normal 1mbs 0 0", "'1mbs 0 0'"),
            ("pubsub 1mb 0 60s", "'1mb 0 60s'"),
            ("master 1mb 0 0", "'master'"),
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
