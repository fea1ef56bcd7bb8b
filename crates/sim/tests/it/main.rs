//! A dozen fixed seeds; `cargo xtask sim` runs as many as wanted.

mod exhaustive;

#[test]
fn every_power_loss_leaves_what_was_promised() {
    let mut recoveries = 0;
    for seed in 1..=12 {
        recoveries += rustdb_sim::run_seed(seed)
            .unwrap_or_else(|what| panic!("{what}"))
            .recoveries;
    }
    assert!(recoveries > 100, "only {recoveries} recoveries were tried");
}

/// Seeds that failed once, each for a reason of its own.
#[test]
fn seeds_that_found_something_pass() {
    // A run was rewritten although what its deletions hide was in a memtable; a commit went to the
    // segment behind one that could not be ended; verification took a log segment that had begun
    // after it for one that was finished; a tier had a run that newer tables joined, and came before
    // what was newer still.
    for seed in [881, 982, 2225, 2648] {
        rustdb_sim::run_seed(seed).unwrap_or_else(|what| panic!("{what}"));
    }
}
