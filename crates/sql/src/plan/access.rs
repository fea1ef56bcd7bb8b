//! How the rows of a table are found: by which key or index, and which part of it.
//!
//! ```text
//! conditions ─▶ what each says of a column or an indexed expression ─▶ for each key and index,
//!               how many of its first columns are known ─▶ the best of these
//! ```
//!
//! A condition is of use if it compares something that is indexed with something that does not
//! depend on the row. Most make the scan's part exactly what they say, and are not asked again;
//! of some only a bound is used ([`Usable::is_covered`]).
//!
//! An index on an expression is of use where the same expression is written, and a partial one
//! where the conditions say what its predicate says.

use rustdb_catalog::{Index, IndexKey, IndexState, RowKeyColumns};
use rustdb_types::{Base, Cast, CastContext, Oid, Settings, Type, Value};

use super::{Access, Estimator, Figures, Given, IndexExpressions, Plan, Scan, free_columns_of};
use crate::expr::{AnyAll, Expr, OperatorCall, RowCompare, RowComparison};

/// Smaller tables are read by key or index if they can be: they may grow.
const ROWS_MIN: f64 = 1000.0;

/// What a condition says of something that may be indexed.
struct Usable<'c> {
    condition: &'c Expr,
    subject: &'c Expr,
    /// The type that the condition compares it as.
    of: &'c Type,
    said: Said,
    /// Whether the condition says no more than this.
    is_covered: bool,
    /// Whether the value may be one that the subject's type does not have.
    narrows: bool,
}

/// What is said; the flags of bounds tell whether the bound itself is meant too.
#[derive(Clone)]
enum Said {
    Equal(Expr),
    /// It is one of the elements of an array.
    Any(Expr),
    Above(Expr, bool),
    Below(Expr, bool),
}

/// A way to find rows, and how good it is.
struct Candidate {
    access: Access,
    /// Whether it is one row, how many columns are fixed to one value and how many to some, and
    /// whether anything is known of the next.
    score: (bool, usize, usize, u8),
}

/// The column of a key or index.
enum Subject<'s> {
    /// A column of the table by its place, and its type.
    Column(usize, &'s Type),
    /// An expression over the scan's columns, and its type.
    Expression(&'s Expr, &'s Type),
}

/// A scan that finds its rows by what the conditions say; what they say besides is asked of the
/// rows.
pub(super) fn choose_access(mut scan: Scan, mut conditions: Vec<Expr>) -> Plan {
    if scan.access.is_none() {
        scan.access = best_access(&scan, &conditions);
        if let Some(access) = &scan.access {
            conditions.retain(|condition| !access.covered.contains(condition));
        }
    }
    Plan::Scan(Box::new(scan)).filtered(conditions)
}

/// The key or index that fixes the most columns.
pub(super) fn best_access(scan: &Scan, conditions: &[Expr]) -> Option<Access> {
    let candidates = candidates(scan, conditions).into_iter();
    Some(candidates.max_by_key(|each| each.score)?.access)
}

/// Takes another way to find the rows of a table where that costs less, by what is known of its
/// values; in subqueries too.
pub(super) fn choose_by_cost(plan: &mut Plan, figures: &dyn Figures) {
    if has_other_ways(plan) {
        let estimator = Estimator::new(figures, plan);
        choose_again(plan, &estimator);
    }
    plan.for_each_subquery(&mut |plan| choose_by_cost(plan, figures));
}

/// Whether a scan goes by a key or an index, and not for the one row that has the key.
fn has_other_ways(plan: &Plan) -> bool {
    match plan {
        Plan::Scan(scan) => scan.access.is_some() && !scan.is_keyed(),
        _ => plan.inputs().into_iter().any(has_other_ways),
    }
}

fn choose_again(plan: &mut Plan, estimator: &Estimator<'_>) {
    let (scan, conditions) = match plan {
        Plan::Scan(scan) => (scan, &[][..]),
        Plan::Filter { input, conditions } => match &mut **input {
            Plan::Scan(scan) => (scan, &conditions[..]),
            input => return choose_again(input, estimator),
        },
        _ => {
            for input in plan.inputs_mut() {
                choose_again(input, estimator);
            }
            return;
        }
    };
    if let Some((access, conditions)) = cheaper(scan, conditions, estimator) {
        let mut scan = scan.clone();
        scan.access = access;
        *plan = Plan::Scan(scan).filtered(conditions);
    }
}

/// The cheapest way to find the rows, if it is another one, and what is left to ask of them.
fn cheaper(
    scan: &Scan,
    conditions: &[Expr],
    estimator: &Estimator<'_>,
) -> Option<(Option<Access>, Vec<Expr>)> {
    let present = scan.access.as_ref()?;
    if estimator.table_rows(scan) < ROWS_MIN || scan.is_keyed() {
        return None;
    }
    let covered = present.covered.iter();
    let all: Vec<Expr> = covered.chain(conditions).cloned().collect();
    let cost = |access: Option<Access>, conditions: &[Expr]| {
        let mut scan = scan.clone();
        scan.access = access;
        estimator.scan(&scan, conditions).cost
    };
    let mut best = (cost(Some(present.clone()), conditions), None);
    // Reading everything has to be much cheaper, because it gets dearer as the table grows.
    let everything = cost(None, &all) * 2.0;
    if everything < best.0 {
        best = (everything, Some((None, all.clone())));
    }
    for candidate in candidates(scan, &all) {
        let is_left = |each: &&Expr| !candidate.access.covered.contains(each);
        let left: Vec<Expr> = all.iter().filter(is_left).cloned().collect();
        let cost = cost(Some(candidate.access.clone()), &left);
        if cost < best.0 {
            best = (cost, Some((Some(candidate.access), left)));
        }
    }
    best.1
}

/// All ways of which the conditions fix something.
fn candidates(scan: &Scan, conditions: &[Expr]) -> Vec<Candidate> {
    let mut usable = Vec::new();
    for condition in conditions {
        learn(condition, scan, &mut usable);
    }
    if usable.is_empty() {
        return Vec::new();
    }
    let definition = scan.table.definition();
    let mut candidates = Vec::new();
    let column = |id: u32| {
        let place = (id as usize).checked_sub(1)?;
        let column = definition.columns.get(place)?;
        Some(Subject::Column(place, &column.column_type))
    };
    if let RowKeyColumns::Columns(ids) = &definition.row_key
        && let Some(subjects) = ids.iter().map(|id| column(*id)).collect::<Option<Vec<_>>>()
    {
        candidates.extend(candidate(scan, None, true, &subjects, &usable));
    }
    for index in &definition.indexes {
        if index.state != IndexState::Public || index.keyspace.is_none() {
            continue;
        }
        let of_index = scan.expressions.iter().find(|each| each.index == index.oid);
        let predicate = of_index.map_or(&[][..], |each| &each.predicate);
        if index.predicate.is_some() && !are_implied(predicate, conditions, &usable) {
            continue;
        }
        let Some(subjects) = subjects(index, of_index, column) else {
            continue;
        };
        let found = candidate(scan, Some(index.oid), index.unique, &subjects, &usable);
        candidates.extend(found.map(|mut candidate| {
            let said = conditions.iter().filter(|each| predicate.contains(each));
            candidate.access.covered.extend(said.cloned());
            candidate
        }));
    }
    candidates
}

/// What an index is sorted by; `None` if an expression of it is not known.
fn subjects<'s>(
    index: &'s Index,
    of_index: Option<&'s IndexExpressions>,
    column: impl Fn(u32) -> Option<Subject<'s>>,
) -> Option<Vec<Subject<'s>>> {
    let mut expressions = of_index.into_iter().flat_map(|each| &each.keys);
    let subjects = index.columns.iter().map(|each| match &each.key {
        IndexKey::Column(id) => column(*id),
        IndexKey::Expression { result, .. } => {
            Some(Subject::Expression(expressions.next()?, result))
        }
    });
    subjects.collect()
}

/// Whether the conditions say what a partial index demands of its rows.
fn are_implied(predicate: &[Expr], conditions: &[Expr], usable: &[Usable<'_>]) -> bool {
    !predicate.is_empty()
        && predicate.iter().all(|part| {
            conditions.contains(part)
                || match part {
                    // What is compared, and found to be so, is not NULL.
                    Expr::Not(inner) => match &**inner {
                        Expr::IsNull(inner) => usable.iter().any(|each| *each.subject == **inner),
                        _ => false,
                    },
                    _ => false,
                }
        })
}

fn candidate(
    scan: &Scan,
    index: Option<Oid>,
    unique: bool,
    subjects: &[Subject<'_>],
    usable: &[Usable<'_>],
) -> Option<Candidate> {
    let mut access = Access::of(index);
    let mut rank = 0;
    for subject in subjects {
        let of_subject = usable.iter().filter(|each| each.is_about(subject, scan));
        let said: Vec<&Usable<'_>> = of_subject.collect();
        let use_it = |each: &Usable<'_>, access: &mut Access| {
            access.narrows |= each.narrows;
            // Of further lists only some columns may be looked for, if there are too many.
            let lists = access
                .more
                .iter()
                .filter(|more| matches!(more, Given::Any(_)));
            if lists.count() == 0 && each.is_covered && !access.covered.contains(each.condition) {
                access.covered.push(each.condition.clone());
            }
        };
        if let Some((each, value)) = said.iter().find_map(|each| match &each.said {
            Said::Equal(value) => Some((each, value)),
            _ => None,
        }) {
            match access.any {
                None => access.equal.push(value.clone()),
                Some(_) => access.more.push(Given::Equal(value.clone())),
            }
            use_it(each, &mut access);
            continue;
        }
        if let Some((each, array)) = said.iter().find_map(|each| match &each.said {
            Said::Any(array) => Some((each, array)),
            _ => None,
        }) {
            match access.any {
                None => access.any = Some(array.clone()),
                Some(_) => access.more.push(Given::Any(array.clone())),
            }
            use_it(each, &mut access);
            continue;
        }
        for each in said {
            let (end, value) = match &each.said {
                Said::Above(value, included) => (&mut access.lower, (value.clone(), *included)),
                Said::Below(value, included) => (&mut access.upper, (value.clone(), *included)),
                Said::Equal(_) | Said::Any(_) => continue,
            };
            if end.is_none() {
                *end = Some(value);
                use_it(each, &mut access);
                rank = 1;
            }
        }
        break;
    }
    let is_one_row = unique && access.equal.len() == subjects.len();
    let behind = access.fixed() - access.equal.len();
    let score = (is_one_row, access.equal.len(), behind, rank);
    (access.fixed() > 0 || rank > 0).then_some(Candidate { access, score })
}

impl Usable<'_> {
    /// Whether it speaks of this, in its type: keys are encoded by it.
    fn is_about(&self, subject: &Subject<'_>, scan: &Scan) -> bool {
        let of = match subject {
            Subject::Column(place, of) => match self.subject {
                Expr::Column(id) if scan.columns.contains(&(*id, *place)) => *of,
                _ => return false,
            },
            Subject::Expression(expr, of) if *expr == self.subject && !self.narrows => *of,
            Subject::Expression(..) => return false,
        };
        let base = of.without_domains().base();
        base.is_some()
            && (self.of.base() == base || is_text(self.of) && is_text(&of.without_domains()))
    }
}

/// Whether a type is one of those whose values are the same, character by character.
fn is_text(of: &Type) -> bool {
    matches!(of.base(), Some(Base::Text | Base::Varchar))
}

/// Adds what a condition says.
fn learn<'c>(condition: &'c Expr, scan: &Scan, out: &mut Vec<Usable<'c>>) {
    match condition {
        Expr::Operator(call) if call.operator.name == "~~" => {
            learn_prefix(condition, call, scan, out)
        }
        Expr::Operator(call) => out.extend(compared(condition, call, scan)),
        Expr::AnyAll(any) => out.extend(one_of(condition, any, scan)),
        Expr::RowCompare(rows) => out.extend(first_of_rows(condition, rows, scan)),
        Expr::Or(sides) => out.extend(one_of_sides(condition, sides, scan)),
        // A condition that is a column, or an expression, may be the predicate of an index only.
        _ => {}
    }
}

/// What a comparison says.
fn compared<'c>(condition: &'c Expr, call: &'c OperatorCall, scan: &Scan) -> Option<Usable<'c>> {
    let left = call.left.as_ref()?;
    let types = (
        call.operator.left.as_ref()?.concrete()?,
        call.operator.right.concrete()?,
    );
    let flipped = match call.operator.name {
        "=" => "=",
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        _ => return None,
    };
    let (subject, comparison, value, of, of_value) =
        match (subject_of(left, scan), subject_of(&call.right, scan)) {
            (Some(subject), None) => (subject, call.operator.name, &call.right, types.0, types.1),
            (None, Some(subject)) => (subject, flipped, left, types.1, types.0),
            _ => return None,
        };
    if !is_outside(value, scan) {
        return None;
    }
    let (value, narrows) = fitting(value, of, of_value)?;
    Some(Usable {
        condition,
        subject,
        of,
        said: match comparison {
            "=" => Said::Equal(value),
            ">" | ">=" => Said::Above(value, comparison == ">="),
            _ => Said::Below(value, comparison == "<="),
        },
        is_covered: true,
        narrows,
    })
}

/// The value as one of the subject's type, and whether it may be none.
fn fitting(value: &Expr, of: &Type, of_value: &Type) -> Option<(Expr, bool)> {
    let (wanted, given) = (of.base()?, of_value.base()?);
    if wanted == given {
        return Some((value.clone(), false));
    }
    if (wanted, given) == (Base::Timestamp, Base::Date) {
        // Some dates are no timestamps, though they compare with them: only where it is known.
        let Expr::Constant(date) = value else {
            return None;
        };
        let cast = Cast::find(of_value, of, CastContext::Implicit)?;
        let timestamp = cast.apply(date, &Settings::default()).ok()?;
        return Some((Expr::Constant(timestamp), false));
    }
    if is_wider(wanted, given) {
        let cast = Cast::find(of_value, of, CastContext::Implicit)?;
        return Some((Expr::Cast(Box::new((cast, value.clone()))), false));
    }
    is_wider(given, wanted)
        .then(|| is_integer(wanted) && is_integer(given))?
        .then(|| (value.clone(), true))
}

/// Whether every value of the second type is one of the first, in the same order.
fn is_wider(first: Base, second: Base) -> bool {
    matches!(
        (first, second),
        (Base::Int8, Base::Int4 | Base::Int2)
            | (Base::Int4, Base::Int2)
            | (Base::Float8, Base::Float4)
    )
}

fn is_integer(base: Base) -> bool {
    matches!(base, Base::Int2 | Base::Int4 | Base::Int8)
}

/// `x = ANY (array)`.
fn one_of<'c>(condition: &'c Expr, any: &'c AnyAll, scan: &Scan) -> Option<Usable<'c>> {
    if any.all || any.operator.name != "=" || !is_outside(&any.array, scan) {
        return None;
    }
    let of = any.operator.left.as_ref()?.concrete()?;
    let of_value = any.operator.right.concrete()?;
    let is_same = of.base() == of_value.base();
    let are_integers = is_integer(of.base()?) && is_integer(of_value.base()?);
    if !(is_same || are_integers) {
        return None;
    }
    Some(Usable {
        condition,
        subject: subject_of(&any.left, scan)?,
        of,
        said: Said::Any(any.array.clone()),
        is_covered: true,
        narrows: !is_same,
    })
}

/// `x = 1 OR x = 2`: what all sides say of the same.
fn one_of_sides<'c>(condition: &'c Expr, sides: &'c [Expr], scan: &Scan) -> Option<Usable<'c>> {
    let mut values = Vec::with_capacity(sides.len());
    let mut first: Option<Usable<'c>> = None;
    for side in sides {
        let usable = match side {
            Expr::Operator(call) => compared(side, call, scan)?,
            _ => return None,
        };
        let Said::Equal(value) = &usable.said else {
            return None;
        };
        values.push(value.clone());
        match &mut first {
            None => first = Some(usable),
            Some(first)
                if first.subject == usable.subject && first.of.base() == usable.of.base() =>
            {
                first.narrows |= usable.narrows;
            }
            Some(_) => return None,
        }
    }
    let first = first?;
    Some(Usable {
        condition,
        said: Said::Any(Expr::Array(values, false)),
        ..first
    })
}

/// `(x, y) > (1, 2)` says that `x >= 1`.
fn first_of_rows<'c>(condition: &'c Expr, rows: &'c RowCompare, scan: &Scan) -> Option<Usable<'c>> {
    let (subject, value) = (subject_of(rows.left.first()?, scan)?, rows.right.first()?);
    let operator = rows.less.first()?;
    let of = operator.left.as_ref()?.concrete()?;
    if !is_outside(value, scan) {
        return None;
    }
    let (value, narrows) = fitting(value, of, operator.right.concrete()?)?;
    let said = match rows.kind {
        RowComparison::Greater | RowComparison::GreaterOrEqual => Said::Above(value, true),
        RowComparison::Less | RowComparison::LessOrEqual => Said::Below(value, true),
    };
    Some(Usable {
        condition,
        subject,
        of,
        said,
        is_covered: false,
        narrows,
    })
}

/// `x LIKE 'abc%'` says that `x` is from `abc` to before `abd`: texts are in the order of their
/// characters' numbers.
fn learn_prefix<'c>(
    condition: &'c Expr,
    call: &'c OperatorCall,
    scan: &Scan,
    out: &mut Vec<Usable<'c>>,
) {
    let Expr::Constant(Value::Text(pattern)) = &call.right else {
        return;
    };
    let left = call.left.as_ref().and_then(|left| subject_of(left, scan));
    let of = call.operator.left.as_ref().and_then(|of| of.concrete());
    let (Some(subject), Some(of)) = (left, of.filter(|of| is_text(of))) else {
        return;
    };
    let pattern = pattern.as_str();
    let prefix = &pattern[..pattern.find(['%', '_', '\\']).unwrap_or(pattern.len())];
    let mut add = |said: Said| {
        out.push(Usable {
            condition,
            subject,
            of,
            said,
            is_covered: false,
            narrows: false,
        });
    };
    let text = |text: &str| Expr::Constant(Value::text(text));
    if prefix.len() == pattern.len() {
        return add(Said::Equal(text(prefix)));
    }
    if !prefix.is_empty() {
        add(Said::Above(text(prefix), true));
    }
    if let Some(end) = after_prefix(prefix) {
        add(Said::Below(text(&end), false));
    }
}

/// The first text after all that begin with the prefix.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut rest = prefix.to_owned();
    while let Some(last) = rest.pop() {
        // There are no characters between these.
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            rest.push(next);
            return Some(rest);
        }
    }
    None
}

/// What is compared, if it can be what an index is sorted by.
fn subject_of<'e>(expr: &'e Expr, scan: &Scan) -> Option<&'e Expr> {
    let is_own = |id| scan.columns.iter().any(|(column, _)| *column == id);
    match expr {
        Expr::Column(id) => is_own(*id).then_some(expr),
        Expr::Cast(cast) if cast.0.is_relabeling() => subject_of(&cast.1, scan),
        _ => {
            let mut keys = scan.expressions.iter().flat_map(|each| &each.keys);
            keys.any(|key| key == expr).then_some(expr)
        }
    }
}

/// Whether an expression is the same for all rows of the scan, and may be computed once.
fn is_outside(expr: &Expr, scan: &Scan) -> bool {
    let mut plain = true;
    expr.walk(&mut |part| {
        plain &= match part {
            // Looked at once, not for each row.
            Expr::Subquery(_) | Expr::NextValue(_) | Expr::Session(_) => false,
            Expr::Call(call) => {
                call.call.function().volatility != rustdb_types::function::Volatility::Volatile
            }
            _ => true,
        }
    });
    let is_own = |id| scan.columns.iter().any(|(column, _)| *column == id);
    plain && !free_columns_of(expr).into_iter().any(is_own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_a_prefix_is_before_its_end() {
        assert_eq!(after_prefix("abc").as_deref(), Some("abd"));
        assert_eq!(after_prefix("ab\u{10ffff}").as_deref(), Some("ac"));
        assert_eq!(after_prefix("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
        assert_eq!(after_prefix(""), None);
    }
}
