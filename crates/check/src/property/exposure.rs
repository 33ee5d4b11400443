//! **Exposure**: what a failover lost of an async keyspace is at most what was stated to be exposed, and where
//! the old leader came back with its log, the loss account lists exactly that.
//!
//! Lost is what a final GET proves lost: a token that is not there, an acknowledged write that nothing later
//! explains. A lost value that was overwritten afterwards can not be seen; so an account may list more than
//! is seen, but nothing that is still there, and nothing that was never written.

use std::collections::BTreeSet;

use super::SHOWN;
use super::lost::{Finding, lost};
use crate::exposed::exposes;
use crate::history::{Action, Bytes, Class, Event, Failover, Loss, Operation, shown_bytes, shown_time};
use crate::verdict::Violation;
use crate::view::{KeyView, Kind, View, Wrote, tokens, wrote};

/// The property's name in verdicts.
pub const NAME: &str = "exposure";

/// An acknowledged write that is missing.
struct Missing<'a, 'b> {
    key: &'b KeyView<'a>,
    op: &'a Operation,
}

impl Missing<'_, '_> {
    fn bytes(&self) -> u64 {
        let value = written(self.op).map_or(0, |value| value.len());
        (self.key.key.name.len() + value) as u64
    }

    fn exposed_by(&self, failover: &Failover) -> bool {
        exposes(failover, self.op)
    }
}

/// Checks every key of async keyspaces that has a final GET, against the failovers and loss accounts.
pub fn check(view: &View<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut missing: Vec<Missing<'_, '_>> = Vec::new();
    let mut known: BTreeSet<*const Operation> = BTreeSet::new();
    for key in view.of(Class::Async) {
        for (read, value) in key.final_reads() {
            match lost(key, read, value) {
                Finding::Lost(ops) => {
                    let new = ops.into_iter().filter(|op| known.insert(std::ptr::from_ref(*op)));
                    missing.extend(new.map(|op| Missing { key, op }));
                }
                Finding::NeverWritten => found.push(Violation {
                    property: NAME,
                    sentence: format!("key {}: the final read returned what nobody wrote", key.name()),
                    details: view.lines([read]),
                }),
                Finding::NotJudged => {}
            }
        }
    }
    let failovers: Vec<&Failover> = view.history.failovers().collect();
    bounded(view, &missing, &failovers, &mut found);
    accounted(view, &missing, &failovers, &mut found);
    found
}

fn violation(view: &View<'_>, sentence: String, missing: &[&Missing<'_, '_>]) -> Violation {
    let details = view.lines(missing.iter().take(SHOWN).map(|missing| missing.op));
    Violation { property: NAME, sentence, details }
}

/// No write is lost that was not exposed, and no more than was stated: by failovers alone in their time,
/// and by all together.
fn bounded(
    view: &View<'_>,
    missing: &[Missing<'_, '_>],
    failovers: &[&Failover],
    found: &mut Vec<Violation>,
) {
    let by = |m: &Missing<'_, '_>| -> Vec<u64> {
        failovers.iter().filter(|failover| m.exposed_by(failover)).map(|failover| failover.at_ns).collect()
    };
    let (explained, unexplained): (Vec<_>, Vec<_>) = missing.iter().partition(|m| !by(m).is_empty());
    if !unexplained.is_empty() {
        let sentence =
            format!("{} acknowledged writes are lost that no failover had exposed", unexplained.len());
        found.push(violation(view, sentence, &unexplained));
    }
    for failover in failovers {
        let only = explained.iter().copied().filter(|m| by(m) == [failover.at_ns]).collect();
        let name = format!("the failover at {}", shown_time(failover.at_ns));
        over(view, &name, failover.exposure.entries, failover.exposure.bytes, only, found);
    }
    if failovers.len() > 1 {
        let entries = failovers.iter().map(|failover| failover.exposure.entries).sum();
        let bytes = failovers.iter().map(|failover| failover.exposure.bytes).sum();
        over(view, "all failovers together", entries, bytes, explained, found);
    }
}

fn over(
    view: &View<'_>,
    name: &str,
    entries: u64,
    bytes: u64,
    missing: Vec<&Missing<'_, '_>>,
    found: &mut Vec<Violation>,
) {
    let lost_bytes: u64 = missing.iter().map(|m| m.bytes()).sum();
    if missing.len() as u64 > entries || lost_bytes > bytes {
        let lost = missing.len();
        let sentence = format!(
            "{name} lost {lost} acknowledged writes of {lost_bytes} bytes; {entries} of {bytes} bytes were exposed"
        );
        found.push(violation(view, sentence, &missing));
    }
}

fn accounted(
    view: &View<'_>,
    missing: &[Missing<'_, '_>],
    failovers: &[&Failover],
    found: &mut Vec<Violation>,
) {
    let accounts = view.history.events().iter().filter_map(|event| match event {
        Event::LossAccount(account) => Some(account),
        Event::Failover(_) => None,
    });
    let (mut has_account, mut losses) = (BTreeSet::new(), Vec::new());
    for account in accounts {
        has_account.insert(account.failover_ns);
        losses.extend(&account.losses);
    }
    let unlisted: Vec<&Missing<'_, '_>> = missing
        .iter()
        .filter(|m| {
            let mut by = failovers.iter().filter(|failover| m.exposed_by(failover)).peekable();
            by.peek().is_some() && by.all(|failover| has_account.contains(&failover.at_ns))
        })
        .filter(|m| !losses.iter().any(|loss| loss.key == m.key.id && lists(m.key, loss, m.op)))
        .collect();
    if !unlisted.is_empty() {
        let sentence = format!("{} lost writes are not in the loss account", unlisted.len());
        found.push(violation(view, sentence, &unlisted));
    }
    for key in view.of(Class::Async) {
        for loss in losses.iter().filter(|loss| loss.key == key.id) {
            found.extend(wrongly_listed(key, loss).map(|why| Violation {
                property: NAME,
                sentence: format!("key {}: the loss account lists {}, {why}", key.name(), shown(loss)),
                details: view.lines(key.final_reads().map(|(read, _)| read)),
            }));
        }
    }
}

fn shown(loss: &Loss) -> String {
    loss.value.as_ref().map_or_else(|| "a removal".to_owned(), |value| shown_bytes(value))
}

fn written(op: &Operation) -> Option<&Bytes> {
    match &op.action {
        Action::Set { value, .. } | Action::GetSet { value } | Action::Append { value } => Some(value),
        _ => None,
    }
}

/// Whether the entry of the account is this write. An account holds whole values.
fn lists(key: &KeyView<'_>, loss: &Loss, op: &Operation) -> bool {
    match (key.kind, &loss.value, written(op)) {
        (Kind::Tokens, Some(value), Some(token)) => {
            tokens(value).unwrap_or_default().last().is_some_and(|last| *last == &**token)
        }
        (_, value, written) => value.as_ref() == written,
    }
}

/// Why the account should not list this.
fn wrongly_listed(key: &KeyView<'_>, loss: &Loss) -> Option<&'static str> {
    if !matches!(key.kind, Kind::Tokens | Kind::Register) {
        return None;
    }
    let mut writes = key.operations.iter().filter(|op| wrote(op) != Wrote::No);
    if !writes.any(|op| lists(key, loss, op)) {
        return Some("which nobody wrote");
    }
    let (_, last) = key.final_reads().last()?;
    let there = match (key.kind, &loss.value) {
        (Kind::Tokens, Some(value)) => {
            let there = last.map(|last| tokens(last).unwrap_or_default()).unwrap_or_default();
            tokens(value).unwrap_or_default().last().is_some_and(|token| there.contains(token))
        }
        // Absent may be the beginning, a removal that was lost leaves no trace.
        (_, None) => false,
        (_, value) => value.as_ref() == last,
    };
    there.then_some("which is there")
}
