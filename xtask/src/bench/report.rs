//! `docs/performance.md`: one section per scenario, of which only the measured ones are replaced.

use super::measure::median;
use super::{BenchArgs, Scenario, machine};
use crate::run::root;

/// What a scenario found, as Markdown.
#[derive(Debug)]
pub struct Section {
    /// Marks the section in the file.
    pub key: &'static str,
    /// Heading.
    pub title: &'static str,
    /// Tables and lists.
    pub text: String,
}

/// All sections of a run.
#[derive(Debug)]
pub struct Report {
    command: String,
    sections: Vec<Section>,
}

const HEAD: &str = "\
# Performance

Written by `cargo xtask bench`; repeat a section with the command under its heading. All processes and
the load generator share one machine, so absolute rates swing; trust the ratios, which are taken within
each round, and the CPU per operation. Figures are medians over the rounds. 100-byte values, 100 000
keys unless a section says otherwise. CPU per operation: the process clients talk to first, then the others.
";

impl Report {
    /// A report of a run with these flags.
    pub fn new(args: &BenchArgs, chosen: &[Scenario]) -> Report {
        let names: Vec<String> =
            chosen.iter().map(|scenario| format!("{scenario:?}").to_lowercase()).collect();
        let mut command = format!(
            "cargo xtask bench {} --rounds {} --seconds {}",
            names.join(" "),
            args.rounds,
            args.seconds
        );
        if chosen.contains(&Scenario::Types) && !args.tests.is_empty() {
            command.push_str(&format!(" --tests {}", args.tests.join(",")));
        }
        if chosen.contains(&Scenario::Memory) {
            command.push_str(&format!(" --keys {}", args.keys));
        }
        if chosen.contains(&Scenario::Exposure) {
            command.push_str(&format!(" --kills {}", args.kills));
        }
        Report { command, sections: Vec::new() }
    }

    /// Adds a section.
    pub fn add(&mut self, section: Section) {
        self.sections.push(section);
    }

    /// Replaces the sections in the file and keeps all others.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self) -> Result<(), String> {
        let path = root().join("docs").join("performance.md");
        let failed = |e: std::io::Error| format!("{}: {e}", path.display());
        let mut text = std::fs::read_to_string(&path).unwrap_or_else(|_| HEAD.to_string());
        for section in &self.sections {
            let body = format!(
                "\n## {}\n\n`{}`\n\n{}\n\n{}",
                section.title,
                self.command,
                machine::describe(),
                section.text
            );
            text = replaced(&text, section.key, &body);
        }
        std::fs::create_dir_all(root().join("docs")).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
        println!("written: {}", path.display());
        Ok(())
    }
}

/// `text` with the section between its marks replaced, or appended if it was not there.
fn replaced(text: &str, key: &str, body: &str) -> String {
    let (begin, end) = (format!("<!-- bench {key} -->"), format!("<!-- end {key} -->"));
    let section = format!("{begin}\n{body}\n{end}");
    match (text.find(&begin), text.find(&end)) {
        (Some(from), Some(to)) if from < to => {
            format!("{}{section}{}", &text[..from], &text[to + end.len()..])
        }
        _ => format!("{}\n\n{section}\n", text.trim_end()),
    }
}

/// Bytes of a MiB.
pub const MIB: f64 = (1 << 20) as f64;

/// Times before and meanwhile, µs, of all rounds: their medians, and that of the ratios within a round.
pub fn compared(pairs: &[[f64; 2]]) -> String {
    let of = |figure: fn(&[f64; 2]) -> f64| median(pairs.iter().map(figure));
    let ratio = of(|[before, during]| during / before.max(1.0));
    format!("{:.0} -> {:.0} us ({ratio:.1}x)", of(|pair| pair[0]), of(|pair| pair[1]))
}

/// A Markdown table.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = format!("| {} |\n|{}\n", headings.join(" | "), "---|".repeat(headings.len()));
    for row in rows {
        out.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_within_a_round() {
        let rounds = [[100.0, 150.0], [200.0, 220.0], [300.0, 900.0]];
        assert_eq!(compared(&rounds), "200 -> 220 us (1.5x)");
        assert_eq!(compared(&[[0.0, 7.0]]), "0 -> 7 us (7.0x)");
    }

    #[test]
    fn only_the_measured_section_changes() {
        let first = replaced("# Head\n", "a", "one");
        let both = replaced(&first, "b", "two");
        let again = replaced(&both, "a", "three");
        assert!(!again.contains("one") && again.contains("two") && again.contains("three"), "{again}");
        assert!(again.find("three") < again.find("two"), "the order stays");
        assert_eq!(replaced(&again, "a", "three"), again);
    }
}
