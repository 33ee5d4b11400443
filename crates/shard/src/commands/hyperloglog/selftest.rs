//! PFSELFTEST: registers keep what they are given, and estimates are as near as they should be.

use super::sketch::Sketch;
use super::{REGISTERS, dense};

/// Elements added in the end; each power of ten on the way is checked. Few enough that the thread that runs
/// this does not stand still for as long as a lease, in any build.
const ELEMENTS: u64 = 10_000;
/// Largest relative error that is accepted: six times the standard error 1.04 / sqrt(registers).
const MOST: f64 = 6.0 * 1.04 / 128.0;
/// Bytes up to which the sparse form is compared with the dense one.
const SPARSE: usize = 3000;

/// Tests the arithmetic of this build, in some milliseconds.
///
/// # Errors
/// What is wrong, for people.
pub fn selftest() -> Result<(), String> {
    registers()?;
    estimates()
}

fn registers() -> Result<(), String> {
    let mut value = vec![0; dense::SIZE];
    let wanted = |register: usize| (register * 7 % 63) as u8 + 1;
    for register in 0..REGISTERS {
        dense::raise(&mut value, register, wanted(register));
    }
    match (0..REGISTERS).find(|register| dense::get(&value, *register) != wanted(*register)) {
        Some(register) => Err(format!("TESTFAILED register {register} lost its value")),
        None => Ok(()),
    }
}

fn estimates() -> Result<(), String> {
    let corrupt = |_| "TESTFAILED a sparse value is corrupt".to_string();
    let (mut dense, mut sparse) = (Sketch::new(), Sketch::new());
    dense.make_dense().map_err(corrupt)?;
    let mut check = 1;
    for element in 1..=ELEMENTS {
        let bytes = (element ^ 0x9e37_79b9_7f4a_7c15).to_le_bytes();
        dense.add(&bytes, SPARSE).map_err(corrupt)?;
        sparse.add(&bytes, SPARSE).map_err(corrupt)?;
        if element == check {
            let (a, b) = (dense.cardinality().map_err(corrupt)?, sparse.cardinality().map_err(corrupt)?);
            if a != b {
                return Err(format!("TESTFAILED dense and sparse disagree: {a}, {b}"));
            }
            let error = a.abs_diff(element) as f64;
            // Of few elements two may share a register.
            if error > (element as f64 * MOST).max(if element < 10 { 0.0 } else { 2.0 }) {
                return Err(format!("TESTFAILED {element} elements are estimated as {a}"));
            }
            check *= 10;
        }
    }
    Ok(())
}
