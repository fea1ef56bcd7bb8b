//! Descriptors to bytes and back.
//!
//! docs/format/catalog.md is the description. Decoding never panics, whatever the bytes are.

mod fields;
mod relation;
mod table;
mod types;

use std::sync::Arc;

use rustdb_types::{Element, Oid};

use crate::descriptor::Object;
use crate::error::{Error, Result};

pub(crate) use fields::{put_varint, take_varint};
pub(crate) use relation::{decode_database, encode_database};

/// What a stored object is: the first byte of its key. Loading goes through the kinds in this
/// order, so that types are there before the tables that use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The next number of an object.
    Counter = 1,
    /// A schema.
    Schema = 2,
    /// A type.
    Type = 3,
    /// A sequence.
    Sequence = 4,
    /// A table.
    Table = 5,
    /// A view.
    View = 6,
    /// The statistics of a table.
    Statistics = 7,
    /// Another database of the directory; in the catalog of the first one only.
    Database = 8,
    /// What is said about an object.
    Comments = 9,
}

impl Kind {
    const ALL: [Kind; 9] = [
        Kind::Counter,
        Kind::Schema,
        Kind::Type,
        Kind::Sequence,
        Kind::Table,
        Kind::View,
        Kind::Statistics,
        Kind::Database,
        Kind::Comments,
    ];

    /// The key of an object of this kind.
    pub(crate) fn key(self, oid: Oid) -> [u8; 5] {
        let [a, b, c, d] = oid.0.to_be_bytes();
        [self as u8, a, b, c, d]
    }

    /// Kind and number of a key.
    pub(crate) fn of_key(key: &[u8]) -> Result<(Kind, Oid)> {
        let (kind, oid) = key
            .split_first()
            .and_then(|(kind, oid)| Some((kind, oid.try_into().ok()?)))
            .ok_or_else(|| Error::corrupted("key of the catalog"))?;
        let known = Kind::ALL.into_iter().find(|each| *each as u8 == *kind);
        let kind = known.ok_or_else(|| {
            Error::corrupted(format_args!(
                "objects of kind {kind} are not known to this release"
            ))
        })?;
        Ok((kind, Oid(u32::from_be_bytes(oid))))
    }
}

/// The stored form of an object.
pub fn encode_object(object: &Object) -> Result<Vec<u8>> {
    match object {
        Object::Schema(schema) => Ok(relation::encode_schema(schema)),
        Object::Type(object) => relation::encode_type_object(object),
        Object::Sequence(sequence) => relation::encode_sequence(sequence),
        Object::Table(table) => table::encode(table),
        Object::View(view) => relation::encode_view(view),
        Object::Statistics(statistics) => relation::encode_statistics(statistics),
        Object::Comments(comments) => Ok(relation::encode_comments(comments)),
    }
}

/// Reads an object. `user_type` finds types that were created, or of arrays of them, by number.
pub fn decode_object(
    kind: Kind,
    oid: Oid,
    bytes: &[u8],
    user_type: &dyn Fn(Oid) -> Option<Element>,
) -> Result<Object> {
    let object = match kind {
        Kind::Counter => return Err(Error::corrupted("a counter is no object")),
        Kind::Database => return Err(Error::corrupted("a database is no object of itself")),
        Kind::Schema => Object::Schema(Arc::new(relation::decode_schema(oid, bytes)?)),
        Kind::Type => Object::Type(Arc::new(relation::decode_type_object(
            oid, bytes, user_type,
        )?)),
        Kind::Sequence => {
            Object::Sequence(Arc::new(relation::decode_sequence(oid, bytes, user_type)?))
        }
        Kind::Table => Object::Table(Arc::new(table::decode(oid, bytes, user_type)?)),
        Kind::View => Object::View(Arc::new(relation::decode_view(oid, bytes, user_type)?)),
        Kind::Comments => Object::Comments(Arc::new(relation::decode_comments(oid, bytes)?)),
        Kind::Statistics => Object::Statistics(Arc::new(relation::decode_statistics(
            oid, bytes, user_type,
        )?)),
    };
    Ok(object)
}
