//! Transactions.

use super::*;

/// What is allowed nearly always.
const CONTROL: Flags = Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::ALLOW_BUSY);

const TRANSACTION: Spec = Spec {
    arity: 1,
    flags: CONTROL,
    categories: Categories(category::TRANSACTION),
    route: Route::Transaction,
    group: Group::Transactions,
    complexity: "O(1)",
    ..BASE
};

/// The transactions group.
pub(super) const TRANSACTIONS: &[Spec] = &[
    Spec {
        name: "discard",
        summary: "Discard all commands issued after MULTI",
        since: "2.0.0",
        complexity: "O(N), when N is the number of queued commands",
        ..TRANSACTION
    },
    Spec {
        name: "exec",
        flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::SKIP_SLOWLOG),
        summary: "Execute all commands issued after MULTI",
        since: "1.2.0",
        complexity: "Depends on commands in the transaction",
        ..TRANSACTION
    },
    Spec { name: "multi", summary: "Mark the start of a transaction block", since: "1.2.0", ..TRANSACTION },
    Spec { name: "unwatch", summary: "Forget about all watched keys", since: "2.2.0", ..TRANSACTION },
    Spec {
        name: "watch",
        arity: -2,
        keys: Keys { first: 1, last: -1, step: 1 },
        key_specs: &[KeySpec::range(1, -1, 1, key_flag::RO)],
        summary: "Watch the given keys to determine execution of the MULTI/EXEC block",
        since: "2.2.0",
        complexity: "O(1) for every key.",
        args: &[KEY.multiple()],
        ..TRANSACTION
    },
];
