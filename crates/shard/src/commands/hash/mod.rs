//! Hashes: fields and their values under one key.

pub(super) mod counters;
pub(super) mod fields;
pub(super) mod random;
pub(super) mod whole;
