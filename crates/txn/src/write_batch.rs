//! Writes that are collected outside of any transaction.
//!
//! All keys and values are in one buffer, one after the other, so that adding a write allocates
//! nothing most of the time.

use rustdb_storage::engine::Batch;

use crate::conflict::Footprint;
use crate::error::Result;
use crate::manager::KeyspaceRef;
use crate::scan::KeyRange;
use crate::transaction::Transaction;
use crate::write_set::NEVER;

/// Writes to be committed together. Later writes of a key win.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    writes: Vec<Place>,
    bytes: Vec<u8>,
}

/// A write, and where its bytes are: the key, or the start of a range, from `start` to `middle`, and
/// the value, or the end of the range, from there to `end`.
#[derive(Clone, Debug)]
struct Place {
    keyspace: KeyspaceRef,
    kind: Kind,
    start: usize,
    middle: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Put {
        expiry: u64,
    },
    Delete,
    DeleteRange,
    /// To the end of the keyspace.
    DeleteRest,
}

/// A write of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BatchWrite<'a> {
    Put {
        key: &'a [u8],
        value: &'a [u8],
        expiry: u64,
    },
    Delete {
        key: &'a [u8],
    },
    DeleteRange {
        start: &'a [u8],
        end: Option<&'a [u8]>,
    },
}

impl WriteBatch {
    /// A batch without writes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a value.
    pub fn put(&mut self, keyspace: KeyspaceRef, key: &[u8], value: &[u8]) {
        self.put_expiring(keyspace, key, value, NEVER);
    }

    /// Writes a value that is gone from `expiry` on, in microseconds since the Unix epoch.
    pub fn put_expiring(&mut self, keyspace: KeyspaceRef, key: &[u8], value: &[u8], expiry: u64) {
        self.push(keyspace, Kind::Put { expiry }, key, value);
    }

    /// Deletes a key, or does nothing if it does not exist.
    pub fn delete(&mut self, keyspace: KeyspaceRef, key: &[u8]) {
        self.push(keyspace, Kind::Delete, key, &[]);
    }

    /// Deletes every key from `start` on and, if there is an `end`, below it.
    pub fn delete_range(&mut self, keyspace: KeyspaceRef, start: &[u8], end: Option<&[u8]>) {
        let kind = match end {
            Some(_) => Kind::DeleteRange,
            None => Kind::DeleteRest,
        };
        self.push(keyspace, kind, start, end.unwrap_or_default());
    }

    /// The number of writes.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether there are no writes.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all writes, and keeps the memory.
    pub fn clear(&mut self) {
        self.writes.clear();
        self.bytes.clear();
    }

    /// Whether the writes can be committed without reading anything.
    pub(crate) fn is_blind(&self) -> bool {
        !self.writes.iter().any(|write| write.keyspace.is_counted)
    }

    /// The writes, in the order in which they were added.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (KeyspaceRef, BatchWrite<'_>)> {
        self.writes.iter().map(|place| {
            let (first, second) = (
                &self.bytes[place.start..place.middle],
                &self.bytes[place.middle..place.end],
            );
            let write = match place.kind {
                Kind::Put { expiry } => BatchWrite::Put {
                    key: first,
                    value: second,
                    expiry,
                },
                Kind::Delete => BatchWrite::Delete { key: first },
                Kind::DeleteRange => BatchWrite::DeleteRange {
                    start: first,
                    end: Some(second),
                },
                Kind::DeleteRest => BatchWrite::DeleteRange {
                    start: first,
                    end: None,
                },
            };
            (place.keyspace, write)
        })
    }

    fn push(&mut self, keyspace: KeyspaceRef, kind: Kind, first: &[u8], second: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(first);
        self.bytes.extend_from_slice(second);
        self.writes.push(Place {
            keyspace,
            kind,
            start,
            middle: start + first.len(),
            end: self.bytes.len(),
        });
    }
}

impl BatchWrite<'_> {
    /// Adds the write to a batch of the engine, and what it touches to the footprint.
    pub(crate) fn stage(
        &self,
        keyspace: KeyspaceRef,
        batch: &mut Batch,
        footprint: &mut Footprint,
    ) -> Result<()> {
        match *self {
            BatchWrite::Put { key, value, expiry } => {
                footprint.add_key(keyspace.id, key, true);
                match expiry {
                    NEVER => batch.put(keyspace.id, key, value)?,
                    expiry => batch.put_expiring(keyspace.id, key, value, expiry)?,
                }
            }
            BatchWrite::Delete { key } => {
                footprint.add_key(keyspace.id, key, true);
                batch.delete(keyspace.id, key)?;
            }
            BatchWrite::DeleteRange { start, end } => {
                footprint.add_range(keyspace.id, start, end);
                batch.delete_range(keyspace.id, start, end)?;
            }
        }
        Ok(())
    }

    /// Repeats the write in a transaction.
    pub(crate) fn apply(&self, keyspace: KeyspaceRef, transaction: &mut Transaction) -> Result<()> {
        match *self {
            BatchWrite::Put { key, value, expiry } => match expiry {
                NEVER => transaction.put(keyspace, key, value),
                expiry => transaction.put_expiring(keyspace, key, value, expiry),
            },
            BatchWrite::Delete { key } => transaction.delete(keyspace, key),
            BatchWrite::DeleteRange { start, end } => {
                let range = KeyRange {
                    start: start.to_vec(),
                    end: end.map(<[u8]>::to_vec),
                };
                transaction.delete_range(keyspace, range)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rustdb_storage::KeyspaceId;

    use super::*;

    const KEYSPACE: KeyspaceRef = KeyspaceRef {
        id: KeyspaceId(7),
        is_counted: false,
    };

    #[test]
    fn writes_come_back_as_they_were_added() {
        let mut batch = WriteBatch::new();
        for round in 0..2 {
            batch.put(KEYSPACE, b"key", b"value");
            batch.delete(KEYSPACE, b"");
            batch.put_expiring(KEYSPACE, b"", b"", 5);
            batch.delete_range(KEYSPACE, b"a", Some(b""));
            batch.delete_range(KEYSPACE, b"b", None);
            let writes: Vec<_> = batch
                .writes()
                .map(|(_, write)| format!("{write:?}"))
                .collect();
            let bytes = |text: &str| format!("{:?}", text.as_bytes());
            let expected = [
                format!(
                    "Put {{ key: {}, value: {}, expiry: {NEVER} }}",
                    bytes("key"),
                    bytes("value")
                ),
                "Delete { key: [] }".to_owned(),
                "Put { key: [], value: [], expiry: 5 }".to_owned(),
                format!("DeleteRange {{ start: {}, end: Some([]) }}", bytes("a")),
                format!("DeleteRange {{ start: {}, end: None }}", bytes("b")),
            ];
            assert_eq!(writes, expected, "round {round}");
            assert_eq!(
                (batch.len(), batch.bytes(), batch.is_blind()),
                (5, 10, true)
            );
            batch.clear();
            assert!(batch.is_empty() && batch.bytes() == 0);
        }
    }

    #[test]
    fn one_write_to_a_counted_keyspace_makes_a_batch_read() {
        let counted = KeyspaceRef {
            is_counted: true,
            ..KEYSPACE
        };
        let mut batch = WriteBatch::new();
        batch.put(KEYSPACE, b"a", b"1");
        assert!(batch.is_blind());
        batch.delete(counted, b"a");
        assert!(!batch.is_blind());
    }
}
