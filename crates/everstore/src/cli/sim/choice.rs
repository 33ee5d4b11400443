//! What may be said on the command line of `sim`, and what it means.

use std::fmt;

use sim::clients::workload::{WORKLOADS, Workload};
use sim::faults::{KINDS, by_name};

/// Which faults may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Faults {
    /// A mix of all that each seed draws.
    Mix,
    /// All of these, by their places in the table of kinds.
    These(Vec<usize>),
}

impl Faults {
    /// Kinds, and whether all of them are used.
    pub fn into_kinds(self) -> (Vec<usize>, bool) {
        match self {
            Faults::Mix => ((0..KINDS.len()).collect(), false),
            Faults::These(kinds) => (kinds, true),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Faults::Mix => f.write_str("all"),
            Faults::These(kinds) if kinds.is_empty() => f.write_str("none"),
            Faults::These(kinds) => {
                let names: Vec<&str> = kinds.iter().map(|at| KINDS[*at].name).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

/// Which workloads clients have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workloads(pub Vec<Workload>);

impl fmt::Display for Workloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = WORKLOADS.iter().filter(|(_, workload)| self.0.contains(workload));
        let names: Vec<&str> = chosen.map(|(name, _)| *name).collect();
        f.write_str(&names.join(","))
    }
}

/// `A..B`
pub fn seeds(text: &str) -> Result<(u64, u64), String> {
    let wrong = || format!("'{text}'; allowed: A..B, two numbers, the first not above the second");
    let (first, last) = text.split_once("..").ok_or_else(wrong)?;
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
        _ => Err(wrong()),
    }
}

/// A size of a cluster in which at first every node has a replica of each shard.
pub fn nodes(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(nodes @ (3 | 5)) => Ok(nodes),
        _ => Err(format!("'{text}'; allowed: 3 or 5")),
    }
}

/// Simulated minutes.
pub fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.05..=600.0).contains(&minutes) => Ok(minutes),
        _ => Err(format!("'{text}'; allowed: 0.05 to 600")),
    }
}

/// Names of faults.
pub fn faults(text: &str) -> Result<Faults, String> {
    match text {
        "all" => return Ok(Faults::Mix),
        "none" => return Ok(Faults::These(Vec::new())),
        _ => {}
    }
    let kind = |name: &str| {
        let allowed = || KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
        by_name(name).ok_or_else(|| format!("'{name}'; allowed: all, none, or some of {}", allowed()))
    };
    text.split(',').map(kind).collect::<Result<_, _>>().map(Faults::These)
}

/// Names of workloads.
pub fn workloads(text: &str) -> Result<Workloads, String> {
    if text == "all" {
        return Ok(Workloads(WORKLOADS.iter().map(|(_, workload)| *workload).collect()));
    }
    let workload = |name: &str| {
        let found = WORKLOADS.iter().find(|(known, _)| *known == name).map(|(_, workload)| *workload);
        let allowed = || WORKLOADS.map(|(name, _)| name).join(", ");
        found.ok_or_else(|| format!("'{name}'; allowed: all, or some of {}", allowed()))
    };
    text.split(',').map(workload).collect::<Result<_, _>>().map(Workloads)
}

/// All names, for people.
pub fn list() -> String {
    let mut text = "faults\n".to_owned();
    KINDS.iter().for_each(|kind| text.push_str(&format!("  {:<11} {}\n", kind.name, kind.what)));
    text.push_str("workloads\n  ");
    text.push_str(&WORKLOADS.map(|(name, _)| name).join(" "));
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_named_with_what_is() {
        assert_eq!(seeds("3..9"), Ok((3, 9)));
        assert!(seeds("9..3").unwrap_err().contains("'9..3'; allowed: A..B"));
        assert!(nodes("4").unwrap_err().contains("'4'; allowed: 3 or 5"));
        assert!(minutes("0").unwrap_err().contains("allowed: 0.05 to 600"));
        assert!(
            faults("kill,killl").unwrap_err().starts_with("'killl'; allowed: all, none, or some of reset")
        );
        assert!(workloads("x").unwrap_err().contains("registers"));
    }

    #[test]
    fn choices_print_as_they_are_said() {
        for text in ["all", "none", "kill,power"] {
            assert_eq!(faults(text).unwrap().to_string(), text);
        }
        assert_eq!(workloads("counters,appends").unwrap().to_string(), "counters,appends");
        assert!(list().contains("kill-all") && list().contains("registers"));
    }
}
