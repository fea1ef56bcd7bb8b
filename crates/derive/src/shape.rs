//! The struct that a derive is for: its fields as columns.

use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, Generics, Ident, Member, Path, Result, Type};

use crate::attributes::{OfField, OfStruct};

/// A struct, as the derives see it.
pub(crate) struct Struct {
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    /// The crate `rustdb`.
    pub(crate) home: Path,
    /// The table, if one is named.
    pub(crate) table: Option<String>,
    pub(crate) columns: Vec<Column>,
    /// Whether columns have places and no names, as in a tuple.
    pub(crate) is_tuple: bool,
}

/// A field.
pub(crate) struct Column {
    pub(crate) member: Member,
    /// The name of its column; without meaning in a tuple.
    pub(crate) name: String,
    pub(crate) of: Type,
    pub(crate) said: OfField,
}

impl Struct {
    /// Checks that `derive` can be derived for this.
    pub(crate) fn parse(derive: &str, input: DeriveInput) -> Result<Struct> {
        let refused = |what: &str| {
            let name = &input.ident;
            let message = format!("`{derive}` is for structs; `{name}` is {what}");
            Err(Error::new(name.span(), message))
        };
        let fields = match &input.data {
            Data::Struct(data) => &data.fields,
            Data::Enum(_) => return refused("an enum"),
            Data::Union(_) => return refused("a union"),
        };
        if fields.is_empty() {
            return refused("one without fields, and a row has columns");
        }
        let said = OfStruct::parse(&input.attrs)?;
        let is_tuple = matches!(fields, Fields::Unnamed(_));
        let columns = fields.iter().enumerate();
        let columns = columns.map(|(place, field)| Column::parse(place, field, is_tuple));
        let columns: Vec<Column> = columns.collect::<Result<_>>()?;
        if !is_tuple {
            names_differ(&columns)?;
        }
        Ok(Struct {
            home: match said.home {
                Some(path) => path,
                None => syn::parse_str("::rustdb")?,
            },
            table: said.table.map(|table| table.value()),
            name: input.ident,
            generics: input.generics,
            columns,
            is_tuple,
        })
    }

    /// The fields that are columns, or hold columns.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.said.is_skipped)
    }

    /// Whether a field's type is to be asked for what it can do: it is not known before the
    /// struct's own parameters are.
    pub(crate) fn is_generic(&self) -> bool {
        self.generics.type_params().next().is_some()
    }
}

impl Column {
    fn parse(place: usize, field: &Field, is_tuple: bool) -> Result<Column> {
        let said = OfField::parse(&field.attrs)?;
        let wrong = |message: &str| Err(Error::new(field.span(), message));
        if said.is_skipped && (said.rename.is_some() || said.has_default || said.is_read_only) {
            return wrong("a field with `skip` is no column, and nothing else can be said of it");
        }
        if said.is_flattened && (said.is_skipped || said.rename.is_some() || said.has_default) {
            return wrong("a field with `flatten` is several columns: say the rest of them there");
        }
        let needs_names = said.rename.is_some() || said.is_flattened || said.has_default;
        if is_tuple && needs_names {
            return wrong("the columns of a tuple have places and no names; name the fields");
        }
        let name = match (&said.rename, &field.ident) {
            (Some(name), _) => name.value(),
            (None, Some(name)) => name.unraw().to_string(),
            (None, None) => String::new(),
        };
        Ok(Column {
            member: match &field.ident {
                Some(name) => Member::Named(name.clone()),
                None => Member::Unnamed(place.into()),
            },
            name,
            of: field.ty.clone(),
            said,
        })
    }
}

/// A column has one field.
fn names_differ(columns: &[Column]) -> Result<()> {
    let is_column = |column: &&Column| !column.said.is_skipped && !column.said.is_flattened;
    for (place, column) in columns.iter().enumerate() {
        let mut before = columns[..place].iter().filter(is_column);
        if is_column(&column) && before.any(|other| other.name == column.name) {
            let message = format!("another field has the column `{}`", column.name);
            return Err(Error::new(column.member.span(), message));
        }
    }
    Ok(())
}
