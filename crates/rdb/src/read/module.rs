//! What modules write: told by name, and skipped where that loses no key.

use std::io::BufRead;

use super::Decoder;
use crate::Error;
use crate::error::malformed;

/// The letters of a module type's name, by their six bits.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Letters of a name, and the bits of a version behind them.
const NAME: u32 = 9;
const VERSION_BITS: u32 = 10;

/// What can stand in the data of a module, and its end.
const END: u64 = 0;
const SIGNED: u64 = 1;
const UNSIGNED: u64 = 2;
const FLOAT: u64 = 3;
const DOUBLE: u64 = 4;
const STRING: u64 = 5;
/// What an error calls it.
const WHAT: &str = "data of a module";

impl<B: BufRead> Decoder<'_, B> {
    /// The name of the module type that comes next.
    pub(super) fn module_name(&mut self) -> Result<String, Error> {
        let id = self.number()?;
        let letter = |at: u32| LETTERS[(id >> (VERSION_BITS + 6 * at)) as usize & 63] as char;
        Ok((0..NAME).rev().map(letter).collect())
    }
}

/// Skips what a module keeps outside of keys; the name of its type.
pub(crate) fn skip_aux<B: BufRead>(decoder: &mut Decoder<'_, B>) -> Result<String, Error> {
    let name = decoder.module_name()?;
    // When it is to be loaded, a number like those in the data; then the data.
    if decoder.number()? != UNSIGNED {
        return Err(malformed(WHAT, "it does not say when it is to be loaded"));
    }
    decoder.number()?;
    skip_data(decoder)?;
    Ok(name)
}

/// Skips the value of a key; the name of its type.
pub(crate) fn skip_value<B: BufRead>(decoder: &mut Decoder<'_, B>) -> Result<String, Error> {
    let name = decoder.module_name()?;
    skip_data(decoder)?;
    Ok(name)
}

fn skip_data<B: BufRead>(decoder: &mut Decoder<'_, B>) -> Result<(), Error> {
    loop {
        match decoder.number()? {
            END => return Ok(()),
            SIGNED | UNSIGNED => {
                decoder.number()?;
            }
            FLOAT => {
                decoder.input.array::<4>(WHAT)?;
            }
            DOUBLE => {
                decoder.input.array::<8>(WHAT)?;
            }
            STRING => {
                decoder.string()?;
            }
            _ => return Err(malformed(WHAT, "something of an unknown kind")),
        }
    }
}
