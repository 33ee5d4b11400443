//! A file that is there only when it is whole.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::cli::CliError;

/// A file under another name beside its own, until it is finished; removed if it never is.
#[derive(Debug)]
pub struct OutFile {
    path: PathBuf,
    partial: Option<PathBuf>,
    force: bool,
}

impl OutFile {
    /// Creates it beside `path`.
    ///
    /// # Errors
    /// `path` exists and may not be replaced, or the folder can not be written.
    pub fn create(path: &Path, force: bool) -> Result<(OutFile, File), CliError> {
        refuse_existing(path, force)?;
        let name = path.file_name().ok_or_else(|| {
            CliError::Usage(format!("'{}' has no name of a file; allowed: a file", path.display()))
        })?;
        let partial =
            path.with_file_name(format!(".{}.{}.partial", name.to_string_lossy(), std::process::id()));
        let file = File::create(&partial).map_err(CliError::io(partial.display().to_string()))?;
        Ok((OutFile { path: path.into(), partial: Some(partial), force }, file))
    }

    /// Syncs it, gives it its name, and syncs the folder: from now on it is there after a power cut, too.
    ///
    /// # Errors
    /// The operating system refuses one of these, or somebody has made a file of this name meanwhile.
    pub fn finish(mut self, file: &File) -> Result<(), CliError> {
        let failed = |source| CliError::Io { what: self.path.display().to_string(), source };
        file.sync_all().map_err(failed)?;
        refuse_existing(&self.path, self.force)?;
        let partial = self.partial.as_ref().expect("it is finished once");
        std::fs::rename(partial, &self.path).map_err(failed)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        self.partial = None;
        synced.map_err(CliError::io(folder.display().to_string()))
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // What is left behind has no end and is refused by every reader.
            let _ = std::fs::remove_file(partial);
        }
    }
}

fn refuse_existing(path: &Path, force: bool) -> Result<(), CliError> {
    if path.is_dir() {
        return Err(CliError::Usage(format!("'{}' is a folder; allowed: a file", path.display())));
    }
    if !force && path.exists() {
        return Err(CliError::Usage(format!("'{}' exists already; --force replaces it", path.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn it_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.rdb");
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        let (out, mut file) = OutFile::create(&path, false).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(out);
        assert_eq!(names(), 0, "an unfinished file is removed");
        let (out, mut file) = OutFile::create(&path, false).unwrap();
        file.write_all(b"whole").unwrap();
        out.finish(&file).unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), names()), (b"whole".to_vec(), 1));
        let refused = OutFile::create(&path, false).unwrap_err().to_string();
        assert!(refused.contains("exists already; --force"), "{refused}");
        let (out, mut file) = OutFile::create(&path, true).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole", "the old one stays until the new one is whole");
        out.finish(&file).unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), names()), (b"new".to_vec(), 1));
    }

    #[test]
    fn one_that_was_made_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.rdb");
        let (out, file) = OutFile::create(&path, false).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        assert!(out.finish(&file).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        assert!(OutFile::create(folder.path(), true).unwrap_err().to_string().contains("is a folder"));
    }
}
