//! A HyperLogLog as the bytes of a string, Redis's to the bit.
//!
//! Header of 16 bytes: `HYLL`, the form (0 dense, 1 sparse), three bytes that are not used, the cardinality
//! as it was last counted (little-endian, its highest bit set when registers were raised since). Registers follow.

use super::estimate::{Histogram, cardinality};
use super::sparse::Raised;
use super::{Corrupt, HEADER, REGISTERS, dense, hash, sparse};
use crate::data::Stop;

const MAGIC: &[u8] = b"HYLL";
/// Place of the form.
const FORM: usize = 4;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// Place of the counted cardinality.
const CARDINALITY: usize = 8;
/// Set in the last byte of the cardinality when it is out of date.
const OLD: u8 = 0x80;

/// The value of a key, known to have a header and, if dense, the right length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sketch(Vec<u8>);

impl Sketch {
    /// An empty one, sparse.
    pub fn new() -> Sketch {
        let mut value = [MAGIC, &[SPARSE], &[0; HEADER - 5]].concat();
        sparse::push_empty(&mut value);
        Sketch(value)
    }

    /// Takes the value of a string.
    ///
    /// # Errors
    /// It is none, as Redis words it.
    pub fn read(value: &[u8]) -> Result<Sketch, Stop> {
        let known = value.len() >= HEADER && value.starts_with(MAGIC) && value[FORM] <= SPARSE;
        if !known || value[FORM] == DENSE && value.len() != dense::SIZE {
            return Err(Stop::error("WRONGTYPE Key is not a valid HyperLogLog string value."));
        }
        Ok(Sketch(value.to_vec()))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// True if every register has bits of its own.
    pub fn is_dense(&self) -> bool {
        self.0[FORM] == DENSE
    }

    /// The cardinality as it was last counted, if nothing was raised since.
    pub fn counted(&self) -> Option<u64> {
        let bytes: [u8; 8] = self.0[CARDINALITY..HEADER].try_into().ok()?;
        (bytes[7] & OLD == 0).then(|| u64::from_le_bytes(bytes))
    }

    /// Keeps a cardinality.
    pub fn set_counted(&mut self, count: u64) {
        self.0[CARDINALITY..HEADER].copy_from_slice(&count.to_le_bytes());
    }

    /// The kept cardinality is out of date.
    pub fn outdate(&mut self) {
        self.0[HEADER - 1] |= OLD;
    }

    /// Adds an element. True if a register was raised. Above `most` bytes the sparse form becomes dense.
    ///
    /// # Errors
    /// The runs do not cover the registers.
    pub fn add(&mut self, element: &[u8], most: usize) -> Result<bool, Corrupt> {
        let (register, count) = hash::place(element);
        self.raise(register, count, most)
    }

    /// Raises one register.
    ///
    /// # Errors
    /// As [`Sketch::add`].
    pub fn raise(&mut self, register: usize, count: u8, most: usize) -> Result<bool, Corrupt> {
        if self.is_dense() {
            return Ok(dense::raise(&mut self.0, register, count));
        }
        match sparse::raise(&mut self.0, register, count, most)? {
            Raised::No => Ok(false),
            Raised::Yes => {
                self.outdate();
                Ok(true)
            }
            Raised::TooMuch => {
                self.make_dense()?;
                Ok(dense::raise(&mut self.0, register, count))
            }
        }
    }

    /// Gives every register bits of its own. False if they have already.
    ///
    /// # Errors
    /// As [`Sketch::add`].
    pub fn make_dense(&mut self) -> Result<bool, Corrupt> {
        if self.is_dense() {
            return Ok(false);
        }
        let registers = self.registers()?;
        self.0.truncate(HEADER);
        self.0.resize(dense::SIZE, 0);
        self.0[FORM] = DENSE;
        for (register, count) in registers.iter().enumerate() {
            dense::raise(&mut self.0, register, *count);
        }
        Ok(true)
    }

    /// The values of all registers.
    ///
    /// # Errors
    /// As [`Sketch::add`].
    pub fn registers(&self) -> Result<Vec<u8>, Corrupt> {
        if self.is_dense() {
            return Ok((0..REGISTERS).map(|register| dense::get(&self.0, register)).collect());
        }
        let runs = sparse::runs(&self.0)?;
        Ok(runs.iter().flat_map(|run| std::iter::repeat_n(run.value, run.len)).collect())
    }

    /// The estimated number of elements.
    ///
    /// # Errors
    /// As [`Sketch::add`].
    pub fn cardinality(&self) -> Result<u64, Corrupt> {
        Ok(count(&self.registers()?))
    }
}

/// The estimated number of elements that registers tell of.
pub(super) fn count(registers: &[u8]) -> u64 {
    let mut histogram: Histogram = [0; 64];
    registers.iter().for_each(|value| histogram[usize::from(value & dense::MAX)] += 1);
    cardinality(&histogram)
}
