//! Power loss at every step; `cargo xtask sim --exhaustive` also interrupts every recovery.

use rustdb_sim::{Extent, exhaust};

fn every_step(is_encrypted: bool) {
    let tried = exhaust(Extent {
        seed: 1,
        is_encrypted,
        seeds: 2,
        recovery_sample: 80,
        recovery_seeds: 1,
    })
    .unwrap_or_else(|what| panic!("{what}"));
    assert!(tried.recoveries > 3_000, "{tried}");
    assert!(tried.second_recoveries > 2_000, "{tried}");
    assert!(tried.repairs > 100, "{tried}");
}

#[test]
fn power_loss_at_every_step_keeps_what_was_acknowledged() {
    every_step(false);
}

#[test]
fn power_loss_at_every_step_of_an_encrypted_database_keeps_what_was_acknowledged() {
    every_step(true);
}
