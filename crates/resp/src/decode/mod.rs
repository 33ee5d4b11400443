//! Reading replies: walking encoded ones without copying ([`walk`]), and turning bytes from a node
//! into values for a client ([`value`]).

pub mod value;
pub mod walk;

pub use value::{Decoder, Value};
pub use walk::{Elements, Malformed, elements, is_error, read_int, value_len};
