//! Finding a command by name: a hash table that the compiler fills.

use super::*;

const GROUPS: &[&[Spec]] = &[
    string::STRING,
    bitmap::BITMAP,
    hyperloglog::HYPERLOGLOG,
    keys::KEYS,
    hash::HASH,
    list::LIST,
    list::LIST_BLOCKING,
    set::SET,
    sorted_set::SORTED_SET,
    sorted_set::SORTED_SET_BLOCKING,
    sorted_set_range::SORTED_SET_RANGE,
    sorted_set_several::SORTED_SET_SEVERAL,
    geo::GEO,
    stream::STREAM,
    stream::STREAM_READ,
    sort::SORT,
    dump::DUMP,
    transactions::TRANSACTIONS,
    connection::CONNECTION,
    connection_client::CLIENT,
    cluster::CLUSTER,
    server::SERVER,
    upkeep::UPKEEP,
    scripting::SCRIPTING,
    server_command::COMMAND,
    server_inspect::INSPECT,
    large::LARGE,
    own::OWN,
];

/// Commands that are described and not executed yet: no client sees them. A group is brought to life with
/// its handlers, by moving its line to [`GROUPS`].
const COMING: &[&[Spec]] = &[];

/// Number of commands, subcommands not counted.
const COUNT: usize = count(GROUPS);

const fn count(groups: &[&[Spec]]) -> usize {
    let (mut count, mut group) = (0, 0);
    while group < groups.len() {
        count += groups[group].len();
        group += 1;
    }
    count
}

static COMMANDS: [Spec; COUNT] = {
    let mut all = [BASE; COUNT];
    let (mut id, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut i = 0;
        while i < GROUPS[group].len() {
            all[id] = GROUPS[group][i];
            all[id].id = id as u16;
            id += 1;
            i += 1;
        }
        group += 1;
    }
    all
};

/// Longest name of a command in bytes.
const MAX_NAME: usize = 20;
/// Longest name that its packed form and its length tell from all others, if it is of letters.
const MAX_PACKED: usize = 16;
/// Places in the hash table; a power of two, at least twice as many as there are commands.
const PLACES: usize = 1024;
const FREE: u16 = u16::MAX;
const _: () = assert!((COUNT + count(COMING)) * 2 <= PLACES && PLACES.is_power_of_two());

/// Bit 5 of every byte: what tells lower case from upper case.
const CASE: u64 = 0x2020_2020_2020_2020;

/// A name in lower case as its first and its last eight bytes, which overlap; a shorter name in
/// narrower loads. Two names of letters of up to [`MAX_PACKED`] bytes are equal in any case exactly if length
/// and packed form are.
type Packed = (u64, u64);

/// `N` bytes from `at` on as a number.
#[inline]
const fn load<const N: usize>(name: &[u8], at: usize) -> u64 {
    let (mut value, mut i) = (0, 0);
    while i < N {
        value |= (name[at + i] as u64) << (8 * i);
        i += 1;
    }
    value
}

#[inline]
const fn pack(name: &[u8]) -> Packed {
    let len = name.len();
    let (first, last) = match len {
        8.. => (load::<8>(name, 0), load::<8>(name, len - 8)),
        4..8 => (load::<4>(name, 0), load::<4>(name, len - 4)),
        1..4 => (load::<1>(name, 0) | load::<1>(name, len / 2) << 8, load::<1>(name, len - 1)),
        0 => (0, 0),
    };
    (first | CASE, last | CASE)
}

#[inline]
const fn place(packed: Packed) -> usize {
    let mixed = (packed.0 ^ packed.1.rotate_left(21)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (u64::BITS - PLACES.trailing_zeros())) as usize
}

struct Place {
    packed: Packed,
    len: u16,
    id: u16,
}

/// Added to the length of a name that its packed form does not tell from all others, so that it is found on
/// a way of its own, which costs the others nothing: folding case is one OR, right for letters only.
const ODD: usize = 1 << 15;

const fn is_odd(name: &[u8]) -> bool {
    let mut i = 0;
    while i < name.len() && name[i].is_ascii_lowercase() {
        i += 1;
    }
    i < name.len() || name.len() > MAX_PACKED
}

static TABLE: [Place; PLACES] = {
    let mut table = [const { Place { packed: (0, 0), len: 0, id: FREE } }; PLACES];
    let mut id = 0;
    while id < COUNT {
        let name = NAMES[id].as_bytes();
        let packed = pack(name);
        let mut at = place(packed);
        while table[at].id != FREE {
            at = (at + 1) % PLACES;
        }
        assert!(name.len() <= MAX_NAME);
        let len = if is_odd(name) { name.len() | ODD } else { name.len() };
        table[at] = Place { packed, len: len as u16, id: id as u16 };
        id += 1;
    }
    table
};

const NAMES: [&str; COUNT] = {
    let mut names = [""; COUNT];
    let (mut id, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut i = 0;
        while i < GROUPS[group].len() {
            names[id] = GROUPS[group][i].name;
            id += 1;
            i += 1;
        }
        group += 1;
    }
    names
};

/// The commands that no client sees yet.
#[cfg(test)]
pub(super) fn coming() -> impl Iterator<Item = &'static Spec> {
    COMING.iter().copied().flatten()
}

/// Every command in the order of [`Spec::id`].
pub fn commands() -> &'static [Spec] {
    &COMMANDS
}

/// The command with this name in any case. Costs a few nanoseconds.
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static Spec> {
    if name.len() > MAX_NAME {
        return None;
    }
    let packed = pack(name);
    let mut at = place(packed);
    loop {
        let slot = &TABLE[at];
        if slot.packed == packed && usize::from(slot.len) == name.len() {
            return Some(&COMMANDS[usize::from(slot.id)]);
        }
        if slot.id == FREE {
            return None;
        }
        if slot.packed == packed && usize::from(slot.len) == name.len() | ODD {
            let spec = &COMMANDS[usize::from(slot.id)];
            return spec.name.as_bytes().eq_ignore_ascii_case(name).then_some(spec);
        }
        at = (at + 1) % PLACES;
    }
}

/// The subcommand of a container with this short name in any case.
pub fn subcommand(container: &Spec, short: &[u8]) -> Option<&'static Spec> {
    named(container.subcommands, short)
}

fn named(specs: &'static [Spec], short: &[u8]) -> Option<&'static Spec> {
    specs.iter().find(|spec| spec.short_name().as_bytes().eq_ignore_ascii_case(short))
}

/// Why a call names no command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// There is no command of that name.
    Command,
    /// The container has no such subcommand.
    Subcommand(&'static str),
}

/// The command or subcommand that a call with this name and first argument means. A container that
/// is called without an argument is answered itself; its arity then refuses the call.
#[inline]
pub fn resolve(name: &[u8], first: Option<&[u8]>) -> Result<&'static Spec, Unknown> {
    let spec = lookup(name).ok_or(Unknown::Command)?;
    match first {
        Some(short) if !spec.subcommands.is_empty() => {
            subcommand(spec, short).ok_or(Unknown::Subcommand(spec.name))
        }
        Some(short) if !spec.keyed.is_empty() => Ok(named(spec.keyed, short).unwrap_or(spec)),
        _ => Ok(spec),
    }
}
