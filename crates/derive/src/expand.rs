//! The impls.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Generics, Result};

use crate::shape::{Column, Struct};

/// `impl FromRow`.
pub(crate) fn from_row(of: &Struct) -> Result<TokenStream> {
    let home = &of.home;
    let mut place = 0_usize;
    let fields = of.columns.iter().map(|column| {
        let (member, name) = (&column.member, &column.name);
        if column.said.is_skipped {
            return quote!(#member: ::core::default::Default::default());
        }
        if column.said.is_flattened {
            return quote!(#member: #home::sql::FromRow::from_row(row)?);
        }
        let at = Literal::usize_unsuffixed(place);
        place += 1;
        // What is wrong with a field's type is told at the field.
        let (of_field, span) = (&column.of, column.of.span().resolved_at(Span::call_site()));
        let read = match (of.is_tuple, column.said.has_default) {
            (true, _) => quote_spanned!(span=> row.get_at::<#of_field>(#at)?),
            (false, false) => quote_spanned!(span=> row.field::<#of_field>(#name, #at)?),
            (false, true) => quote_spanned!(span=> row.field_or_default::<#of_field>(#name)?),
        };
        quote!(#member: #read)
    });
    let body = quote!(::core::result::Result::Ok(Self { #(#fields),* }));
    let body = match of.is_tuple {
        false => body,
        true => {
            let width = of.stored().count();
            let name = of.name.to_string();
            quote!(row.check_width(#width, #name)?; #body)
        }
    };
    let generics = bounded(of, |column| {
        let of = &column.of;
        match (column.said.is_skipped, column.said.is_flattened) {
            (true, _) => quote!(#of: ::core::default::Default),
            (_, true) => quote!(#of: #home::sql::FromRow),
            _ if column.said.has_default => {
                quote!(#of: #home::sql::FromValue + ::core::default::Default)
            }
            _ => quote!(#of: #home::sql::FromValue),
        }
    })?;
    let head = head(of, &generics, quote!(#home::sql::FromRow));
    Ok(quote! {
        #head {
            fn from_row(row: &#home::sql::Row) -> #home::Result<Self> {
                #body
            }
        }
    })
}

/// `impl ToRow`.
pub(crate) fn to_row(of: &Struct) -> Result<TokenStream> {
    let home = &of.home;
    let written: Vec<&Column> = of.stored().filter(|it| !it.said.is_read_only).collect();
    if written.is_empty() {
        let message = "there is no column left to write";
        return Err(Error::new(of.name.span(), message));
    }
    if of.is_tuple && written.len() < of.stored().count() {
        let message = "the columns of a tuple have no names, so that all are written";
        return Err(Error::new(of.name.span(), message));
    }
    let names = written.iter().map(|column| {
        let (name, of) = (&column.name, &column.of);
        match column.said.is_flattened {
            true => quote!(columns.extend(<#of as #home::sql::ToRow>::columns());),
            false => quote!(columns.push(#name);),
        }
    });
    let names = match of.is_tuple {
        true => quote!(::std::vec::Vec::new()),
        false => quote! {{
            let mut columns = ::std::vec::Vec::new();
            #(#names)*
            columns
        }},
    };
    let values = written.iter().map(|column| {
        let member = &column.member;
        match column.said.is_flattened {
            true => quote!(#home::sql::ToRow::to_row(&self.#member, values);),
            false => quote! {
                values.push(::core::convert::Into::into(::core::clone::Clone::clone(&self.#member)));
            },
        }
    });
    let generics = bounded(of, |column| {
        let of = &column.of;
        match (
            column.said.is_skipped || column.said.is_read_only,
            column.said.is_flattened,
        ) {
            (true, _) => quote!(),
            (_, true) => quote!(#of: #home::sql::ToRow),
            _ => quote! {
                #of: ::core::convert::Into<#home::sql::Value> + ::core::clone::Clone
            },
        }
    })?;
    let head = head(of, &generics, quote!(#home::sql::ToRow));
    Ok(quote! {
        #head {
            fn columns() -> ::std::vec::Vec<&'static str> {
                #names
            }

            fn to_row(&self, values: &mut ::std::vec::Vec<#home::sql::Value>) {
                #(#values)*
            }
        }
    })
}

/// `impl Schema` and `impl FieldAccess`.
pub(crate) fn schema(of: &Struct) -> Result<TokenStream> {
    let home = &of.home;
    let table = match &of.table {
        Some(table) if table.is_empty() => {
            return Err(Error::new(of.name.span(), "a table has a name"));
        }
        Some(table) => table,
        None => {
            let message = "which table is it? Say `#[rustdb(table = \"...\")]`";
            return Err(Error::new(of.name.span(), message));
        }
    };
    let fields = field_access(of)?;
    let head = head(of, &fields_bounded(of)?, quote!(#home::sql::Schema));
    Ok(quote! {
        #head {
            const TABLE: &'static str = #table;
        }

        #fields
    })
}

/// `impl FieldAccess`.
pub(crate) fn field_access(of: &Struct) -> Result<TokenStream> {
    let home = &of.home;
    if of.is_tuple {
        let message = "the columns of a tuple have no names; name the fields";
        return Err(Error::new(of.name.span(), message));
    }
    let names = of.stored().map(|column| {
        let (name, of) = (&column.name, &column.of);
        match column.said.is_flattened {
            true => quote!(names.extend(<#of as #home::sql::FieldAccess>::fields());),
            false => quote!(names.push(#name);),
        }
    });
    let fields = of.stored().map(|column| {
        let (name, member) = (&column.name, &column.member);
        match column.said.is_flattened {
            true => quote! {
                let within = #home::sql::FieldAccess::field(&self.#member, name);
                if within.is_some() {
                    return within;
                }
            },
            false => quote! {
                if name == #name {
                    return ::core::option::Option::Some(::core::convert::Into::into(
                        ::core::clone::Clone::clone(&self.#member),
                    ));
                }
            },
        }
    });
    let head = head(of, &fields_bounded(of)?, quote!(#home::sql::FieldAccess));
    Ok(quote! {
        #head {
            fn fields() -> ::std::vec::Vec<&'static str> {
                let mut names = ::std::vec::Vec::new();
                #(#names)*
                names
            }

            fn field(&self, name: &str) -> ::core::option::Option<#home::sql::Value> {
                #(#fields)*
                ::core::option::Option::None
            }
        }
    })
}

fn fields_bounded(of: &Struct) -> Result<Generics> {
    let home = &of.home;
    bounded(of, |column| {
        let of = &column.of;
        match (column.said.is_skipped, column.said.is_flattened) {
            (true, _) => quote!(),
            (_, true) => quote!(#of: #home::sql::FieldAccess),
            _ => quote! {
                #of: ::core::convert::Into<#home::sql::Value> + ::core::clone::Clone
            },
        }
    })
}

fn head(of: &Struct, generics: &Generics, interface: TokenStream) -> TokenStream {
    let name = &of.name;
    let (parameters, arguments, conditions) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #parameters #interface for #name #arguments #conditions
    }
}

/// The struct's parameters, and what they have to be for its fields to be columns.
fn bounded(of: &Struct, bound: impl Fn(&Column) -> TokenStream) -> Result<Generics> {
    let mut generics = of.generics.clone();
    if of.is_generic() {
        let conditions = generics.make_where_clause();
        for column in &of.columns {
            let bound = bound(column);
            if !bound.is_empty() {
                conditions.predicates.push(syn::parse2(bound)?);
            }
        }
    }
    Ok(generics)
}
