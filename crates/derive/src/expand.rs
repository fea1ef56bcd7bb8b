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
