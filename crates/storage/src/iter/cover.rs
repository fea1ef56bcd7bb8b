//! The range tombstones of one source, asked about keys in the order of a walk.

use std::fmt;
use std::sync::Arc;

use crate::error::Result;
use crate::key::SequenceNumber;
use crate::tombstone::{Covering, Fragments, Probe, View};

/// What covers keys in one source, for a reader at one sequence number.
pub struct Cover(Kind);

enum Kind {
    Probe(Probe),
    Run(Box<RunCover>),
}

/// The tombstones of a run: those of whichever table the key falls into.
struct RunCover {
    tables: Box<dyn CoverTables>,
    at: SequenceNumber,
    /// The table last looked at, by number, with its tombstones if it has any.
    current: Option<(usize, Option<Probe>)>,
}

/// Tables of a run as far as their range tombstones are concerned.
pub trait CoverTables: Send + Sync {
    /// The number of the table whose range holds `key`.
    fn find(&self, key: &[u8]) -> Option<usize>;
    /// Whether the table's range holds `key`.
    fn contains(&self, table: usize, key: &[u8]) -> bool;
    /// The table's range tombstones; `None` if it has none, which is known without opening it.
    fn tombstones(&self, table: usize) -> Result<Option<Arc<Fragments>>>;
}

impl Cover {
    /// Of a memtable; `None` if there is nothing to ask about.
    pub fn of_view(view: View) -> Option<Self> {
        (!view.is_empty()).then(|| Cover(Kind::Probe(Probe::of_view(view))))
    }

    /// Of a table; `None` if there is nothing to ask about.
    pub fn of_fragments(list: Arc<Fragments>, at: SequenceNumber) -> Option<Self> {
        (!list.is_empty()).then(|| Cover(Kind::Probe(Probe::of_fragments(list, at))))
    }

    /// Of a run. Leave it out for runs without range tombstones.
    pub fn of_run(tables: Box<dyn CoverTables>, at: SequenceNumber) -> Self {
        Cover(Kind::Run(Box::new(RunCover {
            tables,
            at,
            current: None,
        })))
    }

    /// The newest tombstone over `key`, and a range around the key that it covers.
    #[inline]
    pub fn covering(&mut self, key: &[u8]) -> Result<Option<Covering<'_>>> {
        match &mut self.0 {
            Kind::Probe(probe) => Ok(probe.covering(key)),
            Kind::Run(run) => run.covering(key),
        }
    }
}

impl RunCover {
    fn covering(&mut self, key: &[u8]) -> Result<Option<Covering<'_>>> {
        let here = self
            .current
            .as_ref()
            .filter(|(table, _)| self.tables.contains(*table, key));
        if here.is_none() {
            self.current = None;
            let Some(table) = self.tables.find(key) else {
                return Ok(None);
            };
            let list = self.tables.tombstones(table)?;
            let probe = list.map(|list| Probe::of_fragments(list, self.at));
            self.current = Some((table, probe));
        }
        let probe = self.current.as_mut().and_then(|(_, probe)| probe.as_mut());
        Ok(probe.and_then(|probe| probe.covering(key)))
    }
}

impl fmt::Debug for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Probe(probe) => probe.fmt(f),
            Kind::Run(run) => f
                .debug_struct("RunCover")
                .field("current", &run.current)
                .finish(),
        }
    }
}
