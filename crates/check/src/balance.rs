//! **All or nothing**: a transaction that moves an amount between accounts is seen as a whole or not at all.
//!
//! Accounts of a set begin absent, which counts as 0, and transactions take from one what they add to another. So
//! whoever reads all of them at one moment sees a sum of 0; half a transaction shows another one.

use crate::history::shown_time;
use crate::verdict::Violation;

/// The property's name in verdicts.
pub const NAME: &str = "all or nothing";

/// All accounts of a set, read at one moment by one command or one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Balance {
    /// Name of the set.
    pub set: String,
    /// Who read it.
    pub client: u32,
    /// When it was asked for, ns of the world's clock.
    pub call_ns: u64,
    /// When it was answered, ns.
    pub return_ns: u64,
    /// What each account held.
    pub amounts: Vec<i64>,
}

/// Checks every reading.
pub fn check(balances: &[Balance]) -> Vec<Violation> {
    let sum = |balance: &Balance| balance.amounts.iter().map(|amount| i128::from(*amount)).sum::<i128>();
    let wrong = balances.iter().filter(|balance| sum(balance) != 0);
    let violation = |balance: &Balance| Violation {
        property: NAME,
        sentence: format!(
            "accounts {} held {:?} at one moment, together {} instead of 0",
            balance.set,
            balance.amounts,
            sum(balance)
        ),
        details: vec![format!(
            "[{} .. {}] client {}",
            shown_time(balance.call_ns),
            shown_time(balance.return_ns),
            balance.client
        )],
    };
    wrong.map(violation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_transfer_is_found() {
        let balance = |amounts: &[i64]| Balance {
            set: "bank".to_owned(),
            client: 1,
            call_ns: 1,
            return_ns: 2,
            amounts: amounts.to_vec(),
        };
        assert!(check(&[balance(&[0, 0, 0]), balance(&[-5, 7, -2])]).is_empty());
        let found = check(&[balance(&[0, 0]), balance(&[-5, 0, 2])]);
        assert_eq!(found.len(), 1);
        assert!(found[0].sentence.contains("together -3 instead of 0"), "{}", found[0].sentence);
        let large = balance(&[i64::MIN, i64::MIN]);
        assert_eq!(check(&[large]).len(), 1, "sums do not overflow");
    }
}
