//! Which reply is to which command: those of a transaction come together.

use super::compare::{Freedom, freedom, same};
use super::connection::Command;
use super::value::Value;

/// A command with the replies of both sides.
pub type Answered<'a> = (&'a Command, &'a Value, &'a Value);

/// What is queued between MULTI and EXEC.
#[derive(Debug, Default)]
pub struct Replies {
    queued: Vec<Command>,
}

fn is(command: &Command, name: &str) -> bool {
    command.first().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
}

impl Replies {
    /// The command with its replies; for an EXEC that ran, all that it ran.
    pub fn of<'a>(&'a self, command: &'a Command, ours: &'a Value, theirs: &'a Value) -> Vec<Answered<'a>> {
        match (ours, theirs) {
            (Value::Many(_, ours), Value::Many(_, theirs))
                if is(command, "EXEC") && ours.len() == self.queued.len() && theirs.len() == ours.len() =>
            {
                let replies = ours.iter().zip(theirs);
                self.queued
                    .iter()
                    .zip(replies)
                    .map(|(command, (ours, theirs))| (command, ours, theirs))
                    .collect()
            }
            _ => vec![(command, ours, theirs)],
        }
    }

    /// Takes notice of a command that was answered so.
    pub fn note(&mut self, command: &Command, reply: &Value) {
        if *reply == Value::Line("+QUEUED".into()) {
            self.queued.push(command.clone());
        } else if is(command, "EXEC") || is(command, "DISCARD") {
            self.queued.clear();
        }
    }
}

/// Whether the next command has to wait for what becomes of this one: what it chose, or dumped, on both sides.
pub fn ends_a_batch(command: &Command) -> bool {
    is(command, "EXEC") || matches!(freedom(command), Freedom::Choice | Freedom::Payload)
}

/// [`same`], but where rows leave memory, and with them what is known of how a string came to be, and that a sorted
/// set was sorted.
pub fn alike((command, ours, theirs): Answered<'_>, short_of_memory: bool) -> bool {
    let one_of = |forms: &[&str]| {
        let is = |value: &Value| matches!(value, Value::Bulk(bytes) if forms.iter().any(|f| f.as_bytes() == bytes));
        is(ours) && is(theirs)
    };
    let forgotten = || one_of(&["int", "embstr", "raw"]) || one_of(&["listpack", "skiplist"]);
    same(command, ours, theirs) || short_of_memory && is(command, "OBJECT") && forgotten()
}

#[cfg(test)]
mod tests {
    use super::super::connection::words;
    use super::*;

    fn value(text: &str) -> Value {
        Value::read(text.replace(' ', "\r\n").as_bytes()).expect("a whole reply").0
    }

    #[test]
    fn replies_of_a_transaction_are_those_of_its_commands() {
        let mut replies = Replies::default();
        let (queued, exec) = (value("+QUEUED "), words("EXEC"));
        replies.note(&words("MULTI"), &value("+OK "));
        replies.note(&words("SMEMBERS a"), &queued);
        replies.note(&words("NO"), &value("-ERR "));
        replies.note(&words("GET b"), &queued);
        let (ours, theirs) = (value("*2 *2 :1 :2 :5 "), value("*2 *2 :2 :1 :6 "));
        let all = replies.of(&exec, &ours, &theirs);
        let verdicts: Vec<_> = all.iter().map(|one| (one.0.clone(), alike(*one, false))).collect();
        assert_eq!(verdicts, [(words("SMEMBERS a"), true), (words("GET b"), false)]);
        let (null, error) = (value("*-1 "), value("-EXECABORT "));
        assert!(!alike(replies.of(&exec, &null, &error)[0], false));
        replies.note(&exec, &ours);
        assert_eq!(replies.of(&exec, &ours, &theirs).len(), 1);
    }

    #[test]
    fn how_a_string_came_to_be_may_be_forgotten_with_little_memory_only() {
        let ask = words("object encoding a");
        let (int, raw, listpack) = (value("$3 int "), value("$3 raw "), value("$8 listpack "));
        assert!(alike((&ask, &int, &raw), true) && !alike((&ask, &int, &raw), false));
        assert!(!alike((&ask, &int, &listpack), true));
        assert!(!alike((&ask, &value("$9 hashtable "), &listpack), true));
    }
}
