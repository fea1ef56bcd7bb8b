//! Verification: reads all that an open database has on disk and checks it, while work goes on.
//!
//! | file | what is checked |
//! |---|---|
//! | `CURRENT`, manifest | read again; they add up to what the engine believes |
//! | key ring | its frame, and that it belongs to this database |
//! | tables | every block, order, counts, bounds, filter, the checksum of the file |
//! | runs | their tables do not overlap |
//! | value files | every value, up to the length the manifest records |
//! | references | each leads to the head of the value it means |
//! | log segments | every record and the commits in it, up to what is written |
//!
//! Damage is listed, and the rest is checked all the same. The version that is checked is held, so
//! its files stay; a log segment may be flushed and removed meanwhile, which is no problem.
//! Everything is read from disk, past the block cache, and nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::batch::decode_commit;
use crate::engine::write::RECORD_COMMITS;
use crate::engine::{Engine, Inner};
use crate::envelope::FileKind;
use crate::error::{Error, Result};
use crate::key::FileNumber;
use crate::log::{Expect, LogReader};
use crate::manifest::{Manifest, ManifestState, ValueFileMeta};
use crate::names::{self, FileName};
use crate::table::ReadMode;
use crate::value::Reference;
use crate::version::{Run, TableHandle, Version};

/// More problems than this are counted but not listed.
const PROBLEMS_MAX: usize = 10_000;

/// Progress within a log segment is told after so many bytes.
const PROGRESS_BYTES: u64 = 1 << 20;

/// What [`Engine::verify`] found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Tables read.
    pub tables: u64,
    /// Data blocks in them.
    pub blocks: u64,
    /// Entries in them, deletions included.
    pub entries: u64,
    /// Entries that refer to a value in a value file.
    pub references: u64,
    /// Value files read.
    pub value_files: u64,
    /// Values in them, dead ones included.
    pub values: u64,
    /// Log segments read.
    pub log_segments: u64,
    /// Commits in them.
    pub commits: u64,
    /// Bytes read of all these files.
    pub bytes: u64,
    /// What is wrong, in the order in which it was found.
    pub problems: Vec<Problem>,
    /// How many problems were found; more than are listed if there are very many.
    pub problem_count: u64,
    /// Whether the caller stopped it before everything was read.
    pub is_cancelled: bool,
}

/// Something that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Where in the file, or zero if it is the file as a whole.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

/// How far verification has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes that are done.
    pub done_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// Problems so far.
    pub problems: u64,
}

impl VerifyReport {
    /// Whether everything was read and nothing was wrong.
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0 && !self.is_cancelled
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "`{path}` at offset {}: {}", self.offset, self.reason)
    }
}

impl Problem {
    /// What an error says about a file; `path` if the error names none.
    pub(crate) fn from_error(path: &Path, error: &Error) -> Self {
        let (path, offset, reason) = match error {
            Error::Corruption(damage) => (&*damage.path, damage.offset, damage.reason.clone()),
            Error::Io { path, .. } => (&**path, 0, error.to_string()),
            _ => (path, 0, error.to_string()),
        };
        Self {
            path: path.to_path_buf(),
            offset,
            reason,
        }
    }
}

impl Engine {
    /// Reads and checks everything on disk. See [`Engine::verify_with`].
    pub fn verify(&self) -> Result<VerifyReport> {
        self.verify_with(&mut |_| ControlFlow::Continue(()))
    }

    /// Reads and checks everything on disk, and reports what is wrong instead of stopping at it.
    /// `progress` is called between files, and within those that are larger than about a mebibyte,
    /// and may end it; the report then covers what was read.
    ///
    /// Other work goes on meanwhile and shares the disk. Fails only if the engine is closed.
    pub fn verify_with(
        &self,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<VerifyReport> {
        self.inner().verify(progress)
    }
}

/// A verification under way.
struct Verification<'a> {
    inner: &'a Inner,
    progress: &'a mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    total_bytes: u64,
    report: VerifyReport,
}

/// A log segment, and where it ends.
struct Segment {
    number: FileNumber,
    path: PathBuf,
    bytes: u64,
    expect: Expect,
}

impl Inner {
    fn verify(
        &self,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<VerifyReport> {
        if matches!(self.fault.check(), Err(Error::Closed)) {
            return Err(Error::Closed);
        }
        let mut run = Verification {
            inner: self,
            progress,
            total_bytes: 0,
            report: VerifyReport::default(),
        };
        // Logs first: what is flushed after this is in no table of the version.
        let written = self.written_log()?;
        let (version, state) = run.manifest()?;
        let segments = self.segments(&state, written)?;
        let values = self.values_in_use(&version)?;
        run.total_bytes = version.table_bytes()
            + values.iter().map(|meta| meta.file_bytes).sum::<u64>()
            + segments.iter().map(|s| s.bytes).sum::<u64>();
        if run.all(&version, &values, &segments).is_break() {
            run.report.is_cancelled = true;
        }
        Ok(run.report)
    }

    /// The value files of a version, and those that only memtables refer to.
    fn values_in_use(&self, version: &Version) -> Result<Vec<ValueFileMeta>> {
        let known = version.value_files().values();
        let mut metas: BTreeMap<FileNumber, ValueFileMeta> = known
            .map(|entry| (entry.handle.meta().number, entry.handle.meta().clone()))
            .collect();
        let newer = self.metas_of_values(self.memtable_references().into_iter(), version)?;
        metas.extend(newer.into_iter().map(|meta| (meta.number, meta)));
        Ok(metas.into_values().collect())
    }

    fn memtable_references(&self) -> BTreeSet<FileNumber> {
        let super_version = self.super_version.load();
        let memtables = super_version.frozen().chain([&super_version.active]);
        let references = memtables.flat_map(|memtable| memtable.references());
        references.map(|(file, _)| file).collect()
    }

    /// Whether a value file has been collected.
    fn is_collected(&self, file: FileNumber) -> bool {
        let version = self.super_version.load().version.clone();
        !version.value_files().contains_key(&file) && !self.memtable_references().contains(&file)
    }

    /// The segment that is being written, and how much of it is on disk.
    fn written_log(&self) -> Result<Option<(FileNumber, u64)>> {
        let mut writer = self.writer.lock();
        let Some(writer) = writer.as_mut() else {
            return Ok(None);
        };
        let flushed = writer.log.flush();
        flushed.inspect_err(|error| self.fault.poison(error))?;
        Ok(Some((writer.log_number, writer.log.flushed())))
    }

    /// The log segments that are alive. Those behind the one given, which may be gone by now, are
    /// too young to matter.
    fn segments(
        &self,
        state: &ManifestState,
        written: Option<(FileNumber, u64)>,
    ) -> Result<Vec<Segment>> {
        let entries = self
            .vfs
            .read_dir(&self.directory)
            .map_err(|e| Error::io("read", &self.directory, e))?;
        let mut segments = Vec::new();
        for entry in entries {
            let Some(FileName::Wal(number)) = FileName::parse(&entry.name) else {
                continue;
            };
            let is_young = written.is_some_and(|(last, _)| number > last);
            if number < state.wal_floor || is_young {
                continue;
            }
            let expect = match (state.wal_ends().get(&number), written) {
                (Some(end), _) => Expect::EndAt(*end),
                (None, Some((last, end))) if number == last => Expect::EndAt(end),
                (None, Some(_)) => Expect::Finished,
                // Nobody has recovered it yet.
                (None, None) => Expect::Open,
            };
            segments.push(Segment {
                number,
                path: entry.path,
                bytes: match expect {
                    Expect::EndAt(end) => end,
                    _ => entry.len,
                },
                expect,
            });
        }
        segments.sort_by_key(|segment| segment.number);
        Ok(segments)
    }

    /// Whether a segment has been flushed.
    fn is_dead(&self, segment: FileNumber) -> bool {
        let versions = self.versions.lock();
        let manifest = versions.manifest.as_ref();
        manifest.is_some_and(|manifest| segment < manifest.state().wal_floor)
    }
}

impl Verification<'_> {
    fn all(
        &mut self,
        version: &Version,
        values: &[ValueFileMeta],
        segments: &[Segment],
    ) -> ControlFlow<()> {
        self.advance(0)?;
        self.key_ring();
        for run in version.levels().iter().flat_map(|level| level.runs()) {
            self.run(run);
            for table in run.tables() {
                self.table(version, table)?;
                self.report.tables += 1;
                self.advance(table.meta().file_bytes)?;
            }
        }
        for meta in values {
            let inner = self.inner;
            let verified = inner.values.verify_with(meta, &mut self.within_file());
            match verified {
                Ok(found) => self.report.values += found.values,
                Err(Error::Cancelled) => return ControlFlow::Break(()),
                Err(error) => {
                    let is_held = version.value_files().contains_key(&meta.number);
                    if is_held || !self.inner.is_collected(meta.number) {
                        let path = names::value(&self.inner.directory, meta.number);
                        self.problem(&path, &error);
                    }
                }
            }
            self.report.value_files += 1;
            self.advance(meta.file_bytes)?;
        }
        for segment in segments {
            match self.segment(segment) {
                Err(Error::Cancelled) => return ControlFlow::Break(()),
                Err(error) if !self.inner.is_dead(segment.number) => {
                    self.problem(&segment.path, &error);
                }
                Ok(()) | Err(_) => {}
            }
            self.report.log_segments += 1;
            self.advance(segment.bytes)?;
        }
        ControlFlow::Continue(())
    }

    /// A file of so many bytes is done.
    fn advance(&mut self, bytes: u64) -> ControlFlow<()> {
        self.report.bytes += bytes;
        match (self.within_file())(0) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// What is to be told how much of a file is done. It fails with [`Error::Cancelled`].
    fn within_file(&mut self) -> impl FnMut(u64) -> Result<()> {
        let (done_bytes, total_bytes) = (self.report.bytes, self.total_bytes);
        let problems = self.report.problem_count;
        let progress = &mut *self.progress;
        move |bytes| {
            let progress = progress(VerifyProgress {
                done_bytes: done_bytes + bytes,
                total_bytes,
                problems,
            });
            match progress {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(Error::Cancelled),
            }
        }
    }

    fn problem(&mut self, path: &Path, error: &Error) {
        self.report.problem_count += 1;
        if self.report.problems.len() < PROBLEMS_MAX {
            self.report.problems.push(Problem::from_error(path, error));
        }
    }

    /// Reads the manifest again, while nothing is appended to it.
    fn manifest(&mut self) -> Result<(Arc<Version>, ManifestState)> {
        let inner = self.inner;
        let versions = inner.versions.lock();
        let on_disk = Manifest::recover(&inner.vfs, &inner.security, &inner.directory);
        let known = versions.manifest.as_ref().map(|m| m.state().clone());
        let version = versions.version.clone();
        drop(versions);
        let path = names::current(&inner.directory);
        let on_disk = match on_disk {
            Ok(Some(recovered)) => Some(recovered.state),
            Ok(None) => {
                self.problem(&path, &Error::corruption(&path, 0, "the file is missing"));
                None
            }
            Err(error) => {
                self.problem(&path, &error);
                None
            }
        };
        if let (Some(on_disk), Some(known)) = (&on_disk, &known)
            && on_disk != known
        {
            let reason = "the manifest on disk is not what was written";
            self.problem(&path, &Error::corruption(&path, 0, reason));
        }
        Ok((version, known.or(on_disk).unwrap_or_default()))
    }

    fn key_ring(&mut self) {
        let inner = self.inner;
        if !inner.security.is_encrypted() {
            return;
        }
        let database_id = inner.security.database_id();
        if let Err(error) = crate::keyring::check(&inner.vfs, &inner.directory, database_id) {
            self.problem(&names::keyring(&inner.directory), &error);
        }
    }

    fn run(&mut self, run: &Run) {
        for pair in run.tables().windows(2) {
            if !pair[0].bounds().ends_before(&pair[1].meta().smallest) {
                let path = names::table(&self.inner.directory, pair[1].meta().number);
                let other = pair[0].meta().number.0;
                let reason = format!("overlaps table {other} of the same run");
                self.problem(&path, &Error::corruption(&path, 0, reason));
            }
        }
    }

    fn table(&mut self, version: &Version, handle: &TableHandle) -> ControlFlow<()> {
        let path = names::table(&self.inner.directory, handle.meta().number);
        let table = handle.table();
        let verified = table.and_then(|table| table.verify_with(&mut self.within_file()));
        match verified {
            Ok(found) => {
                self.report.blocks += found.blocks;
                self.report.entries += found.entries;
            }
            Err(Error::Cancelled) => return ControlFlow::Break(()),
            Err(error) => {
                self.problem(&path, &error);
                return ControlFlow::Continue(());
            }
        }
        if !handle.meta().value_refs.is_empty()
            && let Err(error) = self.references(version, handle, &path)
        {
            self.problem(&path, &error);
        }
        ControlFlow::Continue(())
    }

    /// Checks the references of a table, which is otherwise sound.
    fn references(&mut self, version: &Version, handle: &TableHandle, path: &Path) -> Result<()> {
        let mut cursor = handle.table()?.cursor(ReadMode::COMPACTION);
        cursor.seek_to_first()?;
        while cursor.valid() {
            if cursor.kind().is_reference() {
                self.report.references += 1;
                if let Err(error) = self.reference(version, cursor.kind(), cursor.value(), path) {
                    self.problem(path, &error);
                }
            }
            cursor.next()?;
        }
        Ok(())
    }

    fn reference(
        &self,
        version: &Version,
        kind: crate::key::EntryKind,
        stored: &[u8],
        path: &Path,
    ) -> Result<()> {
        let Some(reference) = Reference::decode(kind, stored) else {
            let reason = "an entry holds a damaged pointer into a value file";
            return Err(Error::corruption(path, 0, reason));
        };
        let pointer = reference.pointer;
        if !version.value_files().contains_key(&pointer.file) {
            let file = pointer.file.0;
            let reason = format!("an entry refers to value file {file}, which is not there");
            return Err(Error::corruption(path, 0, reason));
        }
        self.inner.values.check_head(&pointer)
    }

    fn segment(&mut self, segment: &Segment) -> Result<()> {
        let inner = self.inner;
        let (path, expect) = (&segment.path, segment.expect);
        let (vfs, security) = (&inner.vfs, &inner.security);
        let mut reader = LogReader::open(vfs, security, path, FileKind::Wal, expect)?;
        let mut told = 0;
        while let Some(record) = reader.next()? {
            let offset = record.offset;
            if record.kind != RECORD_COMMITS {
                return Err(Error::corruption(
                    path,
                    offset,
                    "a record is of an unknown kind",
                ));
            }
            let mut payload = record.payload;
            while !payload.is_empty() {
                decode_commit(&mut payload)
                    .map_err(|reason| Error::corruption(path, offset, reason))?;
                self.report.commits += 1;
            }
            if offset - told >= PROGRESS_BYTES {
                (self.within_file())(offset)?;
                told = offset;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
