//! What survives a power loss.

use std::io;

use super::contents::{Contents, Fate};
use super::disk::Disk;
use crate::image::Image;
use crate::rng::SimRng;

/// How much of what was not synced survives.
///
/// What was synced always does. A test that wants to know whether its code syncs enough tries all
/// of [`PowerLoss::EXTREMES`] and some seeds at every operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerLoss {
    /// Nothing.
    LoseAll,
    /// Everything.
    KeepAll,
    /// Names and lengths, but no data: files are full of zeros.
    LoseData,
    /// Data and lengths, but no names.
    LoseNames,
    /// Everything but the end of the last write to each file that was written and not synced: of
    /// that write only so many sectors survive. Lengths survive.
    TornLast {
        /// Sectors of the last write that survive.
        sectors: u64,
    },
    /// Whatever the seed says, for every change on its own: kept, dropped, torn at a sector, or
    /// kept though an earlier one is dropped.
    Seeded(u64),
}

impl PowerLoss {
    /// The policies without a seed.
    pub const EXTREMES: [Self; 4] = [
        Self::LoseAll,
        Self::KeepAll,
        Self::LoseData,
        Self::LoseNames,
    ];

    /// The extremes and `seeds` seeded policies, starting with `first_seed`.
    pub fn sample(first_seed: u64, seeds: u64) -> impl Iterator<Item = Self> {
        let seeded = (0..seeds).map(move |n| Self::Seeded(first_seed.wrapping_add(n)));
        Self::EXTREMES.into_iter().chain(seeded)
    }

    pub(super) fn apply(self, disk: &Disk) -> io::Result<Disk> {
        // One source for all draws; the disk asks for its files in a fixed order.
        let mut rng = match self {
            Self::Seeded(seed) => SimRng::new(seed),
            _ => SimRng::new(0),
        };
        let names = self.names(disk.pending_names(), &mut rng);
        disk.after_power_loss(names, |_, contents| self.contents(contents, &mut rng))
    }

    fn names(self, count: usize, rng: &mut SimRng) -> Vec<bool> {
        match self {
            Self::LoseAll | Self::LoseNames => vec![false; count],
            Self::KeepAll | Self::LoseData | Self::TornLast { .. } => vec![true; count],
            Self::Seeded(_) => match Style::draw(count, rng) {
                Style::Prefix(kept) => (0..count).map(|n| n < kept).collect(),
                Style::Each { keep_percent } => {
                    (0..count).map(|_| rng.below(100) < keep_percent).collect()
                }
            },
        }
    }

    fn contents(self, contents: &Contents, rng: &mut SimRng) -> io::Result<Image> {
        let count = contents.pending();
        let (fates, lengths_kept) = match self {
            _ if count == 0 => (Vec::new(), 0),
            Self::LoseAll => (vec![Fate::Drop; count], 0),
            Self::KeepAll | Self::LoseNames => (vec![Fate::Keep; count], count),
            Self::LoseData => (vec![Fate::Drop; count], count),
            Self::TornLast { sectors } => {
                let mut fates = vec![Fate::Keep; count];
                fates[count - 1] = Fate::Head(sectors);
                (fates, count)
            }
            Self::Seeded(_) => draw_fates(count, rng),
        };
        contents.after_power_loss(&fates, lengths_kept)
    }
}

/// Disks differ: some lose everything after a moment, some lose here and there.
enum Style {
    /// The first changes survive.
    Prefix(usize),
    /// Every change on its own.
    Each { keep_percent: u64 },
}

impl Style {
    fn draw(count: usize, rng: &mut SimRng) -> Self {
        if rng.one_in(2) {
            Self::Prefix(rng.index(count + 1))
        } else {
            let percents = [0, 10, 50, 90, 100];
            Self::Each {
                keep_percent: percents[rng.index(percents.len())],
            }
        }
    }
}

/// Fates of `count` changes, and how many of them had their effect on the length.
fn draw_fates(count: usize, rng: &mut SimRng) -> (Vec<Fate>, usize) {
    let torn = |rng: &mut SimRng| match rng.below(3) {
        0 => Fate::Scatter(rng.next_u64()),
        // Most writes are a few sectors long, some are large.
        1 => Fate::Head(rng.below(8)),
        _ => Fate::Head(rng.below(512)),
    };
    match Style::draw(count, rng) {
        Style::Prefix(kept) => {
            let mut fates = vec![Fate::Drop; count];
            fates[..kept].fill(Fate::Keep);
            if kept < count {
                fates[kept] = torn(rng);
            }
            let lengths_kept = match rng.below(3) {
                0 => kept,
                1 => (kept + 1).min(count),
                _ => rng.index(count + 1),
            };
            (fates, lengths_kept)
        }
        Style::Each { keep_percent } => {
            let fates = (0..count).map(|_| {
                if rng.one_in(8) {
                    torn(rng)
                } else if rng.below(100) < keep_percent {
                    Fate::Keep
                } else {
                    Fate::Drop
                }
            });
            let fates = fates.collect();
            // Data past the end is not seen, so that a short file hides what happened to it.
            let lengths_kept = if rng.one_in(2) {
                count
            } else {
                rng.index(count + 1)
            };
            (fates, lengths_kept)
        }
    }
}
