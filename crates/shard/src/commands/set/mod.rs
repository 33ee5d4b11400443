//! Sets: members under one key.

pub(super) mod combine;
pub(super) mod members;
pub(super) mod random;
