//! Behaviour flags and ACL categories, with the names and the order in which Redis lists them.

/// Behaviour flags of a command: bits of [`flag`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u32);

/// ACL categories of a command: bits of [`category`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Categories(pub u32);

macro_rules! bits {
    ($(#[$doc:meta])* $module:ident, $names:ident: $($(#[$bit_doc:meta])* $name:ident $shift:literal $text:literal),* $(,)?) => {
        $(#[$doc])*
        pub mod $module {
            $($(#[$bit_doc])* pub const $name: u32 = 1 << $shift;)*
        }
        const $names: &[(u32, &str)] = &[$(($module::$name, $text)),*];
    };
}

bits! {
    /// The bits of [`Flags`](super::Flags).
    flag, FLAG_NAMES:
    /// May change data.
    WRITE 0 "write",
    /// Reads data and changes nothing.
    READONLY 1 "readonly",
    /// Refused when memory is short.
    DENYOOM 2 "denyoom",
    /// For administrators.
    ADMIN 4 "admin",
    /// Publish and subscribe.
    PUBSUB 5 "pubsub",
    /// Not from scripts.
    NOSCRIPT 6 "noscript",
    /// May hold the connection.
    BLOCKING 7 "blocking",
    /// Allowed while the node loads its data.
    LOADING 8 "loading",
    /// Allowed while no leader is known.
    STALE 9 "stale",
    /// Not shown to MONITOR.
    SKIP_MONITOR 10 "skip_monitor",
    /// Not kept in the slow log: its arguments are secret.
    SKIP_SLOWLOG 11 "skip_slowlog",
    /// Accepted for slots that are being imported.
    ASKING 12 "asking",
    /// O(1) or O(log n).
    FAST 13 "fast",
    /// Allowed before AUTH.
    NO_AUTH 14 "no_auth",
    /// May be replicated although it is no write.
    MAY_REPLICATE 15 "may_replicate",
    /// May be called without any key.
    NO_MANDATORY_KEYS 16 "no_mandatory_keys",
    /// Not during an asynchronous load.
    NO_ASYNC_LOADING 17 "no_async_loading",
    /// Not inside MULTI.
    NO_MULTI 18 "no_multi",
    /// Positions of keys depend on the arguments.
    MOVABLE_KEYS 19 "movablekeys",
    /// Allowed while a script blocks the node.
    ALLOW_BUSY 20 "allow_busy",
}

bits! {
    /// The bits of [`Categories`](super::Categories).
    category, CATEGORY_NAMES:
    /// Keys of any type.
    KEYSPACE 0 "keyspace",
    /// Reads data.
    READ 1 "read",
    /// Changes data.
    WRITE 2 "write",
    /// Sets.
    SET 3 "set",
    /// Sorted sets.
    SORTEDSET 4 "sortedset",
    /// Lists.
    LIST 5 "list",
    /// Hashes.
    HASH 6 "hash",
    /// Strings.
    STRING 7 "string",
    /// Bitmaps.
    BITMAP 8 "bitmap",
    /// HyperLogLogs.
    HYPERLOGLOG 9 "hyperloglog",
    /// Geographic indexes.
    GEO 10 "geo",
    /// Streams.
    STREAM 11 "stream",
    /// Publish and subscribe.
    PUBSUB 12 "pubsub",
    /// For administrators.
    ADMIN 13 "admin",
    /// O(1) or O(log n).
    FAST 14 "fast",
    /// Everything that is not fast.
    SLOW 15 "slow",
    /// May hold the connection.
    BLOCKING 16 "blocking",
    /// Can harm the node or its data, or is slow on large data.
    DANGEROUS 17 "dangerous",
    /// The state of connections.
    CONNECTION 18 "connection",
    /// MULTI, EXEC and the like.
    TRANSACTION 19 "transaction",
    /// Scripts and functions.
    SCRIPTING 20 "scripting",
}

fn names(bits: u32, all: &'static [(u32, &'static str)]) -> impl Iterator<Item = &'static str> + Clone {
    all.iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, name)| *name)
}

impl Flags {
    /// True if any of `bits` is set.
    #[inline]
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    /// The names of the set flags in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        names(self.0, FLAG_NAMES)
    }
}

impl Categories {
    /// True if any of `bits` is set.
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    /// The names of the set categories, without `@`, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        names(self.0, CATEGORY_NAMES)
    }

    /// Every category there is.
    pub fn all() -> Categories {
        Categories(CATEGORY_NAMES.iter().fold(0, |bits, (bit, _)| bits | bit))
    }

    /// The category with this name (no `@`, any case).
    pub fn by_name(name: &[u8]) -> Option<Categories> {
        let found = CATEGORY_NAMES.iter().find(|(_, text)| text.as_bytes().eq_ignore_ascii_case(name));
        found.map(|(bit, _)| Categories(*bit))
    }
}
