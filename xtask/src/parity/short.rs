//! Little memory for our rows: so little that most of what is compared is on disk when it is asked for.
//!
//! The keys of a round are many times as many, in *rooms* that commands come back to, and beside them is ballast that is
//! written and read whenever they leave one. So what a room holds is in the row store, and out of memory, before they are
//! back.

use super::connection::{Command, Connection, words};
use super::contenders::Contenders;
use super::value::Value;

/// What small memory is, as flags of a node.
pub const TINY: [&str; 4] = ["--max-memory", "1mb", "--checkpoint-log-share", "8mb"];
/// Commands of a round.
pub const ROUND: usize = 4_000;
/// Rooms with keys of their own.
const ROOMS: usize = 16;
/// One command in so many must have met rows on disk, else nothing was shown.
const LEAST: u64 = 20;
/// Rows of ballast, bytes of each, and how many are written, and read, before a room is entered.
const ROWS: usize = 128;
const BYTES: usize = 32_000;
const WRITTEN: usize = 10;
const READ: usize = 40;
/// Its keyspace, which is not compared.
const KEYSPACE: u16 = 2;

/// The room in which a batch of commands is.
pub fn room(batch: usize) -> usize {
    batch % ROOMS
}

/// Rows beside the compared ones that take their memory.
#[derive(Debug)]
pub struct Ballast<'a> {
    contenders: &'a Contenders,
    connection: Connection,
    next: usize,
    /// Rows fetched before anything was compared, and for the ballast itself.
    not_counted: u64,
}

impl<'a> Ballast<'a> {
    /// Writes all of it.
    ///
    /// # Errors
    /// Our side breaks.
    pub fn load(contenders: &'a Contenders) -> Result<Ballast<'a>, String> {
        let mut connection = contenders.ours()?;
        connection.must(&format!("SELECT {KEYSPACE}"))?;
        let mut ballast = Ballast { contenders, connection, next: 0, not_counted: 0 };
        ballast.write(ROWS)?;
        ballast.not_counted = contenders.fetches();
        Ok(ballast)
    }

    fn write(&mut self, rows: usize) -> Result<(), String> {
        for _ in 0..rows {
            let mut command = words(&format!("SET ballast:{}", self.next % ROWS));
            command.push(vec![b'x'; BYTES]);
            let reply = self.connection.run(&command)?;
            if reply.is_error() {
                return Err(format!("Everstore: ballast is refused: {}", reply.render().join(" ")));
            }
            self.next += 1;
        }
        Ok(())
    }

    /// Fills the memory with some of it. What a FLUSHALL removed is there again.
    ///
    /// # Errors
    /// Our side breaks.
    pub fn fill(&mut self) -> Result<(), String> {
        let before = self.contenders.fetches();
        let flushed = self.connection.must("DBSIZE")? == Value::Line(":0".into());
        self.write(if flushed { ROWS } else { WRITTEN })?;
        let from = self.next;
        let reads: Vec<Command> =
            (from..from + READ).map(|i| words(&format!("STRLEN ballast:{}", i % ROWS))).collect();
        self.connection.run_all(&reads)?;
        self.not_counted += self.contenders.fetches() - before;
        Ok(())
    }

    /// Rows fetched from disk for the commands that were compared.
    pub fn fetches(&self) -> u64 {
        self.contenders.fetches().saturating_sub(self.not_counted)
    }

    /// Whether so many commands have met rows on disk often enough to prove anything.
    ///
    /// # Errors
    /// They have not.
    pub fn proves(&self, commands: usize) -> Result<(), String> {
        let (fetches, least) = (self.fetches(), commands as u64 / LEAST);
        if fetches >= least.max(1) {
            return Ok(());
        }
        Err(format!(
            "{fetches} rows were fetched from disk for {commands} commands, {least} at least are needed to show \
             anything of small memory"
        ))
    }
}
