//! What `#[rustdb(...)]` says: of a struct, and of a field.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, LitStr, Path, Result};

/// What is said of a struct.
#[derive(Default)]
pub(crate) struct OfStruct {
    /// `table = "name"`.
    pub(crate) table: Option<LitStr>,
    /// `crate = "path"`: where `rustdb` is, if a program calls it otherwise.
    pub(crate) home: Option<Path>,
}

/// What is said of a field.
#[derive(Default)]
pub(crate) struct OfField {
    /// `rename = "column"`.
    pub(crate) rename: Option<LitStr>,
    /// `skip`: the field is no column.
    pub(crate) is_skipped: bool,
    /// `default`: the column may be absent.
    pub(crate) has_default: bool,
    /// `read_only`: the column is read and never written.
    pub(crate) is_read_only: bool,
    /// `flatten`: the field's own fields are columns.
    pub(crate) is_flattened: bool,
}

impl OfStruct {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<OfStruct> {
        let mut said = OfStruct::default();
        each(attributes, |meta| {
            if meta.path.is_ident("table") {
                return once(&mut said.table, &meta, text(&meta)?);
            }
            if meta.path.is_ident("crate") {
                let path = text(&meta)?.parse()?;
                return once(&mut said.home, &meta, path);
            }
            Err(unknown(
                &meta,
                "of a struct",
                "`table = \"...\"`, `crate = \"...\"`",
            ))
        })?;
        Ok(said)
    }
}

impl OfField {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<OfField> {
        let mut said = OfField::default();
        each(attributes, |meta| {
            if meta.path.is_ident("rename") {
                let name = text(&meta)?;
                if name.value().is_empty() {
                    return Err(syn::Error::new(name.span(), "a column has a name"));
                }
                return once(&mut said.rename, &meta, name);
            }
            let flag = match () {
                () if meta.path.is_ident("skip") => &mut said.is_skipped,
                () if meta.path.is_ident("default") => &mut said.has_default,
                () if meta.path.is_ident("read_only") => &mut said.is_read_only,
                () if meta.path.is_ident("flatten") => &mut said.is_flattened,
                () => {
                    let known = "`rename = \"...\"`, `skip`, `default`, `read_only`, `flatten`";
                    return Err(unknown(&meta, "of a field", known));
                }
            };
            if std::mem::replace(flag, true) {
                return Err(meta.error("this is said twice"));
            }
            Ok(())
        })?;
        Ok(said)
    }
}

/// Looks at each word in the brackets of `#[rustdb(...)]`.
fn each(
    attributes: &[Attribute],
    mut look: impl FnMut(ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    let ours = attributes.iter();
    for attribute in ours.filter(|attribute| attribute.path().is_ident("rustdb")) {
        attribute.parse_nested_meta(&mut look)?;
    }
    Ok(())
}

fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    meta.value()?.parse()
}

fn once<T>(place: &mut Option<T>, meta: &ParseNestedMeta<'_>, said: T) -> Result<()> {
    match place.replace(said) {
        None => Ok(()),
        Some(_) => Err(meta.error("this is said twice")),
    }
}

fn unknown(meta: &ParseNestedMeta<'_>, of: &str, known: &str) -> syn::Error {
    meta.error(format!("unknown attribute {of}; there are {known}"))
}
