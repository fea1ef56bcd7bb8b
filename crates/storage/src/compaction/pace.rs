//! How fast writers may go on, from how far compactions have fallen behind.
//!
//! Up to half of a limit writers are free. From there on their pace falls with the square of the
//! distance that is left, so that it meets what compactions can keep up with somewhere on the
//! way, and the limit itself is hardly ever reached.

use super::options::CompactionOptions;
use super::shape::{Shape, debt_bytes};

/// The slowest pace before writers stop, in bytes per second.
const PACE_BYTES_PER_SECOND_MIN: u64 = 1 << 20;

/// How fast writers may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as they can.
    Free,
    /// At this rate.
    Slow {
        /// The bytes of keys and values that may be written per second.
        bytes_per_second: u64,
    },
    /// Not at all, until a compaction has finished.
    Stop,
}

/// The pace for writers of a tree of this shape.
pub fn pace(shape: &Shape, options: &CompactionOptions) -> Pace {
    let level0 = shape.levels[0].len() as f64 / options.level0_stop.max(2) as f64;
    let debt = debt_bytes(shape, options) as f64 / options.debt_stop_bytes.max(1) as f64;
    pace_at(level0.max(debt), options.pace_bytes_per_second)
}

/// The pace when this part of a limit is used up.
fn pace_at(used: f64, fastest: u64) -> Pace {
    if used < 0.5 {
        return Pace::Free;
    }
    if used >= 1.0 {
        return Pace::Stop;
    }
    let left = (1.0 - used) / 0.5;
    let bytes_per_second = (fastest as f64 * left * left) as u64;
    Pace::Slow {
        bytes_per_second: bytes_per_second.max(PACE_BYTES_PER_SECOND_MIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compaction::{RunShape, TableShape};
    use crate::manifest::TableMeta;

    #[test]
    fn pace_falls_from_half_of_the_limit_on() {
        let slow = |bytes_per_second| Pace::Slow { bytes_per_second };
        let cases = [
            (0.0, Pace::Free),
            (0.49, Pace::Free),
            (0.5, slow(100 << 20)),
            (0.75, slow(25 << 20)),
            (0.99, slow(PACE_BYTES_PER_SECOND_MIN)),
            (1.0, Pace::Stop),
            (7.0, Pace::Stop),
        ];
        for (used, expected) in cases {
            assert_eq!(pace_at(used, 100 << 20), expected, "{used}");
        }
    }

    #[test]
    fn runs_and_debt_slow_writers_down() {
        let options = CompactionOptions::default();
        let run = |bytes| RunShape {
            id: 1,
            tables: vec![TableShape::new(TableMeta {
                file_bytes: bytes,
                ..TableMeta::default()
            })],
        };
        let mut shape = Shape::default();
        assert_eq!(pace(&shape, &options), Pace::Free);
        shape.levels[0] = vec![run(1); options.level0_stop / 2 + 1];
        assert!(matches!(pace(&shape, &options), Pace::Slow { .. }));
        shape.levels[0] = vec![run(1); options.level0_stop];
        assert_eq!(pace(&shape, &options), Pace::Stop);
        shape.levels[0] = vec![run(options.debt_stop_bytes / 5); 4];
        assert!(matches!(pace(&shape, &options), Pace::Slow { .. }));
        shape.levels[0] = vec![run(options.debt_stop_bytes / 5); 3];
        assert_eq!(pace(&shape, &options), Pace::Free, "below the trigger");
    }
}
