//! Reading a file, one value at a time.

use std::io::{BufRead, BufReader, Read};

use super::{Item, Key, MAGIC, SECOND_MS, SUMMED_SINCE};
use crate::error::malformed;
use crate::input::Input;
use crate::limits::Limits;
use crate::read::{Decoder, skip_aux, skip_value};
use crate::{Error, NEWEST_READ, Value, dump, kind};

/// Bytes read ahead.
const BUFFER: usize = 64 << 10;

/// An error and where it was found.
#[derive(Debug, thiserror::Error)]
#[error("RDB file, before byte {offset}{}: {error}", of_key(.key.as_deref()))]
pub struct FileError {
    /// Bytes read when it was found; what is wrong lies before.
    pub offset: u64,
    /// The key whose value was being read.
    pub key: Option<Vec<u8>>,
    /// What is wrong.
    pub error: Error,
}

fn of_key(key: Option<&[u8]>) -> String {
    /// Most bytes of a key that an error shows.
    const SHOWN: usize = 100;
    key.map_or(String::new(), |key| format!(", key \"{}\"", key[..key.len().min(SHOWN)].escape_ascii()))
}

/// What stands before a key and is about it.
#[derive(Debug, Default)]
struct Before {
    expires_ms: Option<i64>,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl Before {
    fn is_nothing(&self) -> bool {
        self.expires_ms.is_none() && self.idle_seconds.is_none() && self.frequency.is_none()
    }
}

/// Reads a file. An iterator over its [`Item`]s, of which one is in memory at a time; after an error, or when
/// the file is over, there are no more. What lies behind the end of the file in the input is not looked at, but
/// some of it is read.
#[derive(Debug)]
pub struct Reader<R> {
    input: Input<BufReader<R>>,
    limits: Limits,
    version: u16,
    keyspace: u32,
    /// The key whose value is being read.
    key: Option<Vec<u8>>,
    /// Whether values are kept as they stand in the file.
    keeps: bool,
    /// The value read last, its type first.
    kept: Option<Vec<u8>>,
    over: bool,
    checked: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// If it is not an RDB file of version 1 to 11.
    pub fn new(source: R) -> Result<Reader<R>, FileError> {
        Reader::within(source, Limits::default())
    }

    /// [`Reader::new`] with limits of the caller.
    ///
    /// # Errors
    /// As [`Reader::new`].
    pub fn within(source: R, limits: Limits) -> Result<Reader<R>, FileError> {
        let mut input = Input::summed(BufReader::with_capacity(BUFFER, source));
        match version(&mut input) {
            Ok(version) => Ok(Reader {
                input,
                limits: limits.capped(),
                version,
                keyspace: 0,
                key: None,
                keeps: false,
                kept: None,
                over: false,
                checked: false,
            }),
            Err(error) => Err(FileError { offset: input.offset(), key: None, error }),
        }
    }

    /// The file's version.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Keeps each value as it stands in the file too: for [`Reader::payload`].
    pub fn keep_payloads(&mut self) {
        self.keeps = true;
    }

    /// The value of the key that was read last, as a payload for `RESTORE`, not encoded anew where Redis 7.0
    /// knows its encoding. `None` if it was asked for already, or without [`Reader::keep_payloads`].
    pub fn payload(&mut self, value: &Value) -> Option<Vec<u8>> {
        let kept = self.kept.take()?;
        let known = kept.first().is_some_and(|kind| *kind <= kind::NEWEST_RESTORED);
        Some(if known { dump::closed(kept) } else { dump::dump(value) })
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// True when the end was read and the file's checksum was right; false if it has none, because it was
    /// written without or before version 5.
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    fn decoder(&mut self) -> Decoder<'_, BufReader<R>> {
        Decoder::new(&mut self.input, self.limits)
    }

    fn item(&mut self) -> Result<Option<Item>, Error> {
        let mut before = Before::default();
        loop {
            let code = self.input.u8("a type or opcode")?;
            match code {
                kind::EXPIRES_MS => before.expires_ms = Some(self.decoder().milliseconds()?),
                kind::EXPIRES_SECONDS => {
                    let seconds = i32::from_le_bytes(self.input.array("a time")?);
                    before.expires_ms = Some(i64::from(seconds) * SECOND_MS);
                }
                kind::IDLE => before.idle_seconds = Some(self.decoder().number()?),
                kind::FREQUENCY => before.frequency = Some(self.input.u8("a frequency")?),
                kind::SELECT => {
                    let number = self.decoder().number()?;
                    self.keyspace = u32::try_from(number).map_err(|_| Error::Keyspace(number))?;
                }
                kind::FUNCTION..=kind::MODULE_AUX | kind::AUX | kind::RESIZE | kind::END => {
                    if !before.is_nothing() {
                        return Err(malformed("file", "an expiry, idle time or frequency without a key"));
                    }
                    return self.other(code);
                }
                kind => return self.key(kind, before).map(Some),
            }
        }
    }

    /// What is not about a key.
    fn other(&mut self, code: u8) -> Result<Option<Item>, Error> {
        Ok(Some(match code {
            kind::AUX => Item::Aux { name: self.decoder().string()?, value: self.decoder().string()? },
            kind::RESIZE => Item::Sizes {
                keyspace: self.keyspace,
                keys: self.decoder().number()?,
                expiring: self.decoder().number()?,
            },
            kind::FUNCTION => Item::Function(self.decoder().string()?),
            kind::FUNCTION_PRE_RELEASE => return Err(Error::PreReleaseFunction),
            kind::MODULE_AUX => Item::ModuleAux(skip_aux(&mut self.decoder())?),
            _ => {
                self.end()?;
                return Ok(None);
            }
        }))
    }

    fn key(&mut self, kind: u8, before: Before) -> Result<Item, Error> {
        let key = self.decoder().string()?;
        self.key = Some(key);
        if kind == kind::MODULE {
            let module = skip_value(&mut self.decoder())?;
            let (keyspace, key) = (self.keyspace, self.key.take().unwrap_or_default());
            return Ok(Item::ModuleKey { keyspace, key, module });
        }
        if self.keeps {
            self.input.keep(&[kind]);
        }
        let value = self.decoder().value(kind);
        self.kept = self.input.take_kept();
        // Left there if there is an error, to be told with it.
        let empty = matches!(value, Err(Error::Empty(_)));
        let value = if empty { None } else { Some(value?) };
        let (keyspace, key) = (self.keyspace, self.key.take().unwrap_or_default());
        let Some(value) = value else { return Ok(Item::EmptyKey { keyspace, key }) };
        let Before { expires_ms, idle_seconds, frequency } = before;
        Ok(Item::Key(Box::new(Key { keyspace, key, expires_ms, idle_seconds, frequency, value })))
    }

    fn end(&mut self) -> Result<(), Error> {
        self.over = true;
        if self.version < SUMMED_SINCE {
            return Ok(());
        }
        let computed = self.input.checksum();
        let found = u64::from_le_bytes(self.input.array("the checksum")?);
        if found != 0 && found != computed {
            return Err(Error::Checksum { found, computed });
        }
        self.checked = found != 0;
        Ok(())
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Item, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        self.item().transpose().map(|item| {
            item.map_err(|error| {
                self.over = true;
                FileError { offset: self.input.offset(), key: self.key.take(), error }
            })
        })
    }
}

/// The version in a file's header.
pub(super) fn version<B: BufRead>(input: &mut Input<B>) -> Result<u16, Error> {
    let header = input.array::<9>("the header of an RDB file")?;
    let digits = header.strip_prefix(MAGIC).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let digits = digits.ok_or_else(|| Error::Magic { found: header.escape_ascii().to_string() })?;
    let found = digits.iter().fold(0, |version, digit| version * 10 + u16::from(digit - b'0'));
    if (1..=NEWEST_READ).contains(&found) {
        Ok(found)
    } else {
        Err(Error::Version { found, newest: NEWEST_READ })
    }
}
