//! What the steps of plans cost, in units of about a hundred rows of a small table.

use super::Estimate;

/// What a row of a scan costs.
pub(super) const SCAN_ROW: f64 = 0.01;
/// What a row beyond the first [`MANY_ROWS`] costs: a walk waits for nothing, as look-ups do.
pub(super) const SCAN_ROW_OF_MANY: f64 = 0.0025;
/// The same where columns are kept in memory.
pub(super) const KEPT_ROW_OF_MANY: f64 = 0.0006;
/// Up to so many rows each costs what one of few costs.
pub(super) const MANY_ROWS: f64 = 100_000.0;
/// What finding a key costs in a small table.
pub(super) const LOOKUP: f64 = 0.04;
/// What a row costs that an index of a small table leads to.
pub(super) const INDEXED_ROW: f64 = 0.05;
/// What both cost more for each doubling of a table beyond [`SMALL_ROWS`]: there are more places to
/// look at, and fewer of them are in a processor's cache. In a table of millions a row that is looked
/// up costs as much as some dozens of rows of a scan.
pub(super) const DOUBLING: f64 = 0.02;
/// How many rows a small table has.
pub(super) const SMALL_ROWS: f64 = 10_000.0;
/// What a condition or an expression costs.
pub(super) const EXPRESSION: f64 = 0.0025;

/// What putting a row into a hash table costs.
pub(super) const BUILD: f64 = 0.02;
/// What looking for a row in one costs.
pub(super) const PROBE: f64 = 0.01;
/// What a row costs that is seen to have no partner where it is read.
pub(super) const LEFT_OUT: f64 = 0.0005;
/// What a row costs that passes in a merge.
pub(super) const MERGED: f64 = 0.014;
/// What beginning to run a plan costs.
pub(super) const START: f64 = 0.01;

/// What a walk through a table of so many rows costs, of which so many have columns that are kept, with
/// conditions that cost so much for a row.
pub(super) fn scan_cost(rows: f64, kept: f64, conditions: f64) -> f64 {
    let few = rows.min(MANY_ROWS);
    let kept = kept.min(rows - few);
    let others = rows - few - kept;
    let rows_as_few = few + (others * SCAN_ROW_OF_MANY + kept * KEPT_ROW_OF_MANY) / SCAN_ROW;
    rows_as_few * (SCAN_ROW + conditions)
}

/// A join that looks up the rows of its right side.
pub(in crate::plan) fn dependent_cost(left: Estimate, right: Estimate) -> f64 {
    left.cost + left.rows * right.cost
}

/// A join with a hash table of the right side.
pub(in crate::plan) fn hash_cost(left: Estimate, right: Estimate, rows: f64) -> f64 {
    let partners = left.rows.min(rows);
    let probes = partners * PROBE + (left.rows - partners) * LEFT_OUT;
    left.cost + right.cost + right.rows * BUILD + probes + rows * EXPRESSION + START
}

/// A semi- or anti-join with a hash table of the left side.
pub(in crate::plan) fn marked_cost(left: Estimate, right: Estimate, pairs: f64) -> f64 {
    let partners = right.rows.min(pairs);
    let probes = partners * PROBE + (right.rows - partners) * LEFT_OUT;
    left.cost + right.cost + left.rows * BUILD + probes + pairs * EXPRESSION + START
}

/// Rows that are sorted.
pub(in crate::plan) fn sorted(input: Estimate) -> Estimate {
    let compared = input.rows * (input.rows + 2.0).log2();
    Estimate {
        cost: input.cost + compared * EXPRESSION,
        ..input
    }
}

/// A join of sorted sides that cost so much, and have so many rows together.
pub(in crate::plan) fn merge_cost(sides: [f64; 2], rows_in: f64, rows: f64) -> f64 {
    sides[0] + sides[1] + rows_in * MERGED + rows * EXPRESSION + START
}

/// A join by nested loops over a right side that is kept.
pub(in crate::plan) fn nested_cost(left: Estimate, right: Estimate) -> f64 {
    left.cost + right.cost + left.rows * right.rows * EXPRESSION * 2.0
}
