//! Frames of windows: what their bounds mean, and what RANGE measures.

use rustdb_types::{Base, Cast, CastContext, Modifier, Type, operators_named};
use sqlparser::ast;

use super::Binder;
use super::expression::Place;
use super::scope::Scope;
use super::window::Written;
use crate::error::{Error, Result, SqlState};
use crate::expr::{Expr, Typed};
use crate::plan::{Frame, FrameBound, FrameUnits, OrderItem, RangeKey, free_columns_of};

impl Binder<'_> {
    /// The frame that is written, or else the one that SQL means.
    pub(super) fn frame(
        &mut self,
        written: &Written,
        order: &[OrderItem],
        types: &[Type],
        scope: &Scope<'_>,
    ) -> Result<Frame> {
        let mut frame = Frame {
            units: FrameUnits::Range,
            start: FrameBound::UnboundedPreceding,
            end: FrameBound::CurrentRow,
            exclude: written.exclude,
            range: None,
        };
        let Some(written) = &written.frame else {
            return Ok(frame);
        };
        frame.units = match written.units {
            ast::WindowFrameUnits::Rows => FrameUnits::Rows,
            ast::WindowFrameUnits::Range => FrameUnits::Range,
            ast::WindowFrameUnits::Groups => FrameUnits::Groups,
        };
        check_bounds(&written.start_bound, written.end_bound.as_ref())?;
        if frame.units == FrameUnits::Groups && order.is_empty() {
            let message = "GROUPS mode requires an ORDER BY clause";
            return Err(Error::new(SqlState::WINDOWING_ERROR, message));
        }
        let ends = [Some(&written.start_bound), written.end_bound.as_ref()];
        let measures = ends.into_iter().flatten().any(|bound| {
            use ast::WindowFrameBound as B;
            matches!(bound, B::Preceding(Some(_)) | B::Following(Some(_)))
        });
        if frame.units == FrameUnits::Range && measures {
            let ([item], [of]) = (order, types) else {
                let message =
                    "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column";
                return Err(Error::new(SqlState::WINDOWING_ERROR, message));
            };
            frame.range = Some(self.range_key(item, of)?);
        }
        frame.start = self.bound(&written.start_bound, true, &frame, types, scope)?;
        if let Some(end) = &written.end_bound {
            frame.end = self.bound(end, false, &frame, types, scope)?;
        }
        Ok(frame)
    }

    fn bound(
        &mut self,
        written: &ast::WindowFrameBound,
        is_start: bool,
        frame: &Frame,
        types: &[Type],
        scope: &Scope<'_>,
    ) -> Result<FrameBound> {
        use ast::WindowFrameBound as B;
        let bound = match (written, is_start) {
            (B::CurrentRow, _) => FrameBound::CurrentRow,
            (B::Preceding(None), _) => FrameBound::UnboundedPreceding,
            (B::Following(None), _) => FrameBound::UnboundedFollowing,
            (B::Preceding(Some(offset)), _) => {
                FrameBound::Preceding(self.frame_offset(offset, frame, types, scope)?)
            }
            (B::Following(Some(offset)), _) => {
                FrameBound::Following(self.frame_offset(offset, frame, types, scope)?)
            }
        };
        Ok(bound)
    }

    /// A distance: a number of rows or groups, or what fits the type of ORDER BY.
    fn frame_offset(
        &mut self,
        written: &ast::Expr,
        frame: &Frame,
        types: &[Type],
        scope: &Scope<'_>,
    ) -> Result<Expr> {
        let word = match frame.units {
            FrameUnits::Rows => "ROWS",
            FrameUnits::Range => "RANGE",
            FrameUnits::Groups => "GROUPS",
        };
        let clause = match frame.units {
            FrameUnits::Rows => "window ROWS",
            FrameUnits::Range => "window RANGE",
            FrameUnits::Groups => "window GROUPS",
        };
        let mut at = Place::new(scope, clause);
        at.no_windows = Some("window functions are not allowed in window definitions");
        let typed = self.expression(written, &mut at)?;
        let expr = match (frame.units, types) {
            (FrameUnits::Range, [of]) => self.range_offset(typed, of)?,
            _ => self.coerce_to_int8(typed, word)?,
        };
        let own = scope.from.relations.iter();
        let mut own = own.flat_map(|relation| relation.columns.iter().map(|column| column.id));
        let used = free_columns_of(&expr);
        if own.any(|column| used.contains(&column)) {
            let message = format!("argument of {word} must not contain variables");
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
        }
        Ok(expr)
    }

    /// What a distance is added to: dates count as timestamps.
    fn range_key(&mut self, item: &OrderItem, of: &Type) -> Result<RangeKey> {
        let typed = Typed::new(item.expr.clone(), of.clone());
        let sum = match of.base() {
            Some(Base::Date) => Type::TIMESTAMP,
            _ => of.clone(),
        };
        let with_operators = matches!(
            sum.base(),
            Some(Base::Timestamp | Base::Timestamptz | Base::Interval)
        );
        let operator = |name: &str| {
            operators_named(name).find(|operator| {
                let parameters = operator.parameters();
                let types: Vec<_> = parameters.iter().map(|one| one.concrete()).collect();
                let mut wanted = [sum.base(), Some(Base::Interval)].into_iter();
                types.len() == 2
                    && types
                        .iter()
                        .all(|one| one.is_some_and(|one| one.base() == wanted.next().flatten()))
            })
        };
        let operators = match with_operators {
            true => operator("+").zip(operator("-")),
            false => None,
        };
        let value = self
            .coerce(
                typed,
                &sum.with_modifier(Modifier::NONE),
                CastContext::Implicit,
            )?
            .ok_or_else(|| Error::internal("a date is no timestamp"))?;
        Ok(RangeKey { value, operators })
    }

    fn range_offset(&mut self, offset: Typed, of: &Type) -> Result<Expr> {
        let candidates: &[Type] = match of.base() {
            Some(Base::Int2 | Base::Int4) => &[Type::INT8, Type::INT4, Type::INT2],
            Some(Base::Int8) => &[Type::INT8],
            Some(Base::Float4 | Base::Float8) => &[Type::FLOAT8],
            Some(Base::Numeric) => &[Type::NUMERIC],
            Some(
                Base::Date | Base::Time | Base::Timestamp | Base::Timestamptz | Base::Interval,
            ) => &[Type::INTERVAL],
            _ => &[],
        };
        let refuse = |words: String| {
            let message = format!("RANGE with offset PRECEDING/FOLLOWING {words}");
            Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message))
        };
        let plain = of.with_modifier(Modifier::NONE);
        if candidates.is_empty() {
            return refuse(format!("is not supported for column type {}", plain.name()));
        }
        let actual = offset.of.clone();
        let preferred = if offset.is_unknown() { &plain } else { &actual };
        let chosen = match candidates.iter().find(|of| *of == preferred) {
            Some(chosen) => chosen,
            None => {
                let mut fitting = candidates.iter().filter(|target| {
                    offset.is_unknown()
                        || Cast::find(&actual, target, CastContext::Implicit).is_some()
                });
                let both = format!(
                    "for column type {} and offset type {}",
                    plain.name(),
                    actual.name()
                );
                match (fitting.next(), fitting.next()) {
                    (Some(only), None) => only,
                    (None, _) => {
                        return refuse(format!("is not supported {both}")).map_err(|error| {
                            error.with_hint("Cast the offset value to an appropriate type.")
                        });
                    }
                    (Some(_), Some(_)) => {
                        return refuse(format!("has multiple interpretations {both}")).map_err(
                            |error| {
                                error.with_hint("Cast the offset value to the exact intended type.")
                            },
                        );
                    }
                }
            }
        };
        self.coerce_argument(offset, chosen)
    }
}

fn check_bounds(start: &ast::WindowFrameBound, end: Option<&ast::WindowFrameBound>) -> Result<()> {
    use ast::WindowFrameBound as B;
    let message = match (start, end) {
        (B::Following(None), _) => "frame start cannot be UNBOUNDED FOLLOWING",
        (B::Following(Some(_)), None) => {
            "frame starting from following row cannot end with current row"
        }
        (_, Some(B::Preceding(None))) => "frame end cannot be UNBOUNDED PRECEDING",
        (B::CurrentRow, Some(B::Preceding(Some(_)))) => {
            "frame starting from current row cannot have preceding rows"
        }
        (B::Following(_), Some(B::Preceding(Some(_)) | B::CurrentRow)) => {
            "frame starting from following row cannot have preceding rows"
        }
        _ => return Ok(()),
    };
    Err(Error::new(SqlState::WINDOWING_ERROR, message))
}
