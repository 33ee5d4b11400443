//! Random commands, group by group. A group is a file of data: its keys, its lines and its words. A line whose
//! command is not in the command table is left out until it is, and so is a group whose first line is.

mod bitmaps;
mod draw;
mod geo;
mod hashes;
mod hyperloglog;
mod keys;
mod lex;
mod lists;
mod pattern;
mod sets;
mod sort;
mod sorted_sets;
mod streams;
mod strings;
mod transactions;

use shard::table;

use super::connection::Command;
use draw::Draw;
use pattern::Part;
use transactions::Block;

/// What is known of a group of commands.
#[derive(Debug)]
pub struct Group {
    /// Its name on the command line.
    pub name: &'static str,
    /// Keys that are meant to hold its type; few, so that they meet.
    pub keys: &'static [&'static str],
    /// No other group has these keys, nor has a line any of another group; and no argument is spoiled.
    pub private: bool,
    /// Lines in the language of `grammar/pattern.rs`; one that stands twice is drawn twice as often.
    pub lines: &'static [&'static str],
    /// Lines that end much of what was there: drawn once in [`RARE`] commands of the group.
    pub rare: &'static [&'static str],
    /// Words of its own, by name, which go before those of `grammar/draw.rs`.
    pub words: &'static [(&'static str, &'static [&'static str])],
}

/// Every group there is.
pub const ALL: &[&Group] = &[
    &strings::GROUP,
    &bitmaps::GROUP,
    &keys::GROUP,
    &hyperloglog::GROUP,
    &hashes::GROUP,
    &lists::GROUP,
    &sets::GROUP,
    &sorted_sets::GROUP,
    &lex::GROUP,
    &geo::GROUP,
    &sort::GROUP,
    &streams::GROUP,
];

/// One command of a group in so many is a rare one.
const RARE: usize = 300;
/// One command in so many has something wrong with its arguments.
const WRONG: usize = 25;

/// Draws commands by a seed.
#[derive(Debug)]
pub struct Generator {
    draw: Draw,
    lines: Vec<Lines>,
    block: Block,
}

/// The lines of a group, as they are drawn from.
#[derive(Debug)]
struct Lines {
    group: &'static str,
    usual: Vec<Vec<Part>>,
    rare: Vec<Vec<Part>>,
}

impl Generator {
    /// A generator for these groups. With `every` also for commands that are not in the table.
    ///
    /// # Errors
    /// A line cannot be read, or a group has none.
    pub fn new(seed: u64, groups: &[&'static Group], every: bool) -> Result<Generator, String> {
        let mut lines = Vec::new();
        let mut used = Vec::new();
        for group in groups {
            if every || group.lines.first().is_some_and(|line| is_known(line)) {
                let (usual, rare) = (read(group.lines, every)?, read(group.rare, every)?);
                lines.push(Lines { group: group.name, usual, rare });
                used.push(*group);
            }
        }
        if used.is_empty() {
            return Err("none of these groups has a command that is in the command table".into());
        }
        Ok(Generator { draw: Draw::new(seed, used), lines, block: Block::default() })
    }

    /// From now on one key in so many is of another group than its command.
    pub fn cross(&mut self, one_in: usize) {
        self.draw.cross(one_in);
    }

    /// From now on all keys are others than before, except those of the same number.
    pub fn enter(&mut self, number: usize) {
        self.draw.enter(number);
    }

    /// Whether keys are watched before transactions.
    pub fn watch(&mut self, watches: bool) {
        self.block.watches = watches;
    }

    /// The groups whose commands are drawn.
    pub fn groups(&self) -> Vec<&'static str> {
        self.lines.iter().map(|lines| lines.group).collect()
    }

    /// The next command, on its own or a part of a transaction.
    pub fn command(&mut self) -> Command {
        if let Some(part) = self.block.next(&mut self.draw) {
            return part;
        }
        let mut command = self.single();
        while self.block.refuses(&command) {
            command = self.single();
        }
        self.block.has(&command);
        command
    }

    fn single(&mut self) -> Command {
        let group = self.draw.group();
        let Some(Lines { usual, rare, .. }) = self.lines.iter().find(|lines| lines.group == group.name)
        else {
            return vec![b"PING".to_vec()];
        };
        let from = if !rare.is_empty() && self.draw.chance(RARE) { rare } else { usual };
        let mut command = Command::new();
        let line = self.draw.below(from.len());
        pattern::expand(&from[line], &mut self.draw, &mut command);
        if self.draw.chance(WRONG) && !group.private {
            self.spoil(&mut command);
        }
        command
    }

    /// An argument too few, one too many or one that is odd; or the same command in lower case.
    fn spoil(&mut self, command: &mut Command) {
        let at = 1 + self.draw.below(command.len());
        match self.draw.below(4) {
            0 if at < command.len() => drop(command.remove(at)),
            1 => command.insert(at, self.draw.odd()),
            2 if at < command.len() => command[at] = self.draw.odd(),
            _ => command[0].make_ascii_lowercase(),
        }
    }
}

fn read(lines: &'static [&'static str], every: bool) -> Result<Vec<Vec<Part>>, String> {
    let known = |line: &&&str| every || is_known(line);
    lines.iter().filter(known).map(|line| pattern::parse(line)).collect()
}

/// Whether the command of a line, or its subcommand, is in the table.
fn is_known(line: &str) -> bool {
    let mut words = line.split(' ').map(str::as_bytes);
    words.next().is_some_and(|name| table::resolve(name, words.next()).is_ok())
}

/// The group with this name.
///
/// # Errors
/// There is none; the text says which there are.
pub fn group(name: &str) -> Result<&'static Group, String> {
    let found = ALL.iter().find(|group| group.name == name);
    found.copied().ok_or_else(|| {
        let names: Vec<_> = ALL.iter().map(|group| group.name).collect();
        format!("no group {name:?}: there are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_can_be_drawn() {
        for group in ALL {
            for line in group.lines.iter().chain(group.rare) {
                let parts = pattern::parse(line).unwrap_or_else(|e| panic!("{}: {e}", group.name));
                for word in pattern::words(&parts) {
                    assert!(Draw::knows(group, word), "{}: <{word}> in {line:?}", group.name);
                }
            }
        }
    }

    #[test]
    fn a_seed_always_gives_the_same_commands() {
        let drawn = |seed| -> Vec<Command> {
            let mut generator = Generator::new(seed, ALL, true).expect("a generator");
            (0..200).map(|_| generator.command()).collect()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    /// Keys that expire while commands run would make replies differ by chance.
    #[test]
    fn no_time_is_over_while_commands_run() {
        let mut generator = Generator::new(1, ALL, true).expect("a generator");
        for _ in 0..50_000 {
            let command = generator.command();
            let timed = [("EXPIRE", 3), ("PEXPIRE", 3), ("SETEX", 4), ("PSETEX", 4)];
            let is_one = |(name, least): &(&str, usize)| {
                command[0].eq_ignore_ascii_case(name.as_bytes()) && command.len() >= *least
            };
            if timed.iter().any(is_one) {
                let time = String::from_utf8_lossy(&command[2]).parse::<i64>().unwrap_or(0);
                assert!(!(1..100_000).contains(&time), "{}", super::super::script::line_of(&command));
            }
        }
    }
}
