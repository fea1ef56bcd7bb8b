//! Values of a child's columns as values of its parent's, and back.

use rustdb_types::{Cast, CastContext, Settings, Type, Value};

/// The value of type `to` that equals this one of type `from`; none if there is none.
pub(super) fn converted(
    value: &Value,
    from: &Type,
    to: &Type,
    settings: &Settings,
) -> Option<Value> {
    let (from, to) = (from.without_domains(), to.without_domains());
    if from.element == to.element && from.array == to.array {
        return Some(value.clone());
    }
    let there = Cast::find(&from, &to, CastContext::Explicit)?;
    let back = Cast::find(&to, &from, CastContext::Explicit)?;
    let converted = there.apply(value, settings).ok()?;
    // What is rounded on the way is not equal.
    let returned = back.apply(&converted, settings).ok()?;
    (returned == *value).then_some(converted)
}
