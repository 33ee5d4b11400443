//! What a command does to large values: their manifests are rows, and whatever becomes of them is noted in the
//! system rows of their uploads, in the same entry (see [`model::large`]).

use super::{Data, Done, Key, Stop};
use crate::commands::large::{Edit, Prepared};
use crate::row::Row;
use model::Keyspace;
use model::large::{GRACE_MS, Manifest, State, Upload, UploadId};
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
    /// Whether large values may be made.
    ///
    /// # Errors
    /// Not all members of the cluster are known to understand them.
    pub fn check_large(&self) -> Done {
        if self.machine.large().is_some() {
            return Ok(());
        }
        Err(Stop::error(
            "TRYAGAIN large values can be made when all members of the cluster have said that they understand them",
        ))
    }

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
        self.check_size(key, 0)?;
        // What the key had is free by this, also what the new value still consists of: that is live again at once.
        self.put_of_any_size(key, kind::MANIFEST, expire, &manifest.encode())?;
        self.note_uploads(manifest, State::Live { ks: self.ks, generation: self.generation(self.ks) });
        Ok(())
    }

    fn generation(&self, ks: Keyspace) -> u32 {
        self.machine.space(ks).generation
    }

    /// All uploads of a manifest are in this state now.
    fn note_uploads(&mut self, manifest: &Manifest, state: State) {
        let until = match state {
            State::Free => self.machine.time().max(manifest.until).saturating_add(GRACE_MS),
            _ => manifest.until,
        };
        for (id, from, bound) in manifest.uploads() {
            self.put_upload(id, Some(&Upload { state, from, bound, until }));
        }
    }

    /// A chunk of an upload goes that is live with others.
    pub(crate) fn free_chunk(&mut self, id: UploadId, number: u64, manifest: &Manifest) {
        let until = self.machine.time().max(manifest.until).saturating_add(GRACE_MS);
        let bound = number.saturating_add(1).saturating_mul(manifest.chunk);
        let row = Upload { state: State::Free, from: number, bound, until };
        self.put_upload_row(id, &id.chunk_row_name(number), Some(&row));
    }

    /// What is committed of an upload; `None`: there is none of this id.
    ///
    /// # Errors
    /// Its row is being changed by an entry that is not committed, or can not be read.
    pub fn upload(&mut self, id: UploadId) -> Result<Option<Upload>, Stop> {
        self.upload_row(id, &id.row_name())
    }

    /// The same by the name of its row.
    pub(crate) fn upload_row(&mut self, id: UploadId, name: &[u8]) -> Result<Option<Upload>, Stop> {
        if self.machine.changed_uploads.iter().any(|(_, changed)| *changed == id) {
            return Err(Stop::error(format!("TRYAGAIN upload {id} is being changed")));
        }
        let row = self.machine.system(name);
        row.map(Upload::decode).transpose().map_err(|_| BAD)
    }

    /// The id of an upload for a key, of two random numbers.
    pub(crate) fn new_upload(&self, numbers: [u64; 2], key: Key<'_>) -> UploadId {
        UploadId::new(numbers, self.ks, key.position.slot())
    }

    /// Whether the shard owns the place of the key that an upload was begun for.
    pub(crate) fn owns_upload(&self, id: UploadId) -> bool {
        id.place().is_none_or(|(ks, slot)| self.machine.owns(ks, slot))
    }

    /// Sets the row of an upload, or removes it.
    pub fn put_upload(&mut self, id: UploadId, upload: Option<&Upload>) {
        self.put_upload_row(id, &id.row_name(), upload);
    }

    /// The same of a row by its name, which is that of the upload or of one of its chunks.
    pub(crate) fn put_upload_row(&mut self, id: UploadId, name: &[u8], upload: Option<&Upload>) {
        let index = self.changing();
        self.machine.changed_uploads.push_back((index, id));
        self.machine.put_system(name, upload.map(Upload::encode).as_deref());
    }

    /// What is prepared of an edit; `None`: nothing, and it is wanted.
    ///
    /// # Errors
    /// In a transaction: it would have to be prepared behind the commands before it.
    pub(crate) fn prepared(&mut self, edit: Edit) -> Result<Option<Prepared>, Stop> {
        let edits = &mut self.machine.edits;
        if edits.in_transaction {
            return Err(Stop::error(
                "ERR the value is kept in chunks, or would be: it can not be changed in a transaction",
            ));
        }
        let prepared = edits.prepared.take_if(|prepared| prepared.edit == edit);
        if prepared.is_none() {
            edits.wanted = Some(Box::new(edit));
        }
        Ok(prepared.map(|prepared| *prepared))
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
            self.note_uploads(&manifest, State::Free);
        }
    }

    /// A row was moved to here: the row of its upload must name the keyspace that it is in.
    #[inline]
    pub(super) fn large_moved(&mut self, to_ks: Keyspace, to: Key<'_>) {
        if to_ks != self.ks
            && let Some(row) = self.machine.space(to_ks).get(to.position, to.bytes)
            && let Some(Ok(manifest)) = row.manifest()
        {
            let generation = self.generation(to_ks);
            self.note_uploads(&manifest, State::Live { ks: to_ks, generation });
        }
    }
}
