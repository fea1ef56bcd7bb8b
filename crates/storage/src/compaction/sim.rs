//! A tree of sizes only, driven through the decisions by millions of writes.
//!
//! The key space is cut into cells; a table is a list of how many keys of each cell it holds and
//! deletes. That is enough to merge, to count what is rewritten, and to check that no cell ever
//! has something newer below something older. Time passes: compactions take as long as their
//! bytes take at a given bandwidth, run side by side, and writers follow the pace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::key::FileNumber;
use crate::manifest::{AddedTable, LEVELS, TableMeta, VersionEdit};
use crate::version::{TreeFiles, Version};

const ENTRY_BYTES: f64 = 100.0;
const MIB: u64 = 1 << 20;

/// What a table holds of one cell.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    puts: f64,
    deletes: f64,
    oldest: u64,
    newest: u64,
}

/// The cells of a table, by number; cells without keys are left out.
type Contents = BTreeMap<u64, Cell>;

struct Model {
    options: CompactionOptions,
    files: TreeFiles,
    version: Version,
    contents: BTreeMap<FileNumber, Contents>,
    busy: Reservations,
    jobs: Vec<Job>,
    /// How many different keys a cell can have.
    cell_keys: f64,
    bandwidth: f64,
    threads: usize,
    seconds: f64,
    stopped_seconds: f64,
    next_file: u64,
    next_run: u64,
    sequence: u64,
    written_bytes: f64,
    compacted_bytes: f64,
    steps: u64,
    level0_most: usize,
}

struct Job {
    ends: f64,
    choice: Choice,
    ticket: Ticket,
}

/// What is written: for each flush, how many keys of which cells.
type Workload = dyn Fn(u64) -> Vec<(u64, Cell)>;

fn puts(puts: f64) -> Cell {
    Cell {
        puts,
        ..Cell::default()
    }
}

impl Model {
    fn new(options: CompactionOptions, cell_keys: f64) -> Self {
        Self {
            options,
            files: TreeFiles::new(),
            version: Version::empty(),
            contents: BTreeMap::new(),
            busy: Reservations::new(),
            jobs: Vec::new(),
            cell_keys,
            bandwidth: 100.0 * MIB as f64,
            threads: 2,
            seconds: 0.0,
            stopped_seconds: 0.0,
            next_file: 1,
            next_run: 1,
            sequence: 0,
            written_bytes: 0.0,
            compacted_bytes: 0.0,
            steps: 0,
            level0_most: 0,
        }
    }

    /// Writes `flushes` memtables as fast as the pace allows.
    fn write(&mut self, flushes: u64, bytes_per_second: f64, workload: &Workload) {
        for number in 0..flushes {
            let mut contents = Contents::new();
            self.sequence += 1;
            for (cell, counts) in workload(number) {
                let into = contents.entry(cell).or_insert(Cell {
                    oldest: self.sequence,
                    newest: self.sequence,
                    ..Cell::default()
                });
                into.puts += counts.puts;
                into.deletes += counts.deletes;
            }
            let bytes = bytes_of(contents.values());
            self.wait_for_pace(bytes, bytes_per_second);
            self.written_bytes += bytes;
            let run = self.new_run();
            let added = self.tables_of(contents, 0, run);
            self.install(VersionEdit {
                added,
                ..VersionEdit::default()
            });
            self.level0_most = self.level0_most.max(self.version.level(0).runs().len());
            self.start_jobs();
        }
    }

    /// Lets the time pass that a memtable takes to fill.
    fn wait_for_pace(&mut self, bytes: f64, bytes_per_second: f64) {
        let mut left = bytes;
        while left > 1.0 {
            let rate = match pace(&Shape::of(&self.version), &self.options) {
                Pace::Free => bytes_per_second,
                Pace::Slow {
                    bytes_per_second: slow,
                } => bytes_per_second.min(slow as f64),
                Pace::Stop => {
                    let before = self.seconds;
                    assert!(self.finish_next_job(), "stopped for ever");
                    self.stopped_seconds += self.seconds - before;
                    continue;
                }
            };
            let filled = self.seconds + left / rate;
            match self.jobs.iter().map(|job| job.ends).min_by(f64::total_cmp) {
                Some(ends) if ends < filled => {
                    left -= (ends - self.seconds) * rate;
                    self.finish_next_job();
                }
                _ => {
                    self.seconds = filled;
                    left = 0.0;
                }
            }
        }
    }

    /// Compacts until nothing is left to do; panics if that takes for ever.
    fn settle(&mut self) {
        self.start_jobs();
        let limit = self.steps + 20_000;
        while self.finish_next_job() {
            assert!(self.steps < limit, "compactions do not end");
        }
    }

    fn start_jobs(&mut self) {
        while self.jobs.len() < self.threads {
            let shape = Shape::of(&self.version);
            let moment = Moment {
                now_micros: (self.seconds * 1e6) as u64,
                snapshots: &[],
                visible: self.sequence,
                flushed: self.sequence,
                unsettled_values: &BTreeSet::new(),
                retired_keys: &[],
                switches: 0,
            };
            let Some(choice) = pick(&shape, &self.options, &moment, &self.busy) else {
                return;
            };
            self.steps += 1;
            let ticket = self.busy.reserve(&choice);
            let cost = match choice.action {
                Action::Merge { .. } => 2.0 * choice.input_bytes() as f64 / self.bandwidth,
                Action::Move { .. } | Action::Drop { .. } => 0.0,
            };
            self.jobs.push(Job {
                ends: self.seconds + cost,
                choice,
                ticket,
            });
        }
    }

    /// Lets time pass until a job ends, installs its result and starts new ones.
    fn finish_next_job(&mut self) -> bool {
        let jobs = self.jobs.iter().enumerate();
        let Some((next, _)) = jobs.min_by(|a, b| a.1.ends.total_cmp(&b.1.ends)) else {
            return false;
        };
        let job = self.jobs.swap_remove(next);
        self.seconds = self.seconds.max(job.ends);
        let removed = job.choice.input_numbers();
        let added = match &job.choice.action {
            Action::Drop { .. } => Vec::new(),
            Action::Move { tables, level, run } => {
                let run = self.run_id(*run);
                let tables = tables.iter().map(|meta| AddedTable {
                    level: *level as u8,
                    run,
                    meta: meta.clone(),
                });
                tables.collect()
            }
            Action::Merge {
                inputs, level, run, ..
            } => {
                let merged = self.merged(inputs, *level);
                self.compacted_bytes += bytes_of(merged.values());
                let run = self.run_id(*run);
                self.tables_of(merged, *level, run)
            }
        };
        self.install(VersionEdit {
            removed,
            added,
            ..VersionEdit::default()
        });
        self.busy.release(job.ticket);
        self.start_jobs();
        true
    }

    fn run_id(&mut self, run: OutputRun) -> u64 {
        match run {
            OutputRun::Existing(id) => id,
            OutputRun::New => self.new_run(),
        }
    }

    fn new_run(&mut self) -> u64 {
        self.next_run += 1;
        self.next_run
    }

    /// What is left of the inputs: a key that the newer input has is gone from the older one, in
    /// proportion; deletions go where nothing lies below.
    fn merged(&self, inputs: &[InputRun], level: usize) -> Contents {
        let mut merged = Contents::new();
        let tables = inputs.iter().flat_map(|run| &run.tables);
        for table in tables {
            for (cell, older) in &self.contents[&table.number] {
                let into = merged.entry(*cell).or_insert(Cell {
                    oldest: u64::MAX,
                    ..Cell::default()
                });
                let kept = 1.0 - ((into.puts + into.deletes) / self.cell_keys).min(1.0);
                into.puts += older.puts * kept;
                into.deletes += older.deletes * kept;
                into.oldest = into.oldest.min(older.oldest);
                into.newest = into.newest.max(older.newest);
            }
        }
        if level == LEVELS - 1 {
            merged.values_mut().for_each(|cell| cell.deletes = 0.0);
            merged.retain(|_, cell| cell.puts > 1e-6);
        }
        merged
    }

    /// Cuts contents into tables.
    fn tables_of(&mut self, contents: Contents, level: usize, run: u64) -> Vec<AddedTable> {
        let mut added = Vec::new();
        let mut table = Contents::new();
        let mut bytes = 0.0;
        for (cell, counts) in contents {
            bytes += bytes_of([&counts]);
            table.insert(cell, counts);
            if bytes >= self.options.table_bytes as f64 {
                added.push(self.table(std::mem::take(&mut table), level, run));
                bytes = 0.0;
            }
        }
        if !table.is_empty() {
            added.push(self.table(table, level, run));
        }
        added
    }

    fn table(&mut self, contents: Contents, level: usize, run: u64) -> AddedTable {
        let number = FileNumber(self.next_file);
        self.next_file += 1;
        let sum = |part: fn(&Cell) -> f64| contents.values().map(part).sum::<f64>().round() as u64;
        let key = |cell: Option<&u64>| cell.expect("a table has cells").to_be_bytes().into();
        let meta = TableMeta {
            number,
            file_bytes: (bytes_of(contents.values()) as u64).max(1),
            smallest: key(contents.keys().next()),
            largest: key(contents.keys().next_back()),
            entries: sum(|cell| cell.puts + cell.deletes),
            tombstones: sum(|cell| cell.deletes),
            min_seq: contents.values().map(|c| c.oldest).min().unwrap_or(0),
            max_seq: contents.values().map(|c| c.newest).max().unwrap_or(0),
            created_micros: (self.seconds * 1e6) as u64,
            ..TableMeta::default()
        };
        self.contents.insert(number, contents);
        AddedTable {
            level: level as u8,
            run,
            meta: Arc::new(meta),
        }
    }

    /// Applies an edit and checks that newer cells are above older ones.
    fn install(&mut self, edit: VersionEdit) {
        let version = self.version.apply(&edit, &self.files);
        self.version = version.expect("decisions keep the tree in order");
        let moved: BTreeSet<_> = edit.added.iter().map(|added| added.meta.number).collect();
        let gone = edit.removed.iter().filter(|number| !moved.contains(number));
        gone.for_each(|number| {
            self.contents.remove(number);
        });
        let mut above: BTreeMap<u64, u64> = BTreeMap::new();
        for table in self.version.tables() {
            for (cell, counts) in &self.contents[&table.meta().number] {
                let oldest = above.entry(*cell).or_insert(u64::MAX);
                assert!(counts.newest < *oldest, "cell {cell}: newer below older");
                *oldest = counts.oldest;
            }
        }
    }

    fn write_amplification(&self) -> f64 {
        (self.written_bytes + self.compacted_bytes) / self.written_bytes
    }

    fn level_mib(&self) -> Vec<u64> {
        let levels = self.version.levels().iter();
        levels.map(|level| level.bytes() / MIB).collect()
    }

    fn report(&self, name: &str) -> String {
        format!(
            "{name}: {:.0} MiB written, {:.1}x amplification, {:.0} s ({:.1} s stopped), levels \
             {:?} MiB, at most {} runs in level 0, {} compactions",
            self.written_bytes / MIB as f64,
            self.write_amplification(),
            self.seconds,
            self.stopped_seconds,
            self.level_mib(),
            self.level0_most,
            self.steps,
        )
    }
}

fn bytes_of<'c>(cells: impl IntoIterator<Item = &'c Cell>) -> f64 {
    let bytes = |cell: &Cell| cell.puts * ENTRY_BYTES + cell.deletes * ENTRY_BYTES / 4.0;
    cells.into_iter().map(bytes).sum()
}

/// A sixteenth of the real sizes, so that a small tree has all levels.
fn options() -> CompactionOptions {
    CompactionOptions {
        base_bytes: 16 * MIB,
        table_bytes: 4 * MIB,
        debt_stop_bytes: 2 << 30,
        ..CompactionOptions::default()
    }
}

/// The keys of a memtable of 4 MiB.
const FLUSH_KEYS: f64 = 4.0 * MIB as f64 / ENTRY_BYTES;

/// Spreads a memtable's keys over all cells.
fn uniform(cells: u64) -> impl Fn(u64) -> Vec<(u64, Cell)> {
    move |_| {
        let share = FLUSH_KEYS / cells as f64;
        (0..cells).map(|cell| (cell, puts(share))).collect()
    }
}

#[test]
fn random_overwrites_stay_within_bounds_and_end() {
    // 8 million keys of 100 bytes; 29 million writes.
    let cells = 256;
    let mut model = Model::new(options(), 8e6 / cells as f64);
    model.write(700, 20.0 * MIB as f64, &uniform(cells));
    let report = model.report("random overwrites");
    assert!(model.level0_most <= model.options.level0_stop, "{report}");
    assert!(model.write_amplification() < 20.0, "{report}");
    assert!(model.stopped_seconds < 0.01 * model.seconds, "{report}");
    model.settle();
    let report = model.report("random overwrites, settled");
    let live = 8e6 * (1.0 - (-700.0 * FLUSH_KEYS / 8e6).exp()) * ENTRY_BYTES;
    let space = model.version.table_bytes() as f64;
    assert!(space < 1.2 * live, "{report}: {live} bytes live");
    assert!(
        debt_bytes(&Shape::of(&model.version), &model.options) == 0,
        "{report}"
    );
}

#[test]
fn writers_that_are_too_fast_are_slowed_down_not_stopped() {
    let cells = 256;
    let mut model = Model::new(options(), 8e6 / cells as f64);
    model.write(700, 500.0 * MIB as f64, &uniform(cells));
    let report = model.report("too fast");
    assert!(model.level0_most <= model.options.level0_stop, "{report}");
    assert!(model.stopped_seconds < 0.1 * model.seconds, "{report}");
    model.settle();
}

#[test]
fn sequential_inserts_are_only_moved() {
    let mut model = Model::new(options(), FLUSH_KEYS);
    model.write(500, 100.0 * MIB as f64, &|number| {
        vec![
            (number * 2, puts(FLUSH_KEYS / 2.0)),
            (number * 2 + 1, puts(FLUSH_KEYS / 2.0)),
        ]
    });
    model.settle();
    let report = model.report("sequential");
    assert!(model.write_amplification() < 1.01, "{report}");
    assert!(model.level0_most <= 5, "{report}");
}

#[test]
fn a_queue_does_not_keep_what_was_taken_from_it() {
    // Each flush appends keys and deletes those of eight flushes before.
    let mut model = Model::new(options(), FLUSH_KEYS);
    model.write(500, 20.0 * MIB as f64, &|number| {
        let mut cells = vec![(number, puts(FLUSH_KEYS))];
        if let Some(taken) = number.checked_sub(8) {
            cells.push((
                taken,
                Cell {
                    deletes: FLUSH_KEYS,
                    ..Cell::default()
                },
            ));
        }
        cells
    });
    model.settle();
    let report = model.report("queue");
    assert!(model.version.table_bytes() < 100 * MIB, "{report}");
    assert!(model.write_amplification() < 6.0, "{report}");
}

#[test]
fn a_tree_that_shrinks_gives_its_levels_up() {
    let cells = 128;
    let mut model = Model::new(options(), 5e6 / cells as f64);
    model.write(250, 20.0 * MIB as f64, &uniform(cells));
    // Every key is deleted, cell after cell.
    let keys = model.cell_keys;
    model.write(cells, 20.0 * MIB as f64, &move |number| {
        let deletes = Cell {
            deletes: keys,
            ..Cell::default()
        };
        vec![(number, deletes)]
    });
    model.settle();
    let report = model.report("shrinking");
    assert!(model.version.table_bytes() < 64 * MIB, "{report}");
}

#[test]
fn tiering_writes_less_and_ends_too() {
    let cells = 256;
    let mut tiered = Model::new(
        CompactionOptions {
            style: CompactionStyle::Tiered { runs_max: 4 },
            ..options()
        },
        8e6 / cells as f64,
    );
    tiered.write(700, 20.0 * MIB as f64, &uniform(cells));
    let report = tiered.report("tiered");
    assert!(tiered.level0_most <= tiered.options.level0_stop, "{report}");
    assert!(tiered.write_amplification() < 10.0, "{report}");
    tiered.settle();
    for level in 1..LEVELS {
        assert!(tiered.version.level(level).runs().len() <= 4, "{report}");
    }
    assert!(
        tiered.version.level(LEVELS - 1).runs().len() <= 1,
        "{report}"
    );
    // Back to one run per level.
    tiered.options.style = CompactionStyle::Leveled;
    tiered.settle();
    for level in 1..LEVELS {
        let runs = tiered.version.level(level).runs().len();
        assert!(runs <= 1, "level {level} has {runs} runs");
    }
}
