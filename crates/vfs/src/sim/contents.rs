//! A file on a simulated disk: what reads see, what is safe, and the changes between the two.
//!
//! ```text
//!   durable  --change 0-->  --change 1-->  ...  --change n-1-->  current
//! ```
//!
//! A sync makes `durable` equal to `current` in every page that a change touched. At power loss a
//! fate is drawn for every change, and a length among those the file went through:
//!
//! - A sector (512 bytes) is written whole or not at all, and goes through its versions in order:
//!   it ends as one of them. Different sectors are independent of each other.
//! - The length is independent of the data. Bytes below it that no surviving change wrote are
//!   what was durable, or zeros.
//! - Cutting a file is a change of metadata, and takes its blocks away: a cut survives if the
//!   length is one from after the cut, and writes after a cut that did not survive are lost.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use super::fault::AfterLoss;
use crate::image::{Image, PAGE_BYTES};

/// What a disk writes whole.
pub(super) const SECTOR_BYTES: u64 = 512;

#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    current: Image,
    durable: Image,
    pending: Vec<Change>,
    /// Pages that are cached, clean, and not on disk, because a sync failed.
    lost_pages: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, data: Arc<[u8]> },
    Length { before: u64, after: u64 },
}

/// What becomes of one change at power loss.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Keep,
    Drop,
    /// Only this many sectors from its start survive.
    Head(u64),
    /// Each sector has an even chance, drawn from this.
    Scatter(u64),
}

impl Contents {
    /// A file that is on disk as it is.
    pub(super) fn durable(image: Image) -> Self {
        Self {
            current: image.clone(),
            durable: image,
            pending: Vec::new(),
            lost_pages: BTreeSet::new(),
        }
    }

    /// What reads see.
    pub(super) fn current(&self) -> &Image {
        &self.current
    }

    /// What is safe.
    pub(super) fn on_disk(&self) -> &Image {
        &self.durable
    }

    /// Whether what reads see is safe.
    pub(super) fn is_durable(&self) -> bool {
        self.pending.is_empty() && self.lost_pages.is_empty()
    }

    /// How many changes are not synced.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        self.current.write_at(data, offset)?;
        self.pending.push(Change::Write {
            offset,
            data: data.into(),
        });
        Ok(())
    }

    pub(super) fn set_len(&mut self, after: u64) -> io::Result<()> {
        let before = self.current.len();
        self.current.set_len(after)?;
        if before != after {
            self.pending.push(Change::Length { before, after });
        }
        Ok(())
    }

    /// Reserves space; the reservation itself is not worth modelling as durable.
    pub(super) fn reserve(&mut self, offset: u64, len: u64) -> io::Result<()> {
        self.current.reserve(offset, len)
    }

    /// Makes everything durable, except pages that an earlier sync lost and nobody wrote since.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.durable.set_len(self.shortest())?;
        for (offset, len) in self.written() {
            self.durable.adopt(&self.current, offset, len);
            let pages = pages_of(offset, len);
            self.lost_pages.retain(|page| !pages.contains(page));
        }
        self.durable.set_len(self.current.len())?;
        let pages = self.current.len().div_ceil(PAGE_BYTES as u64);
        self.lost_pages.retain(|&page| page < pages);
        self.pending.clear();
        Ok(())
    }

    /// What a failed sync leaves: the pages are clean, and not on disk. The length is kept in
    /// memory, and the next sync writes it.
    pub(super) fn lose_pages(&mut self, after_loss: AfterLoss) -> io::Result<()> {
        let len = self.current.len();
        let shortest = self.shortest();
        let mut old = self.durable.clone();
        old.set_len(shortest)?;
        for (offset, len) in self.written() {
            match after_loss {
                AfterLoss::New => self.lost_pages.extend(pages_of(offset, len)),
                AfterLoss::Old => self.current.adopt(&old, offset, len),
            }
        }
        self.pending.clear();
        for (before, after) in [(self.durable.len(), shortest), (shortest, len)] {
            if before != after {
                self.pending.push(Change::Length { before, after });
            }
        }
        Ok(())
    }

    /// Changes bytes on disk and in the cache alike, behind everybody's back.
    pub(super) fn corrupt(&mut self, offset: u64, change: impl Fn(u8) -> u8) -> io::Result<()> {
        for image in [&mut self.current, &mut self.durable] {
            let mut byte = [0];
            if image.read_at(&mut byte, offset) == 1 {
                image.write_at(&[change(byte[0])], offset)?;
            }
        }
        Ok(())
    }

    /// The file after power loss. `fates` has one entry per pending change; `lengths_kept` is how
    /// many of the changes had their effect on the length.
    pub(super) fn after_power_loss(
        &self,
        fates: &[Fate],
        lengths_kept: usize,
    ) -> io::Result<Image> {
        assert_eq!(fates.len(), self.pending.len(), "one fate per change");
        assert!(
            lengths_kept <= self.pending.len(),
            "only changes have lengths"
        );
        let is_cut =
            |change: &Change| matches!(change, Change::Length { before, after } if after < before);
        let reachable = self.pending[lengths_kept..].iter().position(is_cut);
        let changes = &self.pending[..reachable.map_or(self.pending.len(), |n| lengths_kept + n)];

        let newest = newest_versions(changes, fates, lengths_kept);
        let mut image = self.durable.clone();
        for (number, change) in changes.iter().enumerate() {
            for (sector, start, end) in sectors(change) {
                if newest.get(&sector).is_none_or(|&newest| newest < number) {
                    continue;
                }
                match change {
                    Change::Write { offset, data } => {
                        let range = (start - offset) as usize..(end - offset) as usize;
                        image.write_at(&data[range], start)?;
                    }
                    Change::Length { .. } => image.zero(start, end),
                }
            }
        }
        image.set_len(self.length_after(lengths_kept))?;
        Ok(image)
    }

    fn length_after(&self, changes: usize) -> u64 {
        self.pending[..changes]
            .iter()
            .fold(self.durable.len(), |len, change| match change {
                Change::Write { offset, data } => len.max(offset + data.len() as u64),
                Change::Length { after, .. } => *after,
            })
    }

    /// The least length that the file had since it was synced.
    fn shortest(&self) -> u64 {
        let len = self.durable.len().min(self.current.len());
        self.pending.iter().fold(len, |len, change| match change {
            Change::Write { .. } => len,
            Change::Length { after, .. } => len.min(*after),
        })
    }

    /// The ranges that pending changes wrote.
    fn written(&self) -> Vec<(u64, u64)> {
        let range = |change: &Change| match change {
            Change::Write { offset, data } => Some((*offset, data.len() as u64)),
            Change::Length { .. } => None,
        };
        self.pending.iter().filter_map(range).collect()
    }
}

/// The number of the last change that survived in each sector.
fn newest_versions(changes: &[Change], fates: &[Fate], lengths_kept: usize) -> HashMap<u64, usize> {
    let mut newest = HashMap::new();
    for (number, (change, fate)) in changes.iter().zip(fates).enumerate() {
        for (index, (sector, _, _)) in sectors(change).enumerate() {
            let survives = match change {
                Change::Write { .. } => fate.keeps(index as u64, sector),
                Change::Length { .. } => number < lengths_kept,
            };
            if survives {
                newest.insert(sector, number);
            }
        }
    }
    newest
}

impl Fate {
    fn keeps(self, index: u64, sector: u64) -> bool {
        match self {
            Self::Keep => true,
            Self::Drop => false,
            Self::Head(sectors) => index < sectors,
            Self::Scatter(seed) => {
                let mixed = (seed ^ sector).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 63 == 0
            }
        }
    }
}

/// The sectors whose bytes a change touches: number, first byte, end. Growing touches none.
fn sectors(change: &Change) -> impl Iterator<Item = (u64, u64, u64)> {
    let (start, end) = match change {
        Change::Write { offset, data } => (*offset, offset + data.len() as u64),
        Change::Length { before, after } => (*after, *before),
    };
    let numbers = start / SECTOR_BYTES..end.max(start).div_ceil(SECTOR_BYTES);
    numbers.filter(move |_| start < end).map(move |sector| {
        let first = start.max(sector * SECTOR_BYTES);
        (sector, first, end.min((sector + 1) * SECTOR_BYTES))
    })
}

fn pages_of(offset: u64, len: u64) -> std::ops::Range<u64> {
    offset / PAGE_BYTES as u64..(offset + len).div_ceil(PAGE_BYTES as u64)
}
