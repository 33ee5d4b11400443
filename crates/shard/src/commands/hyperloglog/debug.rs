//! PFDEBUG: what is inside.

use super::{read, sparse, write};
use crate::data::{Context, Done, Stop};
use crate::row::Form;

/// `PFDEBUG GETREG | DECODE | ENCODING | TODENSE key`. As in Redis GETREG leaves the value dense.
pub(in crate::commands) fn pfdebug(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[2]);
    let Some(found) = read(c, key)? else {
        return Err(Stop::error("ERR The specified key does not exist"));
    };
    // As in Redis before anything else is looked at.
    c.data.note_form(key, Form::Edited);
    match args[1].to_ascii_lowercase().as_slice() {
        b"getreg" => {
            let mut sketch = found.clone();
            if sketch.make_dense()? {
                write(c, key, Some(&found), &sketch)?;
            }
            let registers = sketch.registers()?;
            c.reply.array(registers.len());
            registers.iter().for_each(|value| c.reply.int(i64::from(*value)));
        }
        b"decode" if found.is_dense() => return Err(Stop::error("ERR HLL encoding is not sparse")),
        b"decode" => c.reply.bulk(sparse::shown(found.bytes()).as_bytes()),
        b"encoding" => c.reply.status(if found.is_dense() { "dense" } else { "sparse" }),
        b"todense" => {
            let mut sketch = found.clone();
            let converted = sketch.make_dense()?;
            if converted {
                write(c, key, Some(&found), &sketch)?;
            }
            c.reply.int(converted.into());
        }
        _ => {
            let name = String::from_utf8_lossy(crate::commands::integer::before_zero(args[1])).into_owned();
            return Err(Stop::error(format!("ERR Unknown PFDEBUG subcommand '{name}'")));
        }
    }
    c.data.note_form(key, Form::Edited);
    Ok(())
}
