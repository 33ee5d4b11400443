//! Documentation of groups and arguments, as `COMMAND DOCS` describes them.

/// The group under which a command is documented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    /// Keys of any type.
    Generic,
    /// Strings.
    String,
    /// Strings as arrays of bits.
    Bitmap,
    /// Hashes.
    Hash,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Places on the earth, kept in sorted sets.
    Geo,
    /// Streams.
    Stream,
    /// Scripts and functions.
    Scripting,
    /// Several commands as one.
    Transactions,
    /// HyperLogLogs.
    HyperLogLog,
    /// Connections.
    Connection,
    /// The node.
    Server,
    /// Redis Cluster's own commands.
    Cluster,
}

impl Group {
    /// The name as Redis writes it.
    pub fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::Bitmap => "bitmap",
            Group::Hash => "hash",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Scripting => "scripting",
            Group::Transactions => "transactions",
            Group::HyperLogLog => "hyperloglog",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Cluster => "cluster",
        }
    }
}

/// What an argument is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgKind {
    /// Any bytes.
    String,
    /// A whole number.
    Integer,
    /// A floating point number.
    Double,
    /// The name of a key; the number of its key spec.
    Key(i8),
    /// A glob pattern.
    Pattern,
    /// A pattern of names of keys; the number of its key spec.
    KeyPattern(i8),
    /// A time as seconds or milliseconds since 1970.
    UnixTime,
    /// A fixed word.
    PureToken,
    /// One of several arguments.
    OneOf(&'static [Arg]),
    /// Several arguments together.
    Block(&'static [Arg]),
}

/// One argument of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arg {
    /// Its name in the documentation.
    pub name: &'static str,
    /// What it is.
    pub kind: ArgKind,
    /// A fixed word in front of it; empty if there is none.
    pub token: &'static str,
    /// The version that brought it; empty if it is as old as the command.
    pub since: &'static str,
    /// Since when it is deprecated; empty if it is not.
    pub deprecated_since: &'static str,
    /// May be left out.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// The token is repeated with it.
    pub multiple_token: bool,
}

/// An argument of a kind without further properties.
pub(super) const fn arg(name: &'static str, kind: ArgKind) -> Arg {
    Arg {
        name,
        kind,
        token: "",
        since: "",
        deprecated_since: "",
        optional: false,
        multiple: false,
        multiple_token: false,
    }
}

/// A fixed word: `token("nx", "NX")`.
pub(super) const fn token(name: &'static str, word: &'static str) -> Arg {
    arg(name, ArgKind::PureToken).token(word)
}

/// The argument `key` that is the first key of the command.
pub(super) const KEY: Arg = arg("key", ArgKind::Key(0));

impl Arg {
    /// With a fixed word in front.
    pub(super) const fn token(self, token: &'static str) -> Arg {
        Arg { token, ..self }
    }

    /// Brought by this version.
    pub(super) const fn since(self, since: &'static str) -> Arg {
        Arg { since, ..self }
    }

    /// Deprecated since this version.
    pub(super) const fn deprecated(self, deprecated_since: &'static str) -> Arg {
        Arg { deprecated_since, ..self }
    }

    /// May be left out.
    pub(super) const fn optional(self) -> Arg {
        Arg { optional: true, ..self }
    }

    /// May be repeated.
    pub(super) const fn multiple(self) -> Arg {
        Arg { multiple: true, ..self }
    }

    /// The token is repeated too.
    pub(super) const fn multiple_token(self) -> Arg {
        Arg { multiple_token: true, ..self }
    }
}
