//! Which operation goes wrong, and how.
//!
//! A [`Fault`] is a filter (kinds of operation, part of the path), a number of matches to let
//! pass, a number of times to strike, and an [`Effect`]. Of several faults that match the same
//! operation the one injected first strikes; all of them count it.

use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;

/// What a caller asked of the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OpKind {
    /// Opening an existing file.
    Open,
    /// Opening with [`OpenMode::CreateNew`](crate::OpenMode::CreateNew).
    Create,
    /// [`Vfs::remove_file`](crate::Vfs::remove_file).
    RemoveFile,
    /// [`Vfs::rename`](crate::Vfs::rename).
    Rename,
    /// [`Vfs::hard_link`](crate::Vfs::hard_link).
    HardLink,
    /// [`Vfs::create_dir_all`](crate::Vfs::create_dir_all).
    CreateDir,
    /// [`Vfs::remove_dir`](crate::Vfs::remove_dir).
    RemoveDir,
    /// [`Vfs::read_dir`](crate::Vfs::read_dir).
    ReadDir,
    /// [`Vfs::metadata`](crate::Vfs::metadata).
    Metadata,
    /// [`Vfs::sync_dir`](crate::Vfs::sync_dir).
    SyncDir,
    /// [`Vfs::lock`](crate::Vfs::lock).
    Lock,
    /// [`Vfs::available_bytes`](crate::Vfs::available_bytes).
    Available,
    /// [`File::read_at`](crate::File::read_at).
    Read,
    /// [`File::write_at`](crate::File::write_at).
    Write,
    /// [`File::sync_data`](crate::File::sync_data).
    Sync,
    /// [`File::len`](crate::File::len).
    Len,
    /// [`File::set_len`](crate::File::set_len).
    SetLen,
    /// [`File::allocate`](crate::File::allocate).
    Allocate,
}

/// How many kinds of operation there are.
const KINDS: usize = OpKind::Allocate as usize + 1;

/// A set of kinds of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpSet(u32);

impl OpSet {
    /// Every kind.
    pub const ALL: Self = Self((1 << KINDS) - 1);
    /// What changes the disk or makes a change durable: the places at which a crash can differ.
    pub const CHANGES: Self = Self::of(&[
        OpKind::Create,
        OpKind::RemoveFile,
        OpKind::Rename,
        OpKind::HardLink,
        OpKind::CreateDir,
        OpKind::RemoveDir,
        OpKind::SyncDir,
        OpKind::Lock,
        OpKind::Write,
        OpKind::Sync,
        OpKind::SetLen,
        OpKind::Allocate,
    ]);
    /// Syncs of files and directories.
    pub const SYNCS: Self = Self::of(&[OpKind::Sync, OpKind::SyncDir]);

    /// The set of some kinds.
    pub const fn of(kinds: &[OpKind]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < kinds.len() {
            bits |= 1 << kinds[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Whether a kind is among them.
    pub const fn contains(self, kind: OpKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

impl From<OpKind> for OpSet {
    fn from(kind: OpKind) -> Self {
        Self::of(&[kind])
    }
}

/// How often each kind of operation was begun, those that failed included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpCounts([u64; KINDS]);

impl OpCounts {
    /// The operations of these kinds.
    pub fn of(&self, kinds: impl Into<OpSet>) -> u64 {
        let kinds = kinds.into();
        (0..KINDS)
            .filter(|&kind| kinds.0 & (1 << kind) != 0)
            .map(|kind| self.0[kind])
            .sum()
    }

    pub(super) fn count(&mut self, kind: OpKind) {
        self.0[kind as usize] += 1;
    }
}

/// The error that a failed operation returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `EIO`.
    Io,
    /// `ENOSPC`.
    NoSpace,
    /// `EINTR`.
    Interrupted,
    /// `EACCES`.
    Denied,
    /// `EMFILE`.
    TooManyFiles,
}

impl From<Failure> for std::io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Io => Errno::IO.into(),
            Failure::NoSpace => Errno::NOSPC.into(),
            Failure::Interrupted => Errno::INTR.into(),
            Failure::Denied => Errno::ACCESS.into(),
            Failure::TooManyFiles => Errno::MFILE.into(),
        }
    }
}

/// What reads show after a failed sync lost pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterLoss {
    /// What is on disk: the pages have left the cache.
    Old,
    /// What was written: the pages are still cached, but marked clean.
    New,
}

/// What goes wrong. An effect that means nothing to an operation leaves it alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// Nothing: for counting.
    Nothing,
    /// The operation fails and does nothing.
    Fail(Failure),
    /// A read or write moves half of its bytes (at least one) and succeeds.
    Short,
    /// A write moves half of its bytes and fails.
    Torn(Failure),
    /// The operation reports success and does nothing: a lost write, a sync that lies.
    Ignore,
    /// A sync fails with `EIO` and the pages it was to write are clean but not on disk; a next
    /// sync succeeds.
    LosePages(AfterLoss),
    /// A read or write goes this many bytes off its place (but not before the file's start).
    Misdirect(i64),
    /// One bit of what a read returns, or a write stores, is flipped.
    FlipBit,
    /// The operation takes this long.
    Delay(Duration),
    /// The power fails in the middle of the operation: what it does may or may not survive, as
    /// with everything that is not synced, and it and all later operations fail.
    PowerOff,
}

/// A rule about operations to come.
#[derive(Clone, Debug)]
pub struct Fault {
    effect: Effect,
    kinds: OpSet,
    path_part: Option<String>,
    skip: u64,
    times: u64,
    matched: u64,
    fired: u64,
}

/// Names an injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultId(pub(super) u64);

impl Fault {
    /// An effect on the next operation, whatever it is, once.
    pub fn new(effect: Effect) -> Self {
        Self {
            effect,
            kinds: OpSet::ALL,
            path_part: None,
            skip: 0,
            times: 1,
            matched: 0,
            fired: 0,
        }
    }

    /// Only on these kinds of operation.
    pub fn on(self, kinds: impl Into<OpSet>) -> Self {
        Self {
            kinds: kinds.into(),
            ..self
        }
    }

    /// Only if the path contains this. The path of an open file is the one it was opened by.
    pub fn path(self, part: &str) -> Self {
        Self {
            path_part: Some(part.to_owned()),
            ..self
        }
    }

    /// Lets this many matching operations pass first.
    pub fn after(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// Strikes this many times.
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// Strikes until it is removed.
    pub fn forever(self) -> Self {
        self.times(u64::MAX)
    }

    /// Operations that passed the filter so far.
    pub fn matched(&self) -> u64 {
        self.matched
    }

    /// How often it struck.
    pub fn fired(&self) -> u64 {
        self.fired
    }

    /// Counts an operation if it matches; whether the fault is due.
    pub(super) fn observe(&mut self, kind: OpKind, paths: [Option<&Path>; 2]) -> bool {
        if !self.kinds.contains(kind) || !self.matches_path(paths) {
            return false;
        }
        self.matched += 1;
        self.matched > self.skip && self.fired < self.times
    }

    /// Strikes.
    pub(super) fn fire(&mut self) -> Effect {
        self.fired += 1;
        self.effect
    }

    fn matches_path(&self, paths: [Option<&Path>; 2]) -> bool {
        let Some(part) = &self.path_part else {
            return true;
        };
        paths
            .into_iter()
            .flatten()
            .any(|path| path.to_string_lossy().contains(part.as_str()))
    }
}
