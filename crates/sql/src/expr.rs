//! Expressions whose names and types are known.
//!
//! A column is known by its [`ColumnId`], which is unique within a statement: it does not change
//! when plans are rearranged, and a column of an outer query is told from one's own by nothing but
//! who makes it. When a plan is made ready to run, ids become places ([`Expr::Input`] of the row
//! at hand, [`Expr::Outer`] of a row further out).

use std::sync::Arc;

use rustdb_txn::ObjectMode;
use rustdb_types::function::{Call, Volatility};
use rustdb_types::{Cast, Oid, Operator, Type, Value};

use crate::error::Position;
use crate::exec::SubPlan;
use crate::plan::Plan;
use crate::system::SystemFunction;

/// A column of some node of a statement's plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ColumnId(pub u32);

/// An expression and the type of its values.
#[derive(Clone, PartialEq, Debug)]
pub struct Typed {
    /// The expression.
    pub expr: Expr,
    /// The type of what it gives.
    pub of: Type,
    /// Where it begins in the text, if that is known.
    pub place: Option<Position>,
}

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub enum Expr {
    /// A value.
    Constant(Value),
    /// A column, before the plan is made ready.
    Column(ColumnId),
    /// A place in the row at hand.
    Input(usize),
    /// A place among the values that outer rows pass in.
    Outer(usize),
    /// `$1` is number 0.
    Parameter(usize),
    /// An operator and its operands, cast to what it takes.
    Operator(Box<OperatorCall>),
    /// A function and its arguments, cast to what it takes.
    Call(Box<FunctionCall>),
    /// A function that needs the catalog, and its arguments.
    System(Box<SystemCall>),
    /// A cast.
    Cast(Box<(Cast, Expr)>),
    /// All are true.
    And(Vec<Expr>),
    /// Any is true.
    Or(Vec<Expr>),
    /// It is false.
    Not(Box<Expr>),
    /// `IS NULL`: of a row, that all its columns are NULL.
    IsNull(Box<Expr>),
    /// What is asked of a row otherwise.
    RowTest(Box<Expr>, RowTest),
    /// `IS TRUE`, `IS FALSE`, `IS UNKNOWN`.
    Is(Box<Expr>, Option<bool>),
    /// `IS DISTINCT FROM`, with the operator `=` of the type.
    IsDistinct(Box<OperatorCall>),
    /// `CASE WHEN c THEN r ... ELSE r END`.
    Case(Box<Case>),
    /// The first that is not NULL.
    Coalesce(Vec<Expr>),
    /// `NULLIF`, with the operator `=`: NULL if it holds, else the left operand.
    NullIf(Box<OperatorCall>),
    /// `GREATEST` or `LEAST`: of those that are not NULL.
    Extreme(Extreme, Vec<Expr>, Box<Type>),
    /// `left operator ANY|ALL (array)`.
    AnyAll(Box<AnyAll>),
    /// `ARRAY[...]`; `true` if the items are arrays themselves.
    Array(Vec<Expr>, bool),
    /// `array[i]` or `array[i:j]`.
    Subscript(Box<Subscript>),
    /// `ROW(...)`, and what is known of its columns.
    Row(Vec<Expr>, RowColumns),
    /// A row compared with another, column by column.
    RowCompare(Box<RowCompare>),
    /// The next value of a sequence.
    NextValue(Oid),
    /// A value that becomes one of a domain.
    Domain(Box<DomainCheck>),
    /// A function that acts on the session or the database.
    Session(Box<SessionCall>),
    /// A query within the expression.
    Subquery(Box<Subquery>),
    /// The same when it is ready to run.
    Run(Arc<SubPlan>),
}

/// An operator with its operands.
#[derive(Clone, Debug)]
pub struct OperatorCall {
    /// The operator.
    pub operator: &'static Operator,
    /// The operand before it, unless it is a prefix operator.
    pub left: Option<Expr>,
    /// The operand after it.
    pub right: Expr,
}

/// A function with its arguments.
#[derive(Clone, Debug)]
pub struct FunctionCall {
    /// The function, and the types it was resolved for.
    pub call: Call,
    /// What it is given.
    pub arguments: Vec<Expr>,
}

/// A function that needs the catalog, with its arguments.
#[derive(Clone, Debug)]
pub struct SystemCall {
    /// The function.
    pub(crate) function: &'static SystemFunction,
    /// What it is given.
    pub arguments: Vec<Expr>,
}

/// A value that becomes one of a domain, with what the domain demands of it.
#[derive(Clone, PartialEq, Debug)]
pub struct DomainCheck {
    /// The value.
    pub value: Expr,
    /// The domain's name.
    pub name: String,
    /// Whether the value is an array, each element of which becomes one of the domain.
    pub each: bool,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// What must not be false, by name: over the value as the only column.
    pub checks: Vec<(String, Expr)>,
}

/// A call of a function that acts on the session or the database.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionCall {
    /// The function.
    pub function: SessionFunction,
    /// What it is given: NULL among them makes the result NULL.
    pub arguments: Vec<Expr>,
}

/// A function that acts on the session or the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionFunction {
    /// `nextval`.
    NextVal,
    /// `currval`.
    CurrVal,
    /// `lastval`.
    LastVal,
    /// `setval`.
    SetVal,
    /// A column of a sequence that is read as a table: `last_value`, `log_cnt`, `is_called`.
    SequenceState(usize),
    /// `pg_advisory_lock` and its kin.
    Lock {
        /// Exclusive or shared.
        mode: ObjectMode,
        /// Whether it is held until it is given back, not to the end of the transaction.
        session: bool,
        /// Whether it is waited for.
        wait: bool,
    },
    /// `pg_advisory_unlock` and `pg_advisory_unlock_shared`.
    Unlock(ObjectMode),
    /// `pg_advisory_unlock_all`.
    UnlockAll,
    /// `pg_sleep` and `pg_sleep_for`.
    Sleep,
    /// `pg_cancel_backend`.
    Cancel,
}

/// What a row knows of its columns.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RowColumns {
    /// Their names, if it is a row of a relation.
    pub names: Option<Arc<[Box<str>]>>,
    /// Which of them are `char(n)`, if one is.
    pub padded: Option<Arc<[bool]>>,
}

impl RowColumns {
    /// Columns of these types, without names.
    pub(crate) fn of_types<'a>(types: impl Iterator<Item = &'a Type>) -> RowColumns {
        let padded: Vec<bool> = types.map(Type::is_padded).collect();
        RowColumns {
            names: None,
            padded: padded.contains(&true).then(|| padded.into()),
        }
    }
}

/// `CASE`.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    /// Conditions and results.
    pub arms: Vec<(Expr, Expr)>,
    /// The result if no condition is true.
    pub otherwise: Expr,
}

/// What is asked of a value that may be a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowTest {
    /// Whether there is no row at all, whatever its columns are.
    Missing,
    /// `IS NOT NULL`: whether none of its columns is NULL.
    Complete,
}

/// Which of several values is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extreme {
    /// `GREATEST`.
    Greatest,
    /// `LEAST`.
    Least,
}

/// `ANY` or `ALL` over an array.
#[derive(Clone, Debug)]
pub struct AnyAll {
    /// Compares the left side with each element.
    pub operator: &'static Operator,
    /// The left side.
    pub left: Expr,
    /// The array.
    pub array: Expr,
    /// Whether all elements have to do.
    pub all: bool,
}

/// `array[...]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Subscript {
    /// The array.
    pub array: Expr,
    /// For each dimension the index, or the two ends of a slice.
    pub dimensions: Vec<SubscriptBounds>,
    /// What is to be there: then this is the whole array, with that in its place.
    pub assigned: Option<Expr>,
    /// Whether it is a `jsonb`, of which parts are only assigned.
    pub of_json: bool,
}

/// A subscript of one dimension.
#[derive(Clone, PartialEq, Debug)]
pub enum SubscriptBounds {
    /// `[i]`.
    Index(Expr),
    /// `[i:j]`; an end that is left out is the array's.
    Slice(Option<Expr>, Option<Expr>),
}

/// A comparison of two rows.
#[derive(Clone, Debug)]
pub struct RowCompare {
    /// What is asked.
    pub kind: RowComparison,
    /// `=` for each column.
    pub equal: Vec<&'static Operator>,
    /// `<` for each column.
    pub less: Vec<&'static Operator>,
    /// The left row.
    pub left: Vec<Expr>,
    /// The right row.
    pub right: Vec<Expr>,
}

/// How two rows are compared; that they are equal is that all their columns are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowComparison {
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}

/// A query in an expression. Columns in it that it does not make itself are those of outer rows.
#[derive(Clone, PartialEq, Debug)]
pub struct Subquery {
    /// What is asked of the query.
    pub kind: SubqueryKind,
    /// The query.
    pub plan: Plan,
    /// Its visible columns.
    pub columns: Vec<ColumnId>,
}

/// What an expression asks of a query.
#[derive(Clone, PartialEq, Debug)]
pub enum SubqueryKind {
    /// The value of its one row and column; NULL without a row.
    Scalar,
    /// Whether it has a row.
    Exists,
    /// The values of its one column.
    Array,
    /// Whether the test holds for any row: a condition over the query's columns and outer ones.
    Any(Box<Expr>),
    /// Whether the test holds for all rows.
    All(Box<Expr>),
}

impl Typed {
    /// An expression with its type.
    pub fn new(expr: Expr, of: Type) -> Typed {
        Typed {
            expr,
            of,
            place: None,
        }
    }

    /// The same, beginning at a place unless one is known.
    #[must_use]
    pub(crate) fn beginning(mut self, place: Option<Position>) -> Typed {
        self.place = self.place.or(place);
        self
    }

    /// A NULL or a literal in quotes that has no type yet.
    pub fn is_unknown(&self) -> bool {
        self.of == Type::UNKNOWN
    }
}

impl Expr {
    /// `true`.
    pub const TRUE: Expr = Expr::Constant(Value::Bool(true));

    /// The conditions that all have to hold.
    pub fn conjuncts(self) -> Vec<Expr> {
        match self {
            Expr::And(parts) => parts.into_iter().flat_map(Expr::conjuncts).collect(),
            other => vec![other],
        }
    }

    /// All of these; `true` if there is none.
    pub fn all(mut conditions: Vec<Expr>) -> Expr {
        match conditions.len() {
            0 => Expr::TRUE,
            1 => conditions.remove(0),
            _ => Expr::And(conditions),
        }
    }

    /// The expressions right below this one; those within a subquery are not among them, but what
    /// a subquery's test is made of is.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Constant(_)
            | Expr::Column(_)
            | Expr::Input(_)
            | Expr::Outer(_)
            | Expr::Parameter(_)
            | Expr::NextValue(_)
            | Expr::Run(_) => Vec::new(),
            Expr::Operator(call) | Expr::IsDistinct(call) | Expr::NullIf(call) => {
                call.left.iter().chain([&call.right]).collect()
            }
            Expr::Call(call) => call.arguments.iter().collect(),
            Expr::System(call) => call.arguments.iter().collect(),
            Expr::Domain(check) => vec![&check.value],
            Expr::Session(call) => call.arguments.iter().collect(),
            Expr::Cast(cast) => vec![&cast.1],
            Expr::And(items)
            | Expr::Or(items)
            | Expr::Coalesce(items)
            | Expr::Extreme(_, items, _)
            | Expr::Array(items, _)
            | Expr::Row(items, _) => items.iter().collect(),
            Expr::Not(inner)
            | Expr::IsNull(inner)
            | Expr::Is(inner, _)
            | Expr::RowTest(inner, _) => vec![inner],
            Expr::Case(case) => {
                let arms = case.arms.iter().flat_map(|(when, then)| [when, then]);
                arms.chain([&case.otherwise]).collect()
            }
            Expr::AnyAll(any) => vec![&any.left, &any.array],
            Expr::Subscript(subscript) => {
                let bounds = subscript.dimensions.iter().flat_map(SubscriptBounds::parts);
                let ends = [&subscript.array].into_iter().chain(bounds);
                ends.chain(&subscript.assigned).collect()
            }
            Expr::RowCompare(rows) => rows.left.iter().chain(&rows.right).collect(),
            Expr::Subquery(subquery) => subquery.kind.test().into_iter().collect(),
        }
    }

    /// As [`Expr::children`], to change them.
    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Expr::Constant(_)
            | Expr::Column(_)
            | Expr::Input(_)
            | Expr::Outer(_)
            | Expr::Parameter(_)
            | Expr::NextValue(_)
            | Expr::Run(_) => Vec::new(),
            Expr::Operator(call) | Expr::IsDistinct(call) | Expr::NullIf(call) => {
                call.left.iter_mut().chain([&mut call.right]).collect()
            }
            Expr::Call(call) => call.arguments.iter_mut().collect(),
            Expr::System(call) => call.arguments.iter_mut().collect(),
            Expr::Domain(check) => vec![&mut check.value],
            Expr::Session(call) => call.arguments.iter_mut().collect(),
            Expr::Cast(cast) => vec![&mut cast.1],
            Expr::And(items)
            | Expr::Or(items)
            | Expr::Coalesce(items)
            | Expr::Extreme(_, items, _)
            | Expr::Array(items, _)
            | Expr::Row(items, _) => items.iter_mut().collect(),
            Expr::Not(inner)
            | Expr::IsNull(inner)
            | Expr::Is(inner, _)
            | Expr::RowTest(inner, _) => vec![inner],
            Expr::Case(case) => {
                let arms = case.arms.iter_mut().flat_map(|(when, then)| [when, then]);
                arms.chain([&mut case.otherwise]).collect()
            }
            Expr::AnyAll(any) => vec![&mut any.left, &mut any.array],
            Expr::Subscript(subscript) => {
                let bounds = subscript.dimensions.iter_mut();
                let bounds = bounds.flat_map(SubscriptBounds::parts_mut);
                let ends = [&mut subscript.array].into_iter().chain(bounds);
                ends.chain(&mut subscript.assigned).collect()
            }
            Expr::RowCompare(rows) => rows.left.iter_mut().chain(&mut rows.right).collect(),
            Expr::Subquery(subquery) => subquery.kind.test_mut().into_iter().collect(),
        }
    }

    /// Whether it matters how often it is evaluated.
    pub fn is_volatile(&self) -> bool {
        let mut volatile = false;
        self.walk(&mut |part| {
            volatile |= match part {
                Expr::System(call) => call.function.is_volatile(),
                Expr::NextValue(_) | Expr::Session(_) => true,
                Expr::Call(call) => call.call.function().volatility == Volatility::Volatile,
                Expr::Subquery(subquery) => subquery.plan.is_volatile(),
                _ => false,
            }
        });
        volatile
    }

    /// Calls `visit` for this expression and all below it, subqueries' plans left out.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }
}

impl Expr {
    /// Replaces expressions from the top down, in the plans of subqueries too: where `replace`
    /// gives one, what is below stays.
    pub fn rewrite(&mut self, replace: &mut dyn FnMut(&Expr) -> Option<Expr>) {
        if let Some(new) = replace(self) {
            *self = new;
            return;
        }
        if let Expr::Subquery(subquery) = self {
            subquery.plan.rewrite(replace);
        }
        for child in self.children_mut() {
            child.rewrite(replace);
        }
    }
}

impl SubscriptBounds {
    fn parts(&self) -> Vec<&Expr> {
        match self {
            SubscriptBounds::Index(index) => vec![index],
            SubscriptBounds::Slice(lower, upper) => lower.iter().chain(upper).collect(),
        }
    }

    fn parts_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            SubscriptBounds::Index(index) => vec![index],
            SubscriptBounds::Slice(lower, upper) => lower.iter_mut().chain(upper).collect(),
        }
    }
}

impl SubqueryKind {
    pub(crate) fn test(&self) -> Option<&Expr> {
        match self {
            SubqueryKind::Any(test) | SubqueryKind::All(test) => Some(test),
            SubqueryKind::Scalar | SubqueryKind::Exists | SubqueryKind::Array => None,
        }
    }

    fn test_mut(&mut self) -> Option<&mut Expr> {
        match self {
            SubqueryKind::Any(test) | SubqueryKind::All(test) => Some(test),
            SubqueryKind::Scalar | SubqueryKind::Exists | SubqueryKind::Array => None,
        }
    }
}

impl PartialEq for OperatorCall {
    fn eq(&self, other: &OperatorCall) -> bool {
        std::ptr::eq(self.operator, other.operator)
            && self.left == other.left
            && self.right == other.right
    }
}

impl PartialEq for FunctionCall {
    fn eq(&self, other: &FunctionCall) -> bool {
        std::ptr::eq(self.call.function(), other.call.function())
            && self.call.types() == other.call.types()
            && self.arguments == other.arguments
    }
}

impl PartialEq for SystemCall {
    fn eq(&self, other: &SystemCall) -> bool {
        std::ptr::eq(self.function, other.function) && self.arguments == other.arguments
    }
}

impl PartialEq for AnyAll {
    fn eq(&self, other: &AnyAll) -> bool {
        std::ptr::eq(self.operator, other.operator)
            && self.all == other.all
            && self.left == other.left
            && self.array == other.array
    }
}

impl PartialEq for RowCompare {
    fn eq(&self, other: &RowCompare) -> bool {
        self.kind == other.kind && self.left == other.left && self.right == other.right
    }
}
