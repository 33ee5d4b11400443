//! The numbers of the format: types of values, and opcodes that stand where a type could.

/// A plain string.
pub(crate) const STRING: u8 = 0;
/// Strings one by one.
pub(crate) const LIST: u8 = 1;
/// Strings one by one.
pub(crate) const SET: u8 = 2;
/// Members with scores as text.
pub(crate) const SORTED_SET_TEXT: u8 = 3;
/// Fields and values one by one.
pub(crate) const HASH: u8 = 4;
/// Members with binary scores.
pub(crate) const SORTED_SET: u8 = 5;
/// Values of modules, as before the release of Redis 4.0.
pub(crate) const MODULE_PRE_RELEASE: u8 = 6;
/// Values of modules.
pub(crate) const MODULE: u8 = 7;
/// Redis 2.0 to 2.4.
pub(crate) const HASH_ZIPMAP: u8 = 9;
/// Until Redis 3.0.
pub(crate) const LIST_ZIPLIST: u8 = 10;
/// Sorted integers.
pub(crate) const SET_INTSET: u8 = 11;
/// Until Redis 6.2.
pub(crate) const SORTED_SET_ZIPLIST: u8 = 12;
/// Redis 2.6 to 6.2.
pub(crate) const HASH_ZIPLIST: u8 = 13;
/// A list of ziplists, Redis 3.2 to 6.2.
pub(crate) const LIST_QUICKLIST: u8 = 14;
/// Redis 5.0 to 6.2.
pub(crate) const STREAM_1: u8 = 15;
/// Since Redis 7.0.
pub(crate) const HASH_LISTPACK: u8 = 16;
/// Since Redis 7.0.
pub(crate) const SORTED_SET_LISTPACK: u8 = 17;
/// A list of listpacks and of large elements, since Redis 7.0.
pub(crate) const LIST_QUICKLIST_2: u8 = 18;
/// Redis 7.0.
pub(crate) const STREAM_2: u8 = 19;
/// Since Redis 7.2.
pub(crate) const SET_LISTPACK: u8 = 20;
/// Since Redis 7.2.
pub(crate) const STREAM_3: u8 = 21;

/// The newest type of a payload that Redis 7.0 restores.
pub(crate) const NEWEST_RESTORED: u8 = STREAM_2;

/// A library of functions.
pub(crate) const FUNCTION: u8 = 245;
/// A function as release candidates wrote it.
pub(crate) const FUNCTION_PRE_RELEASE: u8 = 246;
/// What a module keeps outside of keys.
pub(crate) const MODULE_AUX: u8 = 247;
/// Seconds since the next key was used.
pub(crate) const IDLE: u8 = 248;
/// How often the next key was used.
pub(crate) const FREQUENCY: u8 = 249;
/// A name and a value about the file.
pub(crate) const AUX: u8 = 250;
/// How many keys follow.
pub(crate) const RESIZE: u8 = 251;
/// When the next key expires, in milliseconds.
pub(crate) const EXPIRES_MS: u8 = 252;
/// When the next key expires, in seconds.
pub(crate) const EXPIRES_SECONDS: u8 = 253;
/// Which keyspace follows.
pub(crate) const SELECT: u8 = 254;
/// The end, and a checksum.
pub(crate) const END: u8 = 255;

/// How the two highest bits of a length's first byte say that a string is encoded.
pub(crate) const ENCODED: u8 = 0xc0;
/// An encoded string: one byte, a number.
pub(crate) const INT8: u8 = 0;
/// An encoded string: two bytes, a number.
pub(crate) const INT16: u8 = 1;
/// An encoded string: four bytes, a number.
pub(crate) const INT32: u8 = 2;
/// An encoded string: compressed.
pub(crate) const LZF: u8 = 3;
/// First byte of a length of 32 bits.
pub(crate) const LENGTH_32: u8 = 0x80;
/// First byte of a length of 64 bits.
pub(crate) const LENGTH_64: u8 = 0x81;

/// A node of a quicklist that is one large element.
pub(crate) const NODE_PLAIN: u64 = 1;
/// A node of a quicklist that is a listpack.
pub(crate) const NODE_PACKED: u64 = 2;
