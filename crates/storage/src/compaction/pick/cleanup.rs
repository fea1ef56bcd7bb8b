//! What is dead, and what sizes alone would leave where it is.

use super::{Need, Picker, What};
use crate::compaction::choice::Reason;
use crate::compaction::shape::{TableShape, ValueShape};
use crate::key::FileNumber;

/// How many value files are collected at the same time.
const COLLECTED_FILES_MAX: usize = 64;

impl<'a> Picker<'a> {
    /// Adds what single tables need.
    pub(super) fn cleanup_needs(&self, needs: &mut Vec<Need<'a>>) {
        for (level, run, table) in self.shape.tables() {
            // NB: what a newer run of level 0 hides may still be in a memtable, and a rewrite would
            // take its deletions for useless.
            let must_wait = level == 0 && table.meta.max_seq > self.moment.flushed;
            if must_wait || self.is_busy(table) {
                continue;
            }
            let bounds = table.bounds();
            let is_bottom = !self.shape.has_older(level, run.id, bounds);
            let mut add = |score: f64, reason: Reason| {
                let what = match is_bottom {
                    // Nothing is hidden by the table: what is dead goes when it is rewritten.
                    true => What::Rewrite(level, run, table, reason),
                    false => What::PushDown(level, table, reason),
                };
                needs.push(Need { score, what });
            };
            let expired = self.expired_part(table);
            let age_days = self.age(table);
            if is_bottom {
                if self.is_settled_bottom(level, run, table) {
                    add(self.garbage_score(table, age_days), Reason::Garbage);
                }
            } else {
                add(self.tombstone_score(table), Reason::Tombstones);
                add(age_days, Reason::Settle);
            }
            add(self.expiry_score(table, expired), Reason::Expired);
            if let Some((score, reason)) = self.rewrite_score(table) {
                let what = What::Rewrite(level, run, table, reason);
                needs.push(Need { score, what });
            }
        }
    }

    /// The age of a table, as a part of the time after which it has to settle.
    fn age(&self, table: &TableShape) -> f64 {
        let micros = self.moment.now_micros;
        let age = micros.saturating_sub(table.meta.created_micros);
        age as f64 / self.options.settle_micros.max(1) as f64
    }

    /// Deletions that hide something below.
    fn tombstone_score(&self, table: &TableShape) -> f64 {
        let meta = &table.meta;
        let part = meta.tombstones as f64 / meta.entries.max(1) as f64;
        due_from(part, self.options.tombstone_ratio)
    }

    /// What can be collected in a table at the bottom that every snapshot sees all of: a rewrite
    /// removes all of it.
    fn garbage_score(&self, table: &TableShape, age: f64) -> f64 {
        let meta = &table.meta;
        let dead = meta.tombstones + meta.shadowed;
        if dead == 0 && meta.range_tombstones == 0 {
            return 0.0;
        }
        // How much a range tombstone covers is not known without looking; often it is all.
        if meta.range_tombstones > 0 {
            return 2.0;
        }
        let part = dead as f64 / meta.entries.max(1) as f64;
        due_from(part, self.options.garbage_ratio).max(age)
    }

    /// The part of a table's entries that has expired, if expiries are spread evenly.
    fn expired_part(&self, table: &TableShape) -> f64 {
        let meta = &table.meta;
        let (Some(oldest), Some(newest)) = (meta.oldest_expiry, meta.newest_expiry) else {
            return 0.0;
        };
        let now = self.moment.now_micros;
        if now < oldest {
            return 0.0;
        }
        let span = (newest.saturating_sub(oldest)).saturating_add(1);
        let passed = ((now - oldest).saturating_add(1) as f64 / span as f64).min(1.0);
        passed * meta.expiring as f64 / meta.entries.max(1) as f64
    }

    /// Expired entries. They turn into deletions or go, so the oldest expiry of the result lies
    /// ahead.
    fn expiry_score(&self, table: &TableShape, expired_part: f64) -> f64 {
        let Some(oldest) = table.meta.oldest_expiry else {
            return 0.0;
        };
        let overdue = self.moment.now_micros.saturating_sub(oldest);
        let overdue = overdue as f64 / self.options.settle_micros.max(1) as f64;
        due_from(expired_part, self.options.tombstone_ratio).max(overdue)
    }

    /// What asks for a rewrite wherever the table is: references to dying value files, and
    /// retired keys.
    fn rewrite_score(&self, table: &TableShape) -> Option<(f64, Reason)> {
        if self.is_retired(table.meta.data_key_id) {
            return Some((1.0, Reason::RetiredKey));
        }
        let refers = |value: &&ValueShape| {
            let mut refs = table.meta.value_refs.iter();
            self.collect.binary_search(&value.number).is_ok()
                && refs.any(|(file, _)| *file == value.number)
        };
        let worst = self
            .shape
            .values
            .iter()
            .filter(refers)
            .map(|value| self.value_score(value))
            .fold(0.0, f64::max);
        (worst > 0.0).then_some((worst, Reason::ValueGarbage))
    }

    /// Value files whose live values are to be moved, ascending: the worst ones, and those under
    /// a retired key.
    pub(super) fn dying_values(&self) -> Vec<FileNumber> {
        let mut dying: Vec<_> = self
            .shape
            .values
            .iter()
            .filter(|value| value.live_bytes > 0)
            .filter(|value| !self.moment.unsettled_values.contains(&value.number))
            .map(|value| (self.value_score(value), value.number))
            .filter(|(score, _)| *score >= 1.0)
            .collect();
        dying.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        dying.truncate(COLLECTED_FILES_MAX);
        let mut numbers: Vec<_> = dying.into_iter().map(|(_, number)| number).collect();
        numbers.sort();
        numbers
    }

    fn value_score(&self, value: &ValueShape) -> f64 {
        if self.is_retired(value.data_key_id) {
            return 1.0;
        }
        let live = value.live_bytes as f64 / value.value_bytes.max(1) as f64;
        let dead = (1.0 - live).max(0.0);
        // Above 1 exactly if the live part is below the limit.
        match live < self.options.value_live_ratio {
            true => 1.0 + dead,
            false => 0.0,
        }
    }

    fn is_retired(&self, data_key_id: u32) -> bool {
        self.moment.retired_keys.contains(&data_key_id)
    }
}

/// A score that is due when `part` reaches `limit`, and grows with it.
fn due_from(part: f64, limit: f64) -> f64 {
    if part > 0.0 && part >= limit {
        1.0 + part
    } else {
        0.0
    }
}
