//! Derives for structs that are rows of tables: `rustdb::FromRow`, `rustdb::ToRow` and
//! `rustdb::Schema`. Programs use them through the crate `rustdb`, which documents them.
//!
//! ```text
//! tokens ─▶ Struct (shape: fields, attributes)  ─▶ expand: an impl of the trait
//!                 └─ an error at the token that is wrong
//! ```
//!
//! What is derived calls the public interface of `rustdb` only. Whether a field's type can be a
//! column is the compiler's to say: the traits of `rustdb` word that.

#![forbid(unsafe_code)]

mod attributes;
mod expand;
mod shape;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;

use crate::shape::Struct;

/// Reads a row into a struct, by the names of the columns.
#[proc_macro_derive(FromRow, attributes(rustdb))]
pub fn derive_from_row(input: TokenStream) -> TokenStream {
    derived(input, "FromRow", expand::from_row)
}

/// Writes a struct as a row.
#[proc_macro_derive(ToRow, attributes(rustdb))]
pub fn derive_to_row(input: TokenStream) -> TokenStream {
    derived(input, "ToRow", expand::to_row)
}

/// Says which table a struct is a row of, and reads its fields by name.
#[proc_macro_derive(Schema, attributes(rustdb))]
pub fn derive_schema(input: TokenStream) -> TokenStream {
    derived(input, "Schema", expand::schema)
}

/// Reads fields by the names of their columns.
#[proc_macro_derive(FieldAccess, attributes(rustdb))]
pub fn derive_field_access(input: TokenStream) -> TokenStream {
    derived(input, "FieldAccess", expand::field_access)
}

/// What stands in the place of the derive: the impl, or the errors.
fn derived(
    input: TokenStream,
    name: &'static str,
    expand: impl FnOnce(&Struct) -> syn::Result<Tokens>,
) -> TokenStream {
    let parsed = syn::parse(input).and_then(|input| Struct::parse(name, input));
    parsed
        .and_then(|parsed| expand(&parsed))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
