//! What became of each key, and whether the numbers add up at the end.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::batch::Entry;
use super::now_ms;
use crate::cli::table::Table;

/// Only expiries within this time are counted by the second: so many are kept at most, and no import takes longer.
const DUE_WITHIN_SECONDS: u64 = 7 * 86_400;

/// What became of a key that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is there now and was not before.
    Written,
    /// It was there and has the new value.
    Replaced,
    /// It was there with the same value.
    Same,
    /// It was there and was left alone.
    Skipped,
}

/// Keys by what became of them. All of them together are those read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Met in the source.
    pub read: u64,
    /// See [`Fate::Written`].
    pub written: u64,
    /// See [`Fate::Replaced`].
    pub replaced: u64,
    /// See [`Fate::Same`].
    pub same: u64,
    /// See [`Fate::Skipped`].
    pub skipped: u64,
    /// Whose time was over, or that were deleted while they were read.
    pub expired: u64,
    /// That could not be read or written; each was named.
    pub refused: u64,
    /// Keys written, by the second in which they expire.
    due: BTreeMap<u64, u64>,
}

impl Counts {
    /// Counts one key.
    pub fn add(&mut self, fate: Fate, entry: &Entry) {
        match fate {
            Fate::Written => self.written += 1,
            Fate::Replaced => self.replaced += 1,
            Fate::Same => self.same += 1,
            Fate::Skipped => self.skipped += 1,
        }
        let second = entry.expires_ms / 1000;
        if entry.expires_ms > 0 && second <= now_ms() / 1000 + DUE_WITHIN_SECONDS {
            *self.due.entry(second).or_default() += 1;
        }
    }

    /// Keys written or met that may have expired by now, with a second for clocks that differ.
    fn due(&self, now_ms: u64) -> u64 {
        self.due.range(..=now_ms / 1000 + 1).map(|(_, keys)| keys).sum()
    }

    /// Keys that may have been met twice: a `SCAN` may answer with a key again while its table shrinks.
    fn perhaps_twice(&self) -> u64 {
        self.replaced + self.same + self.skipped
    }

    fn add_up(&self) -> bool {
        self.read == self.written + self.replaced + self.same + self.skipped + self.expired + self.refused
    }
}

/// Keys of a keyspace as its owner counts them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sized {
    /// `DBSIZE`.
    pub keys: u64,
    /// Keys that have an expiry.
    pub expiring: u64,
}

/// One keyspace of a transfer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number in the source.
    pub from: u32,
    /// Its number in the target; `None` if that is a file.
    pub to: Option<u16>,
    /// What became of its keys.
    pub counts: Counts,
    /// The source at the end; `None` if it is a file or only a part of the keys was asked for.
    pub source: Option<Sized>,
    /// The target before.
    pub before: Sized,
    /// Keys of the target at the end.
    pub after: u64,
}

impl Row {
    /// What does not add up. A difference that keys which expire explain is none.
    pub fn differences(&self, now_ms: u64) -> Vec<String> {
        let (counts, due) = (&self.counts, self.counts.due(now_ms));
        let mut out = Vec::new();
        if counts.refused > 0 {
            out.push(format!("{} keys were refused", counts.refused));
        }
        if !counts.add_up() {
            out.push(format!("{} keys were read, and something else was counted of them", counts.read));
        }
        if let Some(source) = self.source {
            let least = counts.read.saturating_sub(counts.expired + due + counts.perhaps_twice());
            let why = "the source was changed meanwhile";
            let range = (least, counts.read + source.expiring);
            out.extend(outside("the source", source.keys, range, counts.read, why));
        }
        if self.to.is_some() {
            let most = self.before.keys + counts.written;
            let least = most.saturating_sub(due + self.before.expiring);
            let why = "somebody else changed the keyspace meanwhile";
            out.extend(outside("the target", self.after, (least, most), most, why));
        }
        out
    }

    fn name(&self) -> String {
        match self.to {
            Some(to) if u32::from(to) != self.from => format!("{} -> {to}", self.from),
            _ => self.from.to_string(),
        }
    }
}

fn outside(whose: &str, found: u64, (least, most): (u64, u64), expected: u64, why: &str) -> Option<String> {
    let far = found.abs_diff(expected);
    if found < least {
        Some(format!("{whose} has {far} keys fewer than expected: {why}"))
    } else if found > most {
        Some(format!("{whose} has {far} keys more than expected: {why}"))
    } else {
        None
    }
}

/// A heading, and what stands below it.
type Column = (&'static str, fn(&Row) -> String);

/// All keyspaces of a transfer.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of the source.
    pub rows: Vec<Row>,
    /// Why the transfer ended too early.
    pub ended: Option<String>,
    /// What a person must know beside the numbers.
    pub warnings: Vec<String>,
}

impl Report {
    /// The row of a keyspace, if it has one already.
    pub fn row(&mut self, from: u32) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.from == from)
    }

    /// What does not add up, with the keyspace.
    pub fn differences(&self, now_ms: u64) -> Vec<String> {
        let of_row = |row: &Row| {
            let name = row.name();
            row.differences(now_ms).into_iter().map(move |text| format!("keyspace {name}: {text}"))
        };
        let mut out: Vec<String> = self.rows.iter().flat_map(of_row).collect();
        out.extend(self.ended.iter().map(|why| format!("it ended too early: {why}")));
        out
    }

    /// The columns that have something to say.
    fn columns(&self) -> Vec<Column> {
        let any = |told: fn(&Row) -> bool| self.rows.iter().any(told);
        let all: [(Column, bool); 12] = [
            (("KEYSPACE", Row::name), true),
            ((">READ", |row| row.counts.read.to_string()), true),
            ((">WRITTEN", |row| row.counts.written.to_string()), true),
            ((">REPLACED", |row| row.counts.replaced.to_string()), any(|row| row.counts.replaced > 0)),
            ((">SAME", |row| row.counts.same.to_string()), any(|row| row.counts.same > 0)),
            ((">SKIPPED", |row| row.counts.skipped.to_string()), any(|row| row.counts.skipped > 0)),
            ((">EXPIRED", |row| row.counts.expired.to_string()), true),
            ((">REFUSED", |row| row.counts.refused.to_string()), true),
            (
                (">SOURCE", |row| row.source.map_or("-".to_owned(), |s| s.keys.to_string())),
                any(|r| r.source.is_some()),
            ),
            ((">BEFORE", |row| row.before.keys.to_string()), any(|row| row.to.is_some())),
            ((">AFTER", |row| row.after.to_string()), any(|row| row.to.is_some())),
            (("CHECK", |_| String::new()), true),
        ];
        all.into_iter().filter(|(_, shown)| *shown).map(|(column, _)| column).collect()
    }

    /// For people: a table, what they must know, and `OK` or `DIFFERS`.
    pub fn page(&self, now_ms: u64) -> String {
        let columns = self.columns();
        let mut table = Table::new(&columns.iter().map(|(heading, _)| *heading).collect::<Vec<_>>());
        for row in &self.rows {
            let check = if row.differences(now_ms).is_empty() { "OK" } else { "DIFFERS" };
            table.row(columns.iter().map(|(heading, cell)| match *heading {
                "CHECK" => check.to_owned(),
                _ => cell(row),
            }));
        }
        let mut out = table.render();
        let differences = self.differences(now_ms);
        out.extend(self.warnings.iter().map(|warning| format!("note: {warning}\n")));
        out.extend(differences.iter().map(|text| format!("{text}\n")));
        out.push_str(if differences.is_empty() { "OK\n" } else { "DIFFERS\n" });
        out
    }

    /// For programs.
    pub fn json(&self, now_ms: u64) -> Json {
        let row = |row: &Row| {
            let counts = &row.counts;
            json!({
                "from": row.from,
                "to": row.to,
                "read": counts.read,
                "written": counts.written,
                "replaced": counts.replaced,
                "same": counts.same,
                "skipped": counts.skipped,
                "expired": counts.expired,
                "refused": counts.refused,
                "source": row.source.map(|source| source.keys),
                "before": row.to.map(|_| row.before.keys),
                "after": row.to.map(|_| row.after),
            })
        };
        let differences = self.differences(now_ms);
        json!({
            "keyspaces": self.rows.iter().map(row).collect::<Vec<_>>(),
            "notes": self.warnings,
            "differences": differences,
            "ok": differences.is_empty(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(expires_ms: u64) -> Entry {
        Entry { key: b"k".to_vec(), expires_ms, payload: Vec::new() }
    }

    fn row(written: u64, expires_ms: u64) -> Row {
        let mut row = Row { to: Some(0), after: written, ..Row::default() };
        for _ in 0..written {
            row.counts.read += 1;
            row.counts.add(Fate::Written, &entry(expires_ms));
        }
        row.source = Some(Sized { keys: written, expiring: 0 });
        row
    }

    #[test]
    fn numbers_that_add_up_are_ok() {
        assert_eq!(row(3, 0).differences(0), Vec::<String>::new());
        let mut replaced = row(3, 0);
        replaced.counts.read += 2;
        replaced.counts.add(Fate::Replaced, &entry(0));
        replaced.counts.add(Fate::Skipped, &entry(0));
        replaced.before.keys = 2;
        replaced.after = 5;
        replaced.source = Some(Sized { keys: 5, expiring: 0 });
        assert_eq!(replaced.differences(0), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_or_too_much_is_told() {
        let told = |change: fn(&mut Row)| {
            let mut row = row(3, 0);
            change(&mut row);
            row.differences(0).join("; ")
        };
        assert!(told(|row| row.after = 2).contains("the target has 1 keys fewer than expected"));
        assert!(told(|row| row.after = 5).contains("the target has 2 keys more than expected"));
        assert!(told(|row| row.source.as_mut().unwrap().keys = 4).contains("the source has 1 keys more"));
        assert!(told(|row| row.source.as_mut().unwrap().keys = 2).contains("the source has 1 keys fewer"));
        assert!(told(|row| row.counts.read = 4).contains("something else was counted"));
        assert!(told(|row| (row.counts.read, row.counts.refused) = (4, 1)).contains("1 keys were refused"));
    }

    #[test]
    fn keys_that_expire_meanwhile_are_no_difference() {
        let mut written = row(3, 10_000);
        written.after = 1;
        written.source = Some(Sized { keys: 1, expiring: 0 });
        assert_eq!(written.differences(5_000).len(), 2, "their time is not over");
        assert_eq!(written.differences(10_000), Vec::<String>::new());
        let mut there = row(3, 0);
        (there.before, there.after) = (Sized { keys: 2, expiring: 1 }, 4);
        assert_eq!(there.differences(0), Vec::<String>::new());
        there.after = 3;
        assert_eq!(there.differences(0).len(), 1);
        let mut source = row(3, 0);
        source.source = Some(Sized { keys: 4, expiring: 1 });
        assert_eq!(source.differences(0), Vec::<String>::new(), "it keeps expired keys for a while");
    }

    #[test]
    fn the_last_line_is_the_verdict() {
        let mut report = Report { rows: vec![row(3, 0)], ..Report::default() };
        let page = report.page(0);
        assert!(page.ends_with("OK\n") && page.lines().nth(1).unwrap().ends_with("  OK"), "{page}");
        report.rows[0].to = Some(7);
        report.ended = Some("no node".into());
        let page = report.page(0);
        assert!(
            page.ends_with("it ended too early: no node\nDIFFERS\n") && page.contains("0 -> 7"),
            "{page}"
        );
        assert_eq!(report.json(0)["ok"], false);
    }
}
