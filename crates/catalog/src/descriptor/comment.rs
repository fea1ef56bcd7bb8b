//! COMMENT ON.

use std::collections::BTreeMap;

use rustdb_types::Oid;

/// What is said about an object and its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comments {
    /// The object; also an index or a constraint of a table, or one of a domain.
    pub object: Oid,
    /// The texts: of the object itself by 0, of columns by their numbers.
    pub texts: BTreeMap<u32, String>,
    /// Whether the object is gone with its session.
    pub temporary: bool,
}
