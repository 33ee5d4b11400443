//! Arguments of the commands in `dump`.

use super::*;

pub(super) const RESTORE: &[Arg] = &[
    KEY,
    arg("ttl", ArgKind::Integer),
    arg("serialized-value", ArgKind::String),
    token("replace", "REPLACE").since("3.0.0").optional(),
    token("absttl", "ABSTTL").since("5.0.0").optional(),
    arg("seconds", ArgKind::Integer).token("IDLETIME").since("5.0.0").optional(),
    arg("frequency", ArgKind::Integer).token("FREQ").since("5.0.0").optional(),
];
