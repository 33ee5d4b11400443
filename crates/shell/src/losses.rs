//! The folder of loss accounts: one file each, replaced as a whole.

use env::Disk;
use node::losses::account::{Account, LossId};
use node::losses::{MAX_ACCOUNT_BYTES, MAX_ACCOUNTS, format};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Longest file that is read: effects and rows of one account, and as much again for what is beside them.
const MAX_FILE: usize = 4 * MAX_ACCOUNT_BYTES as usize;
/// Ending of a file that was not finished before a crash.
const UNFINISHED: &str = ".tmp";

/// Where the accounts of a node are.
#[derive(Clone)]
pub struct LossFolder {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl LossFolder {
    /// The folder, which exists, and the accounts in it. What can not be read stays where it is, and is told
    /// in the log: it keeps no node from starting.
    ///
    /// # Errors
    /// In words: the folder can not be listed.
    pub fn open(disk: &Arc<dyn Disk>, dir: PathBuf) -> Result<(LossFolder, Vec<Account>), String> {
        let names = disk.list(&dir).map_err(|error| format!("cannot list {}: {error}", dir.display()))?;
        let folder = LossFolder { disk: Arc::clone(disk), dir };
        let mut accounts = Vec::new();
        for name in names.iter().filter(|name| !name.ends_with(UNFINISHED)).take(MAX_ACCOUNTS) {
            match folder.read(name) {
                Ok(account) => accounts.push(account),
                Err(error) => tracing::error!(loss = %name, %error, "a loss account can not be read"),
            }
        }
        Ok((folder, accounts))
    }

    fn read(&self, name: &str) -> Result<Account, String> {
        let id: LossId = name.parse()?;
        let bytes = self.disk.read(&self.dir.join(name), MAX_FILE).map_err(|error| error.to_string())?;
        let account = format::decode(&bytes).map_err(|error| error.to_string())?;
        if account.id == id { Ok(account) } else { Err(format!("it is that of loss {}", account.id)) }
    }

    /// Writes an account over an older one of its name. Durable on return.
    ///
    /// # Errors
    /// From the file system; the older one is then still there.
    pub fn keep(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.disk.write_atomic(&self.dir.join(name), content)
    }

    /// Writes down what leaders announced, beside the folder. Durable on return.
    ///
    /// # Errors
    /// From the file system; what was written before is then still there.
    pub fn keep_heard(&self, content: &[u8]) -> io::Result<()> {
        self.disk.write_atomic(&self.dir.with_file_name(node::heard::FILE), content)
    }

    /// Removes an account, if it is there. Durable on return.
    ///
    /// # Errors
    /// From the file system.
    pub fn forget(&self, name: &str) -> io::Result<()> {
        match self.disk.remove(&self.dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.disk.sync_dir(&self.dir),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use env::{MemDisk, Rng};
    use model::{GroupId, NodeId};
    use node::losses::account::State;
    use std::collections::VecDeque;

    fn account(index: u64) -> Account {
        Account {
            id: LossId { group: GroupId(1), term: 2, index },
            node: NodeId(1),
            at_ms: 5,
            state: State::Lost,
            not_kept: (0, 0),
            entries: VecDeque::new(),
            rows: Vec::new(),
        }
    }

    #[test]
    fn what_is_kept_survives_a_power_cut_and_what_is_damaged_stays() {
        let mem = MemDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(mem.clone());
        let dir = PathBuf::from("/losses");
        disk.create_dir_all(&dir).unwrap();
        let (folder, found) = LossFolder::open(&disk, dir.clone()).unwrap();
        assert!(found.is_empty());
        for index in 1..=3 {
            folder.keep(&account(index).id.to_string(), &format::encode(&account(index))).unwrap();
        }
        folder.forget("0-2-2").unwrap();
        folder.forget("0-2-2").unwrap();
        disk.write_atomic(&dir.join("0-2-9"), b"nonsense").unwrap();
        disk.write_atomic(&dir.join("0-2-8"), &format::encode(&account(7))).unwrap();
        mem.power_cut(&mut Rng::new(1));
        let (_, found) = LossFolder::open(&disk, dir.clone()).unwrap();
        assert_eq!(found, [account(1), account(3)]);
        assert!(disk.exists(&dir.join("0-2-9")).unwrap(), "a person may want to look at it");
    }
}
