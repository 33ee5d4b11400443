//! What one part of the load showed: before, during or after a split.

use super::super::measure::median;
use super::super::probe::Times;
use super::super::report::table;

/// One part.
#[derive(Debug)]
pub struct Phase {
    /// What the table calls it.
    pub what: String,
    /// How long it took.
    pub seconds: f64,
    /// Acknowledged writes per second.
    pub rate: f64,
    /// Longest wait of a writer, ms.
    pub longest_ms: f64,
    /// The separate clients.
    pub clients: Times,
}

impl Phase {
    /// As a line of the table.
    pub fn row(&self) -> Vec<String> {
        row(&[self])
    }
}

/// The table of all parts in all rounds.
pub fn phases(rounds: &[Vec<Phase>]) -> String {
    let parts = rounds.first().map_or(0, Vec::len);
    let rows: Vec<Vec<String>> =
        (0..parts).map(|at| row(&rounds.iter().map(|round| &round[at]).collect::<Vec<_>>())).collect();
    let headings = [
        "part",
        "seconds",
        "writes/s",
        "longest wait of a writer ms",
        "separate clients: p99 of GET ms",
        "p99 of SET ms",
        "longest ms",
    ];
    table(&headings, &rows)
}

/// One part in all rounds: medians, and the longest of all waits.
fn row(all: &[&Phase]) -> Vec<String> {
    let of = |figure: &dyn Fn(&Phase) -> f64| median(all.iter().map(|phase| figure(phase)));
    let most = |figure: &dyn Fn(&Phase) -> f64| all.iter().map(|phase| figure(phase)).fold(0.0, f64::max);
    let p99 = |at: usize| of(&|phase| phase.clients.quantile_us(0.99)[at]) / 1000.0;
    let longest = |phase: &Phase| phase.clients.quantile_us(1.0).into_iter().fold(0.0, f64::max) / 1000.0;
    vec![
        all[0].what.clone(),
        format!("{:.1}", of(&|phase| phase.seconds)),
        format!("{:.0}", of(&|phase| phase.rate)),
        format!("{:.0}", most(&|phase| phase.longest_ms)),
        format!("{:.1}", p99(0)),
        format!("{:.1}", p99(1)),
        format!("{:.0}", most(&longest)),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn phase(rate: f64, longest_ms: f64) -> Phase {
        let mut clients = Times::default();
        clients.get.add(Duration::from_millis(2));
        clients.set.add(Duration::from_millis(longest_ms as u64));
        Phase { what: "before: 8 shards".into(), seconds: 5.0, rate, longest_ms, clients }
    }

    #[test]
    fn rates_are_medians_and_waits_the_longest() {
        let text = phases(&[vec![phase(900.0, 64.0)], vec![phase(1000.0, 16.0)], vec![phase(950.0, 8.0)]]);
        let line = text.lines().last().expect("a line");
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells[..4], ["before: 8 shards", "5.0", "950", "64"]);
        let near =
            |cell: &str, exact: f64| cell.parse::<f64>().is_ok_and(|ms| (ms - exact).abs() < exact * 0.07);
        assert!(near(cells[4], 2.0) && near(cells[5], 16.0) && near(cells[6], 64.0), "{line}");
    }
}
