//! Ranges that are known to be empty, beside a plain set of keys.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::iter::EmptyRanges;
use crate::key::KeyspaceId;

/// What happens; keys are numbers.
#[derive(Clone, Debug)]
enum Step {
    /// A commit puts a key.
    Put(u16),
    /// A commit may have put some of these.
    Puts(u16, u16),
    /// A commit deletes keys.
    Delete(u16, u16),
    /// A walk finds nothing from one key to another.
    Find(u16, u16),
    /// The same, by a walk before the last commits: it is claimed, and proven some steps later.
    Claim(u16, u16),
    Prove,
    Ask(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let number = || 0..200u16;
    let range = || (number(), 1..60u16).prop_map(|(a, n)| (a, a + n));
    prop_oneof![
        2 => number().prop_map(Step::Put),
        1 => range().prop_map(|(a, b)| Step::Puts(a, b)),
        4 => range().prop_map(|(a, b)| Step::Delete(a, b)),
        6 => range().prop_map(|(a, b)| Step::Find(a, b)),
        3 => range().prop_map(|(a, b)| Step::Claim(a, b)),
        2 => Just(Step::Prove),
        9 => number().prop_map(Step::Ask),
    ]
}

fn key(number: u16) -> Vec<u8> {
    [&KeyspaceId::DEFAULT.prefix()[..], &number.to_be_bytes()].concat()
}

fn number(key: &[u8]) -> u16 {
    u16::from_be_bytes(*key.last_chunk().expect("made from a number"))
}

/// The keys after each commit, and what is known to be empty.
struct Model {
    keys: Vec<BTreeSet<u16>>,
    empty: EmptyRanges,
    claim: Option<(u64, u16, u16)>,
}

impl Model {
    fn now(&self) -> &BTreeSet<u16> {
        self.keys.last().expect("there is one to begin with")
    }

    fn at(&self) -> u64 {
        self.keys.len() as u64 - 1
    }

    /// Until where nothing is from `a` to `b`.
    fn empty_to(&self, a: u16, b: u16) -> u16 {
        self.now().range(a..b).next().copied().unwrap_or(b)
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let mut keys = self.now().clone();
        match *step {
            Step::Put(a) => {
                self.empty.note_put(&key(a));
                keys.insert(a);
                self.keys.push(keys);
            }
            Step::Puts(a, b) => {
                self.empty.note_puts(&key(a), &key(b));
                keys.extend((a..=b).step_by(3));
                self.keys.push(keys);
            }
            Step::Delete(a, b) => {
                keys.retain(|k| !(a..b).contains(k));
                self.keys.push(keys);
            }
            Step::Find(a, b) => {
                let b = self.empty_to(a, b);
                let known = self.empty_after(a, self.at());
                if a < b {
                    self.empty.add(&key(a), &key(b), self.at());
                    prop_assert!(self.empty_after(a, self.at()) >= known.max(Some(b)));
                }
            }
            Step::Claim(a, b) => {
                let claim = self.empty.claim(&key(a), &key(b));
                if let Some((before, ..)) = self.claim.take() {
                    self.empty.settle(before, None);
                }
                self.claim = claim.map(|claim| (claim, a, b));
            }
            Step::Prove => {
                if let Some((claim, a, b)) = self.claim.take() {
                    let end = key(self.empty_to(a, b));
                    self.empty.settle(claim, Some((self.at(), &end)));
                }
            }
            Step::Ask(a) => self.ask(a)?,
        }
        Ok(())
    }

    fn empty_after(&self, a: u16, at: u64) -> Option<u16> {
        let mut end = Vec::new();
        let is_known = self.empty.end_of(&key(a), at, &mut end);
        is_known.then(|| number(&end))
    }

    /// What readers of now and of earlier are told is true for them.
    fn ask(&self, a: u16) -> Result<(), TestCaseError> {
        for at in (0..=self.at()).rev().take(4) {
            let keys = &self.keys[at as usize];
            if let Some(end) = self.empty_after(a, at) {
                prop_assert!(a < end);
                prop_assert_eq!(keys.range(a..end).next(), None);
            }
            let mut start = Vec::new();
            if self.empty.start_of(&key(a), at, &mut start) {
                let start = number(&start);
                prop_assert!(start < a);
                prop_assert_eq!(keys.range(start..a).next(), None);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn readers_are_told_of_empty_ranges_only(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model {
            keys: vec![BTreeSet::new()],
            empty: EmptyRanges::default(),
            claim: None,
        };
        for step in &steps {
            model.take(step)?;
        }
    }
}

#[test]
fn other_keyspaces_are_not_concerned() {
    let empty = EmptyRanges::default();
    assert!(!empty.may_concern(&key(1)));
    empty.add(&key(1), &key(9), 5);
    assert!(empty.may_concern(&key(100)));
    assert!(!empty.may_concern(&KeyspaceId(2).prefix()));
}
