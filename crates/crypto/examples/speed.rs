//! How fast blocks are sealed and opened, in GB/s of one thread:
//!
//! ```sh
//! cargo run --release -p rustdb-crypto --example speed
//! cargo run --release -p rustdb-crypto --example speed --features graviola
//! ```

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use rustdb_crypto::{Algorithm, KeyRing, Sealer, backend};

/// The best of this many runs counts: the others were disturbed.
const RUNS: usize = 15;

/// How many bytes one run goes through.
const RUN_BYTES: usize = 16 << 20;

fn main() -> io::Result<()> {
    println!("library: {}", backend());
    println!(
        "{:<20} {:>10} {:>10} {:>10}",
        "cipher", "block", "seal", "open"
    );
    for algorithm in Algorithm::ALL {
        for block_bytes in [256, 4 << 10, 64 << 10] {
            let (seal, open) = measure(algorithm, block_bytes)?;
            let name = algorithm.name();
            println!("{name:<20} {block_bytes:>10} {seal:>10.2} {open:>10.2}");
        }
    }
    Ok(())
}

/// Gigabytes per second of sealing and of opening.
fn measure(algorithm: Algorithm, block_bytes: usize) -> io::Result<(f64, f64)> {
    // Keys that protect nothing may be all alike.
    let mut random = |buffer: &mut [u8]| -> io::Result<()> {
        buffer.fill(7);
        Ok(())
    };
    let ring = KeyRing::new([1; 16], algorithm, 0, &mut random)?;
    let sealer = Sealer::create(ring.active(), 1, b"", &mut random)?;
    let opener = sealer.opener();
    let blocks = (RUN_BYTES / block_bytes) as u64;
    let mut buffer = vec![0; block_bytes];
    let (mut best_seal, mut best_open) = (Duration::MAX, Duration::MAX);
    for run in 0..RUNS as u64 {
        let positions = run * blocks..(run + 1) * blocks;
        let mut last = ([0; 16], 0);
        best_seal = best_seal.min(time(|| {
            for position in positions.clone() {
                let tag = sealer.seal(1, position, b"", black_box(&mut buffer));
                last = (tag.expect("positions ascend"), position);
            }
        }));
        let (tag, position) = last;
        let mut copy = buffer.clone();
        best_open = best_open.min(time(|| {
            for _ in positions {
                copy.copy_from_slice(&buffer);
                let opened = opener.open(1, position, b"", black_box(&mut copy), &tag);
                opened.expect("it was just sealed");
            }
        }));
    }
    let rate = |time: Duration| blocks as f64 * block_bytes as f64 / time.as_secs_f64() / 1e9;
    Ok((rate(best_seal), rate(best_open)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement of real time, outside any database"
)]
fn time(body: impl FnOnce()) -> Duration {
    let start = Instant::now();
    body();
    start.elapsed()
}
