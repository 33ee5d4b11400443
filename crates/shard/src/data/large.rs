//! What a command does to large values: their manifests are rows, and whatever becomes of them is noted in the
//! system rows of their uploads, in the same entry (see [`model::large`]).

use super::{Data, Done, Key, Stop};
use crate::row::Row;
use model::Keyspace;
use model::large::{Manifest, State, Upload, UploadId};
use model::limits::CHUNKS;
use model::row::kind;
use std::borrow::Cow;

/// A manifest that can not be read; its row was written by this program, so it is damage.
const BAD: Stop =
    Stop::Error(Cow::Borrowed("ERR internal: the manifest of this large value can not be read"));

impl Stop {
    /// The error of a command for strings on this row, which is none or a large one.
    #[cold]
    pub(crate) fn no_string(row: &Row) -> Stop {
        match row.manifest() {
            None => Stop::WRONG_TYPE,
            Some(Err(stop)) => stop,
            Some(Ok(manifest)) => Stop::error(format!(
                "ERR the value has {} bytes and is kept in chunks: this command does not work on it; see STRLEN, \
                 GETRANGE, LARGE and 'everstore get'",
                manifest.length
            )),
        }
    }
}

impl Row {
    /// What a large value consists of; `None` of any other.
    ///
    /// # Errors
    /// It can not be read.
    pub fn manifest(&self) -> Option<Result<Manifest, Stop>> {
        (self.kind == kind::MANIFEST).then(|| Manifest::decode(self.value()).map_err(|_| BAD))
    }
}

impl Data<'_> {
    /// Goes over to the keyspace of chunks.
    pub fn enter_chunks(&mut self) -> Keyspace {
        std::mem::replace(&mut self.ks, CHUNKS)
    }

    /// Goes back to the keyspace it was in before.
    pub fn leave_chunks(&mut self, ks: Keyspace) {
        self.ks = ks;
    }

    /// Puts a chunk, whatever the limit of values is.
    ///
    /// # Errors
    /// [`Stop::Fetch`] when the row it replaces is not in memory.
    pub fn put_chunk(&mut self, key: Key<'_>, content: &[u8]) -> Done {
        debug_assert_eq!(self.ks, CHUNKS);
        self.put_of_any_size(key, kind::STRING, 0, content)
    }

    /// Puts the manifest of a large value, whose upload is live from then on.
    ///
    /// # Errors
    /// As [`Data::put`].
    pub fn put_manifest(&mut self, key: Key<'_>, expire: u64, manifest: &Manifest) -> Done {
        self.put(key, kind::MANIFEST, expire, &manifest.encode())?;
        self.note_live(self.ks, manifest);
        Ok(())
    }

    fn note_live(&mut self, ks: Keyspace, manifest: &Manifest) {
        let state = State::Live { ks, generation: self.machine.space(ks).generation };
        let upload = Upload { state, bound: manifest.bound, until: manifest.until };
        self.put_upload(manifest.upload, Some(&upload));
    }

    /// What is committed of an upload; `None`: there is none of this id.
    ///
    /// # Errors
    /// Its row is being changed by an entry that is not committed, or can not be read.
    pub fn upload(&mut self, id: UploadId) -> Result<Option<Upload>, Stop> {
        if self.machine.changed_uploads.iter().any(|(_, changed)| *changed == id) {
            return Err(Stop::error(format!("TRYAGAIN upload {id} is being changed")));
        }
        let row = self.machine.system(&id.row_name());
        row.map(Upload::decode).transpose().map_err(|_| BAD)
    }

    /// Sets the row of an upload, or removes it.
    pub fn put_upload(&mut self, id: UploadId, upload: Option<&Upload>) {
        let index = self.changing();
        self.machine.changed_uploads.push_back((index, id));
        self.machine.put_system(&id.row_name(), upload.map(Upload::encode).as_deref());
    }

    /// Generation of a keyspace, if it is committed.
    pub fn settled_generation(&self, ks: Keyspace) -> Option<u32> {
        let space = self.machine.space(ks);
        (space.flushed_at <= self.machine.applied).then_some(space.generation)
    }

    /// A row that is gone: if it was a large value its chunks will be removed.
    #[inline]
    pub(super) fn freed(&mut self, row: Row) -> Row {
        self.free_large(&row);
        row
    }

    #[inline]
    pub(super) fn free_large(&mut self, row: &Row) {
        if let Some(Ok(manifest)) = row.manifest() {
            let upload = manifest.freed(self.machine.time());
            self.put_upload(manifest.upload, Some(&upload));
        }
    }

    /// A row was moved to here: the row of its upload must name the keyspace that it is in.
    #[inline]
    pub(super) fn large_moved(&mut self, to_ks: Keyspace, to: Key<'_>) {
        if to_ks != self.ks
            && let Some(row) = self.machine.space(to_ks).get(to.position, to.bytes)
            && let Some(Ok(manifest)) = row.manifest()
        {
            self.note_live(to_ks, &manifest);
        }
    }
}
