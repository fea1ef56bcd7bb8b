//! What a query answered, and whether two answers are the same.

use std::time::Duration;

/// The rows of an answer, as text; NULL is empty.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Vec<String>>,
    /// From the text of the query to its last row.
    pub(crate) time: Duration,
}

/// How far two numbers may be apart.
#[derive(Clone, Copy)]
pub(crate) enum Apart {
    /// What sums of binary fractions differ by: some engines compute with them.
    Binary,
    /// Half of the last of two decimal digits: the published answers have those.
    #[cfg_attr(
        not(any(feature = "tpch", test)),
        expect(dead_code, reason = "for TPC-H")
    )]
    Cents,
}

impl Answer {
    /// How the answer differs from another, in words.
    pub(crate) fn difference(&self, other: &[Vec<String>], apart: Apart) -> Option<String> {
        if self.rows.len() != other.len() {
            return Some(format!("{} and {} rows", self.rows.len(), other.len()));
        }
        let mut pairs = self.rows.iter().zip(other).enumerate();
        pairs.find_map(|(place, (ours, theirs))| {
            let same = ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(a, b)| is_same(a, b, apart));
            (!same).then(|| format!("row {}: {ours:?} and {theirs:?}", place + 1))
        })
    }
}

fn is_same(a: &str, b: &str, apart: Apart) -> bool {
    // CHAR(n) is filled with spaces in some engines.
    let (a, b) = (a.trim(), b.trim());
    if a == b {
        return true;
    }
    let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) else {
        return false;
    };
    (a - b).abs()
        <= match apart {
            Apart::Binary => 1e-9 * a.abs().max(b.abs()),
            Apart::Cents => 0.0051,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_texts_without_padding() {
        let answer = Answer {
            rows: vec![row(&["FRANCE   ", "0.50", "2000000.00"])],
            time: Duration::ZERO,
        };
        let same = [row(&["FRANCE", "0.5", "2000000.0001"])];
        assert_eq!(answer.difference(&same, Apart::Binary), None);
        assert!(answer.difference(&[], Apart::Binary).is_some());
        for other in [["GERMANY", "0.5", "2000000"], ["FRANCE", "0.51", "2000000"]] {
            assert!(answer.difference(&[row(&other)], Apart::Binary).is_some());
        }
        assert!(
            answer
                .difference(&[row(&["FRANCE", "0.5"])], Apart::Binary)
                .is_some()
        );
        let published = [row(&["FRANCE", "0.5", "2000000.005"])];
        assert_eq!(answer.difference(&published, Apart::Cents), None);
    }
}
