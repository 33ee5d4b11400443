//! Why a connection is closed, in the words of Redis.

/// A violation of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtocolError {
    /// The number of arguments is no number or too large.
    InvalidCount,
    /// The length of an argument is no number, negative or too large.
    InvalidBulk,
    /// An argument starts with this byte and not with `$`.
    ExpectedDollar(u8),
    /// Quotes of an inline command do not match.
    UnbalancedQuotes,
    /// An inline command without end.
    TooBigInline,
    /// The line with the number of arguments has no end.
    TooBigCount,
    /// The line with the length of an argument has no end.
    TooBigBulkCount,
    /// Too many arguments before AUTH.
    UnauthenticatedCount,
    /// Too long an argument before AUTH.
    UnauthenticatedBulk,
    /// The command as a whole is too long (our own limit).
    TooBigRequest,
}

impl ProtocolError {
    /// The text of the error reply, from `ERR` on.
    pub fn text(self) -> Vec<u8> {
        let what = match self {
            ProtocolError::InvalidCount => "invalid multibulk length",
            ProtocolError::InvalidBulk => "invalid bulk length",
            ProtocolError::ExpectedDollar(byte) => return expected_dollar(byte),
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
            ProtocolError::TooBigInline => "too big inline request",
            ProtocolError::TooBigCount => "too big mbulk count string",
            ProtocolError::TooBigBulkCount => "too big bulk count string",
            ProtocolError::UnauthenticatedCount => "unauthenticated multibulk length",
            ProtocolError::UnauthenticatedBulk => "unauthenticated bulk length",
            ProtocolError::TooBigRequest => "too big request",
        };
        format!("ERR Protocol error: {what}").into_bytes()
    }

    /// Appends the error reply, the same in every protocol version.
    pub fn write(self, out: &mut Vec<u8>) {
        crate::encode::put_line(out, b'-', &self.text());
    }
}

/// Redis formats the byte as a C string, so a zero byte ends the text.
fn expected_dollar(byte: u8) -> Vec<u8> {
    let mut text = b"ERR Protocol error: expected '$', got '".to_vec();
    if byte != 0 {
        text.extend([byte, b'\'']);
    }
    text
}
