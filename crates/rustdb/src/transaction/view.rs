//! What a transaction sees of one keyspace, and what it can do there.

use std::ops::RangeBounds;
use std::time::Duration;

use rustdb_storage::slice::Slice;
use rustdb_txn::{KeyRange, KeyspaceRef, Scan, Transaction as Txn};

use super::scan;
use crate::batch::{key_range, told};
use crate::error::Result;
use crate::iter::Entry;
use crate::keyspace::Keyspace;

/// A transaction's view of one keyspace.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// # let fruit = db.keyspace("fruit")?;
/// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
/// #     fruit.put(name, colour)?;
/// # }
/// db.transaction(|tx| {
///     let mut view = tx.keyspace(&fruit);
///     let colour = view.get("apple")?.expect("there are apples");
///     view.put("pear", &colour)?;
///     view.delete("apple")
/// })?;
/// assert_eq!(fruit.get("pear")?.as_deref(), Some(&b"red"[..]));
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Debug)]
pub struct TransactionKeyspace<'t> {
    pub(crate) transaction: &'t mut Txn,
    pub(crate) keyspace: &'t Keyspace,
    /// The database that the transaction is of.
    pub(crate) database: u64,
}

impl TransactionKeyspace<'_> {
    fn reference(&self) -> Result<KeyspaceRef> {
        self.keyspace.check_database(self.database)?;
        Ok(self.keyspace.reference())
    }

    /// The value of a key.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let view = tx.keyspace(&fruit);
    /// assert_eq!(view.get("banana")?.as_deref(), Some(&b"yellow"[..]));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        told(self.transaction.get(self.reference()?, key.as_ref()))
    }

    /// Whether a key has a value.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let mut view = tx.keyspace(&fruit);
    /// view.delete("apple")?;
    /// assert!(!view.contains_key("apple")?);
    /// assert!(view.contains_key("banana")?);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        told(self.transaction.contains(self.reference()?, key.as_ref()))
    }

    /// The values of several keys, in their order.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let view = tx.keyspace(&fruit);
    /// let colours = view.multi_get(["cherry", "date", "apple"])?;
    /// assert_eq!(colours.iter().flatten().count(), 2);
    /// assert!(colours[1].is_none());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn multi_get<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Slice>>> {
        told(self.transaction.multi_get(self.reference()?, keys))
    }

    /// See [`Transaction::get_for_update`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let mut view = tx.keyspace(&fruit);
    /// view.get_for_update("apple")?;
    /// // Nobody else can write the apple until the transaction ends.
    /// view.put("apple", "green")?;
    /// tx.commit()?;
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn get_for_update(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        let reference = self.reference()?;
        told(self.transaction.get_for_update(reference, key.as_ref()))
    }

    /// Writes a value.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let mut view = tx.keyspace(&fruit);
    /// view.put("date", "brown")?;
    /// tx.commit()?;
    /// assert_eq!(fruit.len()?, 4);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let reference = self.reference()?;
        told(
            self.transaction
                .put(reference, key.as_ref(), value.as_ref()),
        )
    }

    /// Writes many values, and returns how many there were. What it leaves is what
    /// [putting](Self::put) one after the other would leave; but where keys ascend for a mebibyte or
    /// more, the values go to sorted files as they come, not by way of memory, which takes half the
    /// time. After an error some may be written and others not; [roll
    /// back](crate::Transaction::rollback_to) what must be whole.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let numbers = db.keyspace("numbers")?;
    /// let mut tx = db.begin()?;
    /// let squares = (0..100_000_u64).map(|n| (n.to_be_bytes(), (n * n).to_string()));
    /// assert_eq!(tx.keyspace(&numbers).put_all(squares)?, 100_000);
    /// tx.commit()?;
    /// assert_eq!(numbers.get(300_u64.to_be_bytes())?.as_deref(), Some(&b"90000"[..]));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn put_all<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<u64> {
        let reference = self.reference()?;
        told(self.transaction.put_all(reference, pairs))
    }

    /// Writes a value that is gone after `ttl`.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let mut view = tx.keyspace(&fruit);
    /// view.put_with_ttl("melon", "cut", std::time::Duration::from_secs(3 * 86_400))?;
    /// tx.commit()?;
    /// assert!(fruit.contains_key("melon")?); // for three days
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn put_with_ttl(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> Result<()> {
        let (reference, expiry) = (self.reference()?, self.keyspace.expiry_after(ttl));
        told(
            self.transaction
                .put_expiring(reference, key.as_ref(), value.as_ref(), expiry),
        )
    }

    /// Deletes a key, whether it exists or not.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let mut view = tx.keyspace(&fruit);
    /// view.delete("cherry")?;
    /// tx.commit()?;
    /// assert!(!fruit.contains_key("cherry")?);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        let reference = self.reference()?;
        told(self.transaction.delete(reference, key.as_ref()))
    }

    /// Deletes all keys of a range.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let mut view = tx.keyspace(&fruit);
    /// view.delete_range("b"..)?;
    /// assert_eq!(view.iter()?.count(), 1);
    /// tx.rollback();
    /// assert_eq!(fruit.len()?, 3);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn delete_range<K: AsRef<[u8]>>(&mut self, range: impl RangeBounds<K>) -> Result<()> {
        let reference = self.reference()?;
        told(self.transaction.delete_range(reference, key_range(&range)))
    }

    /// Removes and returns the first entry of a range. Doing so again and again costs the same
    /// each time.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let queue = db.keyspace("queue")?;
    /// for (number, job) in ["wash", "cook", "eat"].iter().enumerate() {
    ///     queue.put(number.to_be_bytes(), job)?;
    /// }
    /// let next = db.transaction(|tx| tx.keyspace(&queue).pop_first::<&[u8]>(..))?;
    /// assert_eq!(&*next.expect("there were three").1, b"wash");
    /// assert_eq!(queue.len()?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn pop_first<K: AsRef<[u8]>>(
        &mut self,
        range: impl RangeBounds<K>,
    ) -> Result<Option<Entry>> {
        let reference = self.reference()?;
        told(self.transaction.pop_first(reference, &key_range(&range)))
    }

    /// Removes and returns the last entry of a range.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let mut view = tx.keyspace(&fruit);
    /// let (name, _) = view.pop_last(.."c")?.expect("two are below c");
    /// assert_eq!(*name, *b"banana");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn pop_last<K: AsRef<[u8]>>(
        &mut self,
        range: impl RangeBounds<K>,
    ) -> Result<Option<Entry>> {
        let reference = self.reference()?;
        told(self.transaction.pop_last(reference, &key_range(&range)))
    }

    /// Removes the entries of a range for which `keep` says no; returns how many. After an error some of
    /// them may be removed and others not.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let mut view = tx.keyspace(&fruit);
    /// let removed = view.retain::<&[u8]>(.., |_, colour| colour == b"red")?;
    /// assert_eq!(removed, 1);
    /// assert!(!view.contains_key("banana")?);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn retain<K: AsRef<[u8]>>(
        &mut self,
        range: impl RangeBounds<K>,
        keep: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<u64> {
        let reference = self.reference()?;
        told(self.transaction.retain(reference, key_range(&range), keep))
    }

    /// Removes the entries of a range for which `wanted` says yes, and hands each to `take`; returns how
    /// many. After an error some of those that were handed out may still be there; [roll
    /// back](crate::Transaction::rollback_to) what must be whole.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let mut view = tx.keyspace(&fruit);
    /// let mut basket = Vec::new();
    /// view.extract_if("a".."c", |_, _| true, |(name, _)| basket.push(name))?;
    /// assert_eq!(basket.len(), 2);
    /// tx.commit()?;
    /// assert_eq!(fruit.len()?, 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn extract_if<K: AsRef<[u8]>>(
        &mut self,
        range: impl RangeBounds<K>,
        wanted: impl FnMut(&[u8], &[u8]) -> bool,
        take: impl FnMut(Entry),
    ) -> Result<u64> {
        let reference = self.reference()?;
        told(
            self.transaction
                .extract_all(reference, key_range(&range), wanted, take),
        )
    }

    /// All entries, in key order, this transaction's writes among them.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let mut view = tx.keyspace(&fruit);
    /// view.put("aubergine", "purple")?;
    /// let names = view.iter()?.map(|entry| entry.map(|(name, _)| name[0]));
    /// assert_eq!(names.collect::<rustdb::Result<Vec<u8>>>()?, *b"aabc");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn iter(&self) -> Result<TransactionIter<'_>> {
        self.scan(KeyRange::all())
    }

    /// The entries of a range of keys, from either end.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let view = tx.keyspace(&fruit);
    /// assert_eq!(view.range("apple"..="banana")?.count(), 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<TransactionIter<'_>> {
        self.scan(key_range(&range))
    }

    fn scan(&self, range: KeyRange) -> Result<TransactionIter<'_>> {
        self.keyspace.check_database(self.database)?;
        scan(self.transaction, self.keyspace, range)
    }

    /// The entries whose keys begin with `prefix`.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let view = tx.keyspace(&fruit);
    /// assert_eq!(view.prefix("ban")?.count(), 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<TransactionIter<'_>> {
        self.scan(KeyRange::prefix(prefix.as_ref()))
    }

    /// The first entry.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let mut view = tx.keyspace(&fruit);
    /// view.delete("apple")?;
    /// let (name, _) = view.first()?.expect("two are left");
    /// assert_eq!(*name, *b"banana");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn first(&self) -> Result<Option<Entry>> {
        self.iter()?.next().transpose()
    }

    /// The last entry.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let fruit = db.keyspace("fruit")?;
    /// # for (name, colour) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
    /// #     fruit.put(name, colour)?;
    /// # }
    /// let mut tx = db.begin()?;
    /// let mut view = tx.keyspace(&fruit);
    /// view.put("zucchini", "green")?;
    /// let (name, _) = view.last()?.expect("there are four");
    /// assert_eq!(*name, *b"zucchini");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn last(&self) -> Result<Option<Entry>> {
        self.iter()?.next_back().transpose()
    }
}

/// Walks over entries as a transaction sees them, from either end.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// let mut tx = db.begin()?;
/// tx.put("a", "1")?;
/// tx.put("b", "2")?;
/// let mut iter = tx.iter()?;
/// let (last, _) = iter.next_back().expect("two entries")?;
/// let (first, _) = iter.next().expect("one entry")?;
/// assert_eq!((&*first, &*last), (&b"a"[..], &b"b"[..]));
/// assert!(iter.next().is_none());
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Debug)]
pub struct TransactionIter<'t> {
    pub(super) transaction: &'t Txn,
    pub(super) scan: Scan,
    pub(super) is_over: bool,
}

impl TransactionIter<'_> {
    fn end(&mut self, step: rustdb_txn::Result<Option<Entry>>) -> Option<Result<Entry>> {
        let item = told(step).transpose();
        self.is_over = !matches!(item, Some(Ok(_)));
        item
    }
}

impl Iterator for TransactionIter<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let step = self.scan.next(self.transaction);
        self.end(step)
    }
}

impl DoubleEndedIterator for TransactionIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let step = self.scan.next_back(self.transaction);
        self.end(step)
    }
}

impl std::iter::FusedIterator for TransactionIter<'_> {}
