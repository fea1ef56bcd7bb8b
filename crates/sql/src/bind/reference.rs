//! Where the text of a query names relations, so that a stored text can go on naming them when they
//! are renamed or moved.

use rustdb_types::Oid;
use sqlparser::ast;
use sqlparser::tokenizer::{Location, Span};

use super::Binder;
use crate::error::{Error, Result};

/// A relation that a query names in FROM.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    /// Which one.
    pub(crate) object: Oid,
    /// What the query calls it besides.
    pub(crate) alias: Alias,
    /// Where its name begins and ends.
    span: Span,
}

/// What a query calls a relation besides its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alias {
    /// Nothing.
    None,
    /// A name.
    Name,
    /// A name, and names for so many columns.
    Columns(usize),
}

impl Binder<'_> {
    /// Notes where relations are named, and finds what has no schema where stored texts find it.
    pub(crate) fn noting_references(mut self) -> Self {
        self.references = Some(Vec::new());
        self
    }

    /// As [`Binder::noting_references`], and what has no schema is found where stored texts find it.
    pub(crate) fn reading_stored(mut self) -> Self {
        self.is_stored = true;
        self.noting_references()
    }

    /// Where relations are named; none if one of them is named where it cannot be noted.
    pub(crate) fn references(&self) -> Option<Vec<Reference>> {
        let noted = self.references.clone()?;
        (noted.len() == self.named.len()).then_some(noted)
    }

    /// Notes where a relation is named, if it was the first to be named since `before`.
    pub(super) fn note_reference(
        &mut self,
        before: usize,
        name: &ast::ObjectName,
        alias: Option<&ast::TableAlias>,
    ) {
        let (Some(references), Some(object)) = (&mut self.references, self.named.get(before))
        else {
            return;
        };
        let parts = name.0.iter().filter_map(|part| part.as_ident());
        let span = Span::union_iter(parts.map(|part| part.span));
        references.push(Reference {
            object: *object,
            span,
            alias: match alias {
                None => Alias::None,
                Some(alias) if alias.columns.is_empty() => Alias::Name,
                Some(alias) => Alias::Columns(alias.columns.len()),
            },
        });
    }
}

impl Binder<'_> {
    /// Notes where a created type is named.
    pub(super) fn note_type(&self, name: &ast::ObjectName, object: Oid) {
        // What a view says is another text.
        if self.references.is_none() || self.views_around > 0 {
            return;
        }
        let parts = name.0.iter().filter_map(|part| part.as_ident());
        let reference = Reference {
            object,
            span: Span::union_iter(parts.map(|part| part.span)),
            alias: Alias::None,
        };
        let mut types = self.named_types.borrow_mut();
        // What is bound twice is named once.
        if types.iter().all(|other| other.span != reference.span) {
            types.push(reference);
        }
    }

    /// Where a created type is named.
    pub(crate) fn references_to_type(&self, object: Oid) -> Vec<Reference> {
        let types = self.named_types.borrow();
        let found = types.iter().filter(|reference| reference.object == object);
        found.cloned().collect()
    }
}

/// A text with other words in place of some names.
pub(crate) fn respelled(text: &str, changes: &[(&Reference, String)]) -> Result<String> {
    let mut places = Vec::with_capacity(changes.len());
    for (reference, words) in changes {
        let begin = offset(text, reference.span.start)?;
        let end = offset(text, reference.span.end)?;
        if begin >= end {
            return Err(lost());
        }
        places.push((begin, end, words));
    }
    places.sort_unstable();
    let mut out = text.to_owned();
    for (begin, end, words) in places.into_iter().rev() {
        out.replace_range(begin..end, words);
    }
    Ok(out)
}

/// The byte at a place, which counts letters.
fn offset(text: &str, at: Location) -> Result<usize> {
    let mut start = 0;
    for _ in 1..at.line {
        start += text[start..].find('\n').ok_or_else(lost)? + 1;
    }
    let column = at.column.checked_sub(1).ok_or_else(lost)? as usize;
    let line = text[start..].char_indices().map(|(at, _)| start + at);
    let mut ends = line.chain([text.len()]);
    ends.nth(column).ok_or_else(lost)
}

fn lost() -> Error {
    Error::internal("a name is not where it was noted")
}
