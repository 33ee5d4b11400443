//! The keys of an RDB file, in batches. The file is never in memory as a whole.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rdb::{FileError, Item, Reader};
use shard::commands::glob;

use super::batch::{Batch, Entry, MAX_PAYLOAD, shown};
use super::now_ms;
use super::walk::Take;
use crate::cli::CliError;

/// What is in a file beside keys that are taken.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Besides {
    /// Libraries of functions, which are not imported.
    pub functions: u64,
    /// Modules that have data outside of keys, which is not imported.
    pub module_data: Vec<String>,
    /// Keys with an empty collection, which bugs of old versions left behind: no keys.
    pub empty_keys: u64,
    /// Whether the file has a checksum.
    pub checked: bool,
}

/// A file to import.
#[derive(Debug)]
pub struct RdbFile {
    path: PathBuf,
    only: Option<u32>,
    pattern: Option<Vec<u8>>,
    /// Bytes read, for others to see.
    pub read: Arc<AtomicU64>,
}

/// Counts what is read from a file.
struct Counted(File, Arc<AtomicU64>);

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(out)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl RdbFile {
    /// The keys of a file: all, or those of one keyspace, or whose names match a glob pattern.
    pub fn new(path: &Path, only: Option<u32>, pattern: Option<Vec<u8>>) -> RdbFile {
        RdbFile { path: path.into(), only, pattern, read: Arc::default() }
    }

    fn open(&self) -> Result<File, CliError> {
        File::open(&self.path).map_err(CliError::io(self.path.display().to_string()))
    }

    /// Its bytes.
    ///
    /// # Errors
    /// It can not be opened, or is a folder.
    pub fn bytes(&self) -> Result<u64, CliError> {
        let about = self.open()?.metadata().map_err(CliError::io(self.path.display().to_string()))?;
        if about.is_dir() {
            return Err(CliError::Usage(format!("{}: a folder, and no RDB file", self.path.display())));
        }
        Ok(about.len())
    }

    /// Reads it once and compares its checksum, before anything of it is used.
    ///
    /// # Errors
    /// It is no RDB file, is cut or damaged.
    pub fn check(&self, progress: impl FnMut(u64)) -> Result<(), CliError> {
        match rdb::check(self.open()?, progress) {
            Ok(_) => Ok(()),
            Err(error) => {
                let advice = match error.error {
                    rdb::Error::Checksum { .. } | rdb::Error::Ended(_) => ": the file is damaged, or was cut",
                    _ => "",
                };
                Err(CliError::Refused(format!(
                    "{}: {error}{advice}; nothing was written",
                    self.path.display()
                )))
            }
        }
    }

    /// Hands all keys to `take`.
    ///
    /// # Errors
    /// The file can not be read to its end; errors of `take`.
    pub fn run(&self, take: &mut Take<'_>) -> Result<Besides, CliError> {
        let failed = |error: FileError| CliError::Refused(format!("{}: {error}", self.path.display()));
        let source = Counted(self.open()?, Arc::clone(&self.read));
        let mut reader = Reader::new(source).map_err(failed)?;
        reader.keep_payloads();
        let (mut besides, mut batch) = (Besides::default(), Batch::of(0));
        while let Some(item) = reader.next() {
            let item = item.map_err(failed)?;
            let Some((keyspace, key)) = named(&item) else {
                match item {
                    Item::Function(_) => besides.functions += 1,
                    Item::ModuleAux(name) => besides.module_data.push(name),
                    _ => {}
                }
                continue;
            };
            let other = self.only.is_some_and(|only| only != keyspace);
            if other || self.pattern.as_ref().is_some_and(|pattern| !glob::matches(pattern, key)) {
                continue;
            }
            if keyspace != batch.keyspace {
                take(std::mem::replace(&mut batch, Batch::of(keyspace)))?;
            }
            match item {
                Item::Key(key) => {
                    let payload = reader.payload(&key.value).unwrap_or_else(|| rdb::dump(&key.value));
                    add(&mut batch, key.key, key.expires_ms, payload);
                }
                Item::ModuleKey { key, module, .. } => {
                    batch.refuse(key, format!("a value of the module type {module:?}"));
                }
                _ => besides.empty_keys += 1,
            }
            if batch.is_full() {
                take(batch.take())?;
            }
        }
        take(batch)?;
        besides.checked = reader.is_checked();
        Ok(besides)
    }
}

/// The key of an item that has one, and its keyspace.
fn named(item: &Item) -> Option<(u32, &[u8])> {
    match item {
        Item::Key(key) => Some((key.keyspace, &key.key)),
        Item::EmptyKey { keyspace, key } | Item::ModuleKey { keyspace, key, .. } => Some((*keyspace, key)),
        _ => None,
    }
}

/// As Redis does when it loads a file: what has expired is left out.
fn add(batch: &mut Batch, key: Vec<u8>, expires_ms: Option<i64>, payload: Vec<u8>) {
    // A time before 1970 is over as well; 0 would mean that it never is.
    let expires_ms = expires_ms.map_or(0, |time| u64::try_from(time).unwrap_or(0).max(1));
    if expires_ms != 0 && expires_ms <= now_ms() {
        batch.expired += 1;
    } else if payload.len() > MAX_PAYLOAD {
        batch.refuse(key, format!("its DUMP has {} bytes, at most {MAX_PAYLOAD} are taken", payload.len()));
    } else {
        batch.push(Entry { key, expires_ms, payload });
    }
}

impl Besides {
    /// What a person must know, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.functions > 0 {
            out.push(format!(
                "{} libraries of functions were not imported: there are no functions",
                self.functions
            ));
        }
        for module in &self.module_data {
            let module = shown(module.as_bytes());
            out.push(format!("data of the module type {module} outside of keys was not imported"));
        }
        if self.empty_keys > 0 {
            out.push(format!(
                "{} keys with an empty collection were left out, as Redis does",
                self.empty_keys
            ));
        }
        if !self.checked {
            out.push("the file has no checksum: damage would not have been noticed".to_owned());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdb::{Key, Value, Writer};

    fn key(keyspace: u32, name: &str, expires_ms: Option<i64>) -> Key {
        let value = Value::String(name.as_bytes().to_vec());
        Key { keyspace, key: name.into(), expires_ms, idle_seconds: None, frequency: None, value }
    }

    #[test]
    fn keys_come_by_keyspace_and_pattern_and_not_expired() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.rdb");
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.function(b"#!lua name=x").unwrap();
        let future = i64::try_from(now_ms()).unwrap() + 1_000_000;
        let keys = [
            (0, "a1", None),
            (0, "a2", Some(0)),
            (0, "a3", Some(future)),
            (3, "b1", Some(-5)),
            (3, "b2", None),
        ];
        for (keyspace, name, expires) in keys {
            writer.key(&key(keyspace, name, expires)).unwrap();
        }
        std::fs::write(&path, writer.finish().unwrap()).unwrap();
        let run = |only, pattern: Option<&str>| {
            let file = RdbFile::new(&path, only, pattern.map(Into::into));
            file.check(|_| ()).unwrap();
            let mut seen = Vec::new();
            let besides = file
                .run(&mut |batch| {
                    let names =
                        batch.entries.iter().map(|entry| String::from_utf8_lossy(&entry.key).into_owned());
                    seen.push((batch.keyspace, names.collect::<Vec<_>>().join(" "), batch.expired));
                    Ok(())
                })
                .unwrap();
            assert_eq!((besides.functions, besides.checked), (1, true));
            assert_eq!(file.read.load(Ordering::Relaxed), file.bytes().unwrap());
            seen
        };
        let batches = |all: [(u32, &str, u64); 2]| {
            all.map(|(n, names, expired)| (n, names.to_owned(), expired)).to_vec()
        };
        assert_eq!(run(None, None), batches([(0, "a1 a3", 1), (3, "b2", 1)]));
        assert_eq!(run(Some(3), None), batches([(0, "", 0), (3, "b2", 1)]));
        assert_eq!(run(None, Some("?2")), batches([(0, "", 1), (3, "b2", 0)]));
    }

    #[test]
    fn what_is_no_file_is_refused_before_anything_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.rdb");
        assert!(RdbFile::new(&path, None, None).bytes().unwrap_err().to_string().contains("x.rdb"));
        assert!(
            RdbFile::new(folder.path(), None, None).bytes().unwrap_err().to_string().contains("a folder")
        );
        std::fs::write(&path, "hello, world").unwrap();
        let error = RdbFile::new(&path, None, None).check(|_| ()).unwrap_err().to_string();
        assert!(error.contains("not an RDB file") && error.ends_with("nothing was written"), "{error}");
    }
}
