//! Writing a file, one value at a time.

use std::io::{BufWriter, Write};

use super::{Key, MAGIC};
use crate::output::Output;
use crate::{Error, VERSION, dump, kind, write};

/// Bytes gathered before they are written.
const BUFFER: usize = 64 << 10;

/// Writes a file that Redis 7.0 loads. What was written is whole only after [`Writer::finish`]; an error leaves
/// a part of a file behind, which has no end and no reader takes for one.
#[derive(Debug)]
pub struct Writer<W: Write> {
    output: Output<BufWriter<W>>,
    keyspace: Option<u32>,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// If `sink` fails.
    pub fn new(sink: W) -> Result<Writer<W>, Error> {
        let mut output = Output::new(BufWriter::with_capacity(BUFFER, sink));
        output.put(MAGIC)?;
        output.put(format!("{VERSION:04}").as_bytes())?;
        Ok(Writer { output, keyspace: None })
    }

    /// Says something about the file; before its keys, as `redis-ver`, `redis-bits`, `ctime`, `used-mem` in Redis,
    /// which skips names it does not know.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        self.output.put(&[kind::AUX])?;
        self.output.put_string(name)?;
        Ok(self.output.put_string(value)?)
    }

    /// The source of a library of functions; before the keys.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn function(&mut self, source: &[u8]) -> Result<(), Error> {
        self.output.put(&[kind::FUNCTION])?;
        Ok(self.output.put_string(source)?)
    }

    /// Begins a keyspace, and says how many keys it will have, `expiring` of which expire. A hint, and not needed:
    /// a key of another keyspace than the one before it begins its own.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn sizes(&mut self, keyspace: u32, keys: u64, expiring: u64) -> Result<(), Error> {
        self.select(keyspace)?;
        self.output.put(&[kind::RESIZE])?;
        self.output.put_length(keys)?;
        Ok(self.output.put_length(expiring)?)
    }

    /// Writes a key.
    ///
    /// # Errors
    /// If its value is an empty collection, of which nothing is then written, or if the sink fails.
    ///
    /// # Panics
    /// If an entry of a stream has 4 GiB or more.
    pub fn key(&mut self, key: &Key) -> Result<(), Error> {
        if key.value.is_void() {
            return Err(Error::Empty(key.value.name()));
        }
        self.select(key.keyspace)?;
        let output = &mut self.output;
        if let Some(expires_ms) = key.expires_ms {
            output.put(&[kind::EXPIRES_MS])?;
            output.put(&expires_ms.to_le_bytes())?;
        }
        if let Some(idle_seconds) = key.idle_seconds {
            output.put(&[kind::IDLE])?;
            output.put_length(idle_seconds)?;
        }
        if let Some(frequency) = key.frequency {
            output.put(&[kind::FREQUENCY, frequency])?;
        }
        output.put(&[write::kind(&key.value)])?;
        output.put_string(&key.key)?;
        Ok(write::value(output, &key.value)?)
    }

    /// Writes a key whose value is a payload of `DUMP`, without decoding it.
    ///
    /// # Errors
    /// If the payload's version is above 10, its checksum wrong, or its type unknown or of a module: then nothing
    /// is written. If the sink fails.
    pub fn payload(
        &mut self,
        keyspace: u32,
        key: &[u8],
        expires_ms: Option<i64>,
        payload: &[u8],
    ) -> Result<(), Error> {
        let (kind, value) = dump::opened(payload, VERSION)?.split_first().ok_or(Error::Ended("a type"))?;
        if *kind > kind::NEWEST_RESTORED || (kind::MODULE_PRE_RELEASE..kind::HASH_ZIPMAP).contains(kind) {
            return Err(Error::Kind(*kind));
        }
        self.select(keyspace)?;
        if let Some(expires_ms) = expires_ms {
            self.output.put(&[kind::EXPIRES_MS])?;
            self.output.put(&expires_ms.to_le_bytes())?;
        }
        self.output.put(&[*kind])?;
        self.output.put_string(key)?;
        Ok(self.output.put(value)?)
    }

    /// Ends the file with its checksum and hands back the sink, flushed.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn finish(mut self) -> Result<W, Error> {
        self.output.put(&[kind::END])?;
        let checksum = self.output.checksum();
        self.output.put(&checksum.to_le_bytes())?;
        let mut sink = self.output.into_sink();
        sink.flush()?;
        sink.into_inner().map_err(|error| error.into_error().into())
    }

    fn select(&mut self, keyspace: u32) -> Result<(), Error> {
        if self.keyspace.replace(keyspace) != Some(keyspace) {
            self.output.put(&[kind::SELECT])?;
            self.output.put_length(u64::from(keyspace))?;
        }
        Ok(())
    }
}
