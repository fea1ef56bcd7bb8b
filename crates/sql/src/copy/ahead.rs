//! Rows that another thread makes of what is read ahead.
//!
//! ```text
//! this thread    read ──▶ blocks of bytes          chunks of rows ──▶ insert
//! the other               └────────▶ lines ──▶ values ────▶┘
//! ```
//!
//! Reading stays here, because a source of bytes need not be one that may go to another thread; and
//! so does everything that needs the transaction. Rows, and the first error, come in the order of
//! the lines.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustdb_types::interrupt;
use rustdb_vfs::sync::{Condvar, Mutex};
use rustdb_vfs::{JoinHandle, on_large_stack};

use super::lines::{Chunk, Feed};
use crate::error::{Error, Result};
use crate::exec::{Context, CrewWatch};

/// What is read at once.
const BLOCK_BYTES: usize = 128 << 10;

/// So many blocks wait for the other thread, before chunks are looked at and at most.
const BLOCKS_MIN: usize = 2;
const BLOCKS_MAX: usize = 4;

/// So many chunks wait for this thread at most.
const CHUNKS_MAX: usize = 8;

/// How often who waits for rows looks whether the statement was cancelled.
const LOOK: Duration = Duration::from_millis(10);

/// A thread that makes rows.
pub(super) struct Ahead {
    shared: Arc<Shared>,
    thread: Option<JoinHandle>,
}

struct Shared {
    state: Mutex<State>,
    /// There is a chunk, or the thread has ended.
    given: Condvar,
    /// There is a block, or room for a chunk, or nobody wants any more.
    taken: Condvar,
    stopped: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    blocks: VecDeque<io::Result<Vec<u8>>>,
    /// Whether no more blocks come.
    is_end: bool,
    chunks: VecDeque<Chunk>,
    has_ended: bool,
}

impl Ahead {
    /// Lets another thread go on where this one is; gives back what it would have needed if there
    /// is none.
    pub(super) fn start(
        feed: Feed,
        cx: &mut Context<'_>,
    ) -> Result<std::result::Result<Ahead, Feed>> {
        // Not one of the process's workers: it waits whenever the source does, which may be long.
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        if cx.limits.workers == 0 || processors == 1 {
            return Ok(Err(feed));
        }
        let vfs = cx.transaction()?.engine().vfs().clone();
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            given: Condvar::new(),
            taken: Condvar::new(),
            stopped: Arc::new(AtomicBool::new(false)),
        });
        // Where a thread that could not be started does not lose it.
        let feed = Arc::new(Mutex::new(Some(feed)));
        let body = {
            let (worker, feed) = (Worker(shared.clone()), feed.clone());
            move || {
                if let Some(mut feed) = feed.lock().take() {
                    // Without a stack nothing is done, and who waits finds that nobody is left.
                    let _: io::Result<()> = on_large_stack(|| worker.work(&mut feed));
                }
                drop(worker);
            }
        };
        match vfs.spawn("rustdb copy", Box::new(body)) {
            Ok(thread) => Ok(Ok(Ahead {
                shared,
                thread: Some(thread),
            })),
            Err(_) => match feed.lock().take() {
                Some(feed) => Ok(Err(feed)),
                None => Err(ended()),
            },
        }
    }

    /// The next rows. Reads meanwhile.
    pub(super) fn next(&mut self, source: &mut dyn Read, cx: &mut Context<'_>) -> Result<Chunk> {
        let shared = &*self.shared;
        let mut state = shared.state.lock();
        loop {
            let is_short = |blocks| !state.is_end && state.blocks.len() < blocks;
            if is_short(BLOCKS_MIN) || is_short(BLOCKS_MAX) && state.chunks.is_empty() {
                drop(state);
                let block = block_of(source);
                state = shared.state.lock();
                state.is_end = !matches!(&block, Ok(bytes) if !bytes.is_empty());
                state.blocks.push_back(block);
                shared.taken.notify_one();
                continue;
            }
            if let Some(chunk) = state.chunks.pop_front() {
                if state.chunks.len() + 1 == CHUNKS_MAX {
                    shared.taken.notify_one();
                }
                return Ok(chunk);
            }
            if state.has_ended {
                return Err(ended());
            }
            shared.given.wait_for(&mut state, LOOK);
            drop(state);
            cx.check_cancelled()?;
            interrupt::check()?;
            state = shared.state.lock();
        }
    }
}

fn ended() -> Error {
    Error::internal("a thread of COPY has ended too early")
}

/// What is read at once; nothing at the end.
fn block_of(source: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match source.read(&mut block) {
            Ok(filled) => {
                block.truncate(filled);
                return Ok(block);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Whoever holds the lock has not gone to sleep yet.
        drop(self.shared.state.lock());
        self.shared.taken.notify_all();
        if let Some(thread) = self.thread.take() {
            // What went wrong there was told, or nobody asks for it any more.
            let _: bool = thread.join();
        }
    }
}

/// A thread that works, until it is dropped.
struct Worker(Arc<Shared>);

impl Worker {
    fn work(&self, feed: &mut Feed) {
        let watch = Arc::new(CrewWatch(self.0.stopped.clone()));
        let mut source = Blocks::new(&self.0);
        let _: (_, ()) = interrupt::watched(watch, || {
            loop {
                let mut chunk = Chunk::default();
                feed.fill(&mut source, &mut chunk);
                let is_last = chunk.is_last;
                if !self.give(chunk) || is_last {
                    break;
                }
            }
        });
    }

    /// Puts rows where they are taken, when there is room. False if nobody wants them.
    fn give(&self, chunk: Chunk) -> bool {
        let shared = &*self.0;
        let mut state = shared.state.lock();
        while state.chunks.len() >= CHUNKS_MAX && !shared.stopped.load(Ordering::Relaxed) {
            shared.taken.wait(&mut state);
        }
        state.chunks.push_back(chunk);
        shared.given.notify_one();
        !shared.stopped.load(Ordering::Relaxed)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.state.lock().has_ended = true;
        self.0.given.notify_one();
    }
}

/// The blocks, as they come.
struct Blocks<'s> {
    shared: &'s Shared,
    block: Vec<u8>,
    at: usize,
}

impl<'s> Blocks<'s> {
    fn new(shared: &'s Shared) -> Blocks<'s> {
        Blocks {
            shared,
            block: Vec::new(),
            at: 0,
        }
    }

    fn next_block(&self) -> io::Result<Vec<u8>> {
        let mut state = self.shared.state.lock();
        loop {
            if self.shared.stopped.load(Ordering::Relaxed) {
                return Ok(Vec::new());
            }
            if let Some(block) = state.blocks.pop_front() {
                // There may be nothing to take, but room for more.
                self.shared.given.notify_one();
                return block;
            }
            if state.is_end {
                return Ok(Vec::new());
            }
            self.shared.taken.wait(&mut state);
        }
    }
}

impl Read for Blocks<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() {
            self.block = self.next_block()?;
            self.at = 0;
        }
        let bytes = &self.block[self.at..];
        let count = bytes.len().min(out.len());
        out[..count].copy_from_slice(&bytes[..count]);
        self.at += count;
        Ok(count)
    }
}
