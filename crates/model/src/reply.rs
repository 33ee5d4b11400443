//! The face of a front towards command execution: what a command can answer, not how it is written.

/// Receives the parts of replies in order. A front implements it for its wire format; an aggregate
/// announces its length and is followed by that many values.
pub trait Reply {
    /// A status such as `OK`. Must not contain line breaks.
    fn status(&mut self, text: &str);
    /// An error: code in capitals, a space, and a text. Line breaks are replaced by spaces.
    fn error(&mut self, text: &str);
    /// An integer.
    fn int(&mut self, value: i64);
    /// A binary-safe string.
    fn bulk(&mut self, bytes: &[u8]);
    /// The absent value (RESP2: null bulk string).
    fn null(&mut self);
    /// The absent aggregate (RESP2: null array; RESP3: null).
    fn null_array(&mut self);
    /// Starts an array of `len` values.
    fn array(&mut self, len: usize);
    /// Starts a map of `len` pairs (RESP2: a flat array of `2 * len` values).
    fn map(&mut self, len: usize);
    /// Starts a set of `len` values (RESP2: an array).
    fn set(&mut self, len: usize);
    /// Starts an array of `len` pairs, each begun by [`Reply::pair`] and followed by two values (RESP2: a flat
    /// array of `2 * len` values).
    fn pairs(&mut self, len: usize);
    /// Starts a pair of [`Reply::pairs`] (RESP2: nothing).
    fn pair(&mut self);
    /// Starts a map of `len` pairs, each begun by [`Reply::map_pair`] and followed by two values (RESP2: an array of
    /// `len` arrays).
    fn map_of_pairs(&mut self, len: usize);
    /// Starts a pair of [`Reply::map_of_pairs`] (RESP3: nothing).
    fn map_pair(&mut self);
    /// A floating point number that is text already (RESP2: a bulk string).
    fn double_text(&mut self, text: &str);
    /// A truth value (RESP2: integer 1 or 0).
    fn boolean(&mut self, value: bool);
    /// Text for people with a three-letter format such as `txt` (RESP2: a bulk string).
    fn verbatim(&mut self, format: &str, text: &str);
    /// Bytes already in this reply's wire format, such as a reply from another node.
    fn encoded(&mut self, bytes: &[u8]);
    /// How many bytes have been written so far; a savepoint for [`Reply::truncate`].
    fn written(&self) -> usize;
    /// Takes back everything written after the savepoint.
    fn truncate(&mut self, written: usize);

    /// What follows is written in the richer form of the wire format (RESP3) or in the plainer one. Formats that
    /// have one form ignore it.
    fn speak(&mut self, _richer: bool) {}

    /// The reply `+OK`.
    fn ok(&mut self) {
        self.status("OK");
    }
    /// A floating point number, printed as [`crate::double::text`] does.
    fn double(&mut self, value: f64) {
        self.double_text(&crate::double::text(value));
    }
    /// An integer as a bulk string, as INCRBYFLOAT-like commands and counters answer it.
    fn bulk_str(&mut self, text: &str) {
        self.bulk(text.as_bytes());
    }
}
