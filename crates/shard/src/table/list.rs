//! Commands on lists. Their texts are our own.

use super::list_args as args;
use super::*;

const READ: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];
const INSERT: &[KeySpec] = &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)];
const REMOVE: &[KeySpec] = &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)];
const TAKE: &[KeySpec] = &[KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE)];

/// What all of them have in common.
const LIST_BASE: Spec =
    Spec { categories: Categories(category::LIST), route: Route::Key, group: Group::List, ..BASE };

/// The list group of Redis 7.0 without the commands that wait for elements.
pub(super) const LIST: &[Spec] = &[
    Spec {
        name: "lindex",
        arity: 3,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get an element of a list by its index",
        since: "1.0.0",
        complexity: "O(N) with N the elements between it and the nearer end",
        args: &[KEY, arg("index", ArgKind::Integer)],
        ..LIST_BASE
    },
    Spec {
        name: "linsert",
        arity: 5,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys::ONE,
        key_specs: INSERT,
        summary: "Insert an element before or after another one",
        since: "2.2.0",
        complexity: "O(N) with N the elements looked at",
        args: args::LINSERT,
        ..LIST_BASE
    },
    Spec {
        name: "llen",
        arity: 2,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RO)],
        summary: "Count the elements of a list",
        since: "1.0.0",
        complexity: "O(1)",
        args: &[KEY],
        ..LIST_BASE
    },
    Spec {
        name: "lmove",
        arity: 5,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys { first: 1, last: 2, step: 1 },
        key_specs: &[
            KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE),
            KeySpec::one(2, key_flag::RW | key_flag::INSERT),
        ],
        summary: "Move an element from one end of a list to one end of another",
        since: "6.2.0",
        complexity: "O(1)",
        args: args::LMOVE,
        ..LIST_BASE
    },
    Spec {
        name: "lmpop",
        arity: -4,
        flags: Flags(flag::WRITE | flag::MOVABLE_KEYS),
        key_specs: &[KeySpec::counted(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE)],
        summary: "Take elements from the first list that has any",
        since: "7.0.0",
        complexity: "O(N+M) with N the keys and M the elements returned",
        args: args::LMPOP,
        ..LIST_BASE
    },
    Spec {
        name: "lpop",
        arity: -2,
        flags: Flags(flag::WRITE | flag::FAST),
        keys: Keys::ONE,
        key_specs: TAKE,
        summary: "Take elements from the front of a list",
        since: "1.0.0",
        complexity: "O(N) with N the elements returned",
        history: &[("6.2.0", "Takes a count.")],
        args: &[KEY, arg("count", ArgKind::Integer).since("6.2.0").optional()],
        ..LIST_BASE
    },
    Spec {
        name: "lpos",
        arity: -3,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Find where an element stands in a list",
        since: "6.0.6",
        complexity: "O(N) with N the elements looked at",
        args: args::LPOS,
        ..LIST_BASE
    },
    Spec {
        name: "lpush",
        arity: -3,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: INSERT,
        summary: "Add elements at the front of a list",
        since: "1.0.0",
        complexity: "O(N) with N the elements added",
        history: &[("2.4.0", "Takes several elements.")],
        args: &[KEY, arg("element", ArgKind::String).multiple()],
        ..LIST_BASE
    },
    Spec {
        name: "lpushx",
        arity: -3,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: INSERT,
        summary: "Add elements at the front of a list that exists",
        since: "2.2.0",
        complexity: "O(N) with N the elements added",
        history: &[("4.0.0", "Takes several elements.")],
        args: &[KEY, arg("element", ArgKind::String).multiple()],
        ..LIST_BASE
    },
    Spec {
        name: "lrange",
        arity: 4,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get a range of a list",
        since: "1.0.0",
        complexity: "O(S+N) with S the elements before the range, from the nearer end, and N those in it",
        args: &[KEY, arg("start", ArgKind::Integer), arg("stop", ArgKind::Integer)],
        ..LIST_BASE
    },
    Spec {
        name: "lrem",
        arity: 4,
        flags: Flags(flag::WRITE),
        keys: Keys::ONE,
        key_specs: REMOVE,
        summary: "Remove elements that equal a value from a list",
        since: "1.0.0",
        complexity: "O(N+M) with N the elements of the list and M those removed",
        args: &[KEY, arg("count", ArgKind::Integer), arg("element", ArgKind::String)],
        ..LIST_BASE
    },
    Spec {
        name: "lset",
        arity: 4,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::UPDATE)],
        summary: "Replace an element of a list",
        since: "1.0.0",
        complexity: "O(N) with N the elements between it and the nearer end",
        args: &[KEY, arg("index", ArgKind::Integer), arg("element", ArgKind::String)],
        ..LIST_BASE
    },
    Spec {
        name: "ltrim",
        arity: 4,
        flags: Flags(flag::WRITE),
        keys: Keys::ONE,
        key_specs: REMOVE,
        summary: "Remove all of a list but a range",
        since: "1.0.0",
        complexity: "O(N) with N the elements removed",
        args: &[KEY, arg("start", ArgKind::Integer), arg("stop", ArgKind::Integer)],
        ..LIST_BASE
    },
    Spec {
        name: "rpop",
        arity: -2,
        flags: Flags(flag::WRITE | flag::FAST),
        keys: Keys::ONE,
        key_specs: TAKE,
        summary: "Take elements from the end of a list",
        since: "1.0.0",
        complexity: "O(N) with N the elements returned",
        history: &[("6.2.0", "Takes a count.")],
        args: &[KEY, arg("count", ArgKind::Integer).since("6.2.0").optional()],
        ..LIST_BASE
    },
    Spec {
        name: "rpoplpush",
        arity: 3,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys { first: 1, last: 2, step: 1 },
        key_specs: &[
            KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE),
            KeySpec::one(2, key_flag::RW | key_flag::INSERT),
        ],
        summary: "Move the last element of a list to the front of another",
        since: "1.2.0",
        complexity: "O(1)",
        deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
        args: &[arg("source", ArgKind::Key(0)), arg("destination", ArgKind::Key(1))],
        ..LIST_BASE
    },
    Spec {
        name: "rpush",
        arity: -3,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: INSERT,
        summary: "Add elements at the end of a list",
        since: "1.0.0",
        complexity: "O(N) with N the elements added",
        history: &[("2.4.0", "Takes several elements.")],
        args: &[KEY, arg("element", ArgKind::String).multiple()],
        ..LIST_BASE
    },
    Spec {
        name: "rpushx",
        arity: -3,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: INSERT,
        summary: "Add elements at the end of a list that exists",
        since: "2.2.0",
        complexity: "O(N) with N the elements added",
        history: &[("4.0.0", "Takes several elements.")],
        args: &[KEY, arg("element", ArgKind::String).multiple()],
        ..LIST_BASE
    },
];

/// The commands that wait for elements.
pub(super) const LIST_BLOCKING: &[Spec] = &[
    Spec {
        name: "blmove",
        arity: 6,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::NOSCRIPT | flag::BLOCKING),
        keys: Keys { first: 1, last: 2, step: 1 },
        key_specs: &[
            KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE),
            KeySpec::one(2, key_flag::RW | key_flag::INSERT),
        ],
        summary: "Move an element from one list to another, and wait for one if there is none",
        since: "6.2.0",
        complexity: "O(1)",
        args: args::BLMOVE,
        ..LIST_BASE
    },
    Spec {
        name: "blmpop",
        arity: -5,
        flags: Flags(flag::WRITE | flag::BLOCKING | flag::MOVABLE_KEYS),
        key_specs: &[KeySpec::counted(2, key_flag::RW | key_flag::ACCESS | key_flag::DELETE)],
        summary: "Take elements from the first list that has any, and wait for one if none has",
        since: "7.0.0",
        complexity: "O(N+M) with N the keys and M the elements returned",
        args: args::BLMPOP,
        ..LIST_BASE
    },
    Spec {
        name: "blpop",
        arity: -3,
        flags: Flags(flag::WRITE | flag::NOSCRIPT | flag::BLOCKING),
        keys: Keys { first: 1, last: -2, step: 1 },
        key_specs: &[KeySpec::range(1, -2, 1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE)],
        summary: "Take the first element of the first list that has any, and wait for one if none has",
        since: "2.0.0",
        complexity: "O(N) with N the keys",
        history: &[("6.0.0", "The timeout may have a fraction.")],
        args: &[KEY.multiple(), arg("timeout", ArgKind::Double)],
        ..LIST_BASE
    },
    Spec {
        name: "brpop",
        arity: -3,
        flags: Flags(flag::WRITE | flag::NOSCRIPT | flag::BLOCKING),
        keys: Keys { first: 1, last: -2, step: 1 },
        key_specs: &[KeySpec::range(1, -2, 1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE)],
        summary: "Take the last element of the first list that has any, and wait for one if none has",
        since: "2.0.0",
        complexity: "O(N) with N the keys",
        history: &[("6.0.0", "The timeout may have a fraction.")],
        args: &[KEY.multiple(), arg("timeout", ArgKind::Double)],
        ..LIST_BASE
    },
    Spec {
        name: "brpoplpush",
        arity: 4,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::NOSCRIPT | flag::BLOCKING),
        keys: Keys { first: 1, last: 2, step: 1 },
        key_specs: &[
            KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE),
            KeySpec::one(2, key_flag::RW | key_flag::INSERT),
        ],
        summary: "Move the last element of a list to the front of another, and wait for one if there is none",
        since: "2.2.0",
        complexity: "O(1)",
        deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
        history: &[("6.0.0", "The timeout may have a fraction.")],
        args: args::BRPOPLPUSH,
        ..LIST_BASE
    },
];
