//! Object identifiers of PostgreSQL's own types, which clients know by heart.
//!
//! The numbers are PostgreSQL 15's `pg_type`; a differential test compares them with a server.
//! `vector` has no fixed number there (it is an extension), so it has one here from the top of
//! the range that PostgreSQL reserves for itself and does not use.

/// The number of a type (or another object of the catalog).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Oid(pub u32);

impl std::fmt::Display for Oid {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

/// A row of `pg_type` for a type that is built in.
#[derive(Clone, Copy, Debug)]
pub struct TypeRow {
    /// The type's number.
    pub oid: Oid,
    /// `typname`.
    pub name: &'static str,
    /// What `format_type` prints.
    pub sql_name: &'static str,
    /// The type of arrays of it, or zero.
    pub array: Oid,
    /// `typlen`: bytes, -1 if they vary, -2 for a C string.
    pub length: i16,
    /// `typbyval`.
    pub by_value: bool,
    /// `typcategory`.
    pub category: Category,
    /// `typispreferred`: what its category converts to when in doubt.
    pub preferred: bool,
    /// `typalign`.
    pub align: char,
}

/// A type's category, the first thing that decides between overloads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Category {
    /// Arrays.
    Array = b'A',
    /// `boolean`.
    Boolean = b'B',
    /// Composite types.
    Composite = b'C',
    /// Dates and times.
    DateTime = b'D',
    /// Enums.
    Enum = b'E',
    /// Network addresses.
    Network = b'I',
    /// Numbers, and identifiers that are numbers.
    Numeric = b'N',
    /// Pseudo-types.
    Pseudo = b'P',
    /// Ranges.
    Range = b'R',
    /// Strings.
    String = b'S',
    /// Intervals.
    Timespan = b'T',
    /// Everything else.
    User = b'U',
    /// Bit strings.
    BitString = b'V',
    /// `unknown`.
    Unknown = b'X',
    /// Internal types.
    Internal = b'Z',
}

macro_rules! types {
    ($($constant:ident = $oid:literal, $name:literal, $sql:literal, $array:literal, $length:literal,
        $by_value:literal, $category:ident, $preferred:literal, $align:literal;)*) => {
        impl Oid {
            $(#[doc = concat!("`", $sql, "`.")] pub const $constant: Oid = Oid($oid);)*
        }

        /// The types that are built in, by number.
        pub static BUILT_IN: &[TypeRow] = &[$(TypeRow {
            oid: Oid($oid), name: $name, sql_name: $sql, array: Oid($array), length: $length,
            by_value: $by_value, category: Category::$category, preferred: $preferred, align: $align,
        },)*];
    };
}

types! {
    BOOL = 16, "bool", "boolean", 1000, 1, true, Boolean, true, 'c';
    BYTEA = 17, "bytea", "bytea", 1001, -1, false, User, false, 'i';
    CHAR = 18, "char", "\"char\"", 1002, 1, true, Internal, false, 'c';
    NAME = 19, "name", "name", 1003, 64, false, String, false, 'c';
    INT8 = 20, "int8", "bigint", 1016, 8, true, Numeric, false, 'd';
    INT2 = 21, "int2", "smallint", 1005, 2, true, Numeric, false, 's';
    INT2VECTOR = 22, "int2vector", "int2vector", 1006, -1, false, Array, false, 'i';
    INT4 = 23, "int4", "integer", 1007, 4, true, Numeric, false, 'i';
    REGPROC = 24, "regproc", "regproc", 1008, 4, true, Numeric, false, 'i';
    TEXT = 25, "text", "text", 1009, -1, false, String, true, 'i';
    OID = 26, "oid", "oid", 1028, 4, true, Numeric, true, 'i';
    XID = 28, "xid", "xid", 1011, 4, true, User, false, 'i';
    OIDVECTOR = 30, "oidvector", "oidvector", 1013, -1, false, Array, false, 'i';
    JSON = 114, "json", "json", 199, -1, false, User, false, 'i';
    PG_NODE_TREE = 194, "pg_node_tree", "pg_node_tree", 0, -1, false, Internal, false, 'i';
    FLOAT4 = 700, "float4", "real", 1021, 4, true, Numeric, false, 'i';
    FLOAT8 = 701, "float8", "double precision", 1022, 8, true, Numeric, true, 'd';
    UNKNOWN = 705, "unknown", "unknown", 0, -2, false, Unknown, false, 'c';
    BPCHAR = 1042, "bpchar", "character", 1014, -1, false, String, false, 'i';
    VARCHAR = 1043, "varchar", "character varying", 1015, -1, false, String, false, 'i';
    DATE = 1082, "date", "date", 1182, 4, true, DateTime, false, 'i';
    TIME = 1083, "time", "time without time zone", 1183, 8, true, DateTime, false, 'd';
    TIMESTAMP = 1114, "timestamp", "timestamp without time zone", 1115, 8, true, DateTime, false, 'd';
    TIMESTAMPTZ = 1184, "timestamptz", "timestamp with time zone", 1185, 8, true, DateTime, true, 'd';
    INTERVAL = 1186, "interval", "interval", 1187, 16, false, Timespan, true, 'd';
    NUMERIC = 1700, "numeric", "numeric", 1231, -1, false, Numeric, false, 'i';
    REFCURSOR = 1790, "refcursor", "refcursor", 2201, -1, false, User, false, 'i';
    REGPROCEDURE = 2202, "regprocedure", "regprocedure", 2207, 4, true, Numeric, false, 'i';
    REGOPER = 2203, "regoper", "regoper", 2208, 4, true, Numeric, false, 'i';
    REGOPERATOR = 2204, "regoperator", "regoperator", 2209, 4, true, Numeric, false, 'i';
    REGCLASS = 2205, "regclass", "regclass", 2210, 4, true, Numeric, false, 'i';
    REGTYPE = 2206, "regtype", "regtype", 2211, 4, true, Numeric, false, 'i';
    RECORD = 2249, "record", "record", 2287, -1, false, Pseudo, false, 'd';
    CSTRING = 2275, "cstring", "cstring", 1263, -2, false, Pseudo, false, 'c';
    ANY = 2276, "any", "\"any\"", 0, 4, true, Pseudo, false, 'i';
    ANYARRAY = 2277, "anyarray", "anyarray", 0, -1, false, Pseudo, false, 'd';
    VOID = 2278, "void", "void", 0, 4, true, Pseudo, false, 'i';
    ANYELEMENT = 2283, "anyelement", "anyelement", 0, 4, true, Pseudo, false, 'i';
    ANYNONARRAY = 2776, "anynonarray", "anynonarray", 0, 4, true, Pseudo, false, 'i';
    UUID = 2950, "uuid", "uuid", 2951, 16, false, User, false, 'c';
    ANYENUM = 3500, "anyenum", "anyenum", 0, 4, true, Pseudo, false, 'i';
    JSONB = 3802, "jsonb", "jsonb", 3807, -1, false, User, false, 'i';
    REGNAMESPACE = 4089, "regnamespace", "regnamespace", 4090, 4, true, Numeric, false, 'i';
    REGROLE = 4096, "regrole", "regrole", 4097, 4, true, Numeric, false, 'i';
    ANYCOMPATIBLE = 5077, "anycompatible", "anycompatible", 0, 4, true, Pseudo, false, 'i';
    ANYCOMPATIBLEARRAY = 5078, "anycompatiblearray", "anycompatiblearray", 0, -1, false, Pseudo, false, 'd';
    ANYCOMPATIBLENONARRAY = 5079, "anycompatiblenonarray", "anycompatiblenonarray", 0, 4, true, Pseudo, false, 'i';
    VECTOR = 9990, "vector", "vector", 9991, -1, false, User, false, 'i';
}

impl Oid {
    /// The row of a built-in type, or `None` for arrays and types that users made.
    pub fn built_in(self) -> Option<&'static TypeRow> {
        let found = BUILT_IN.binary_search_by_key(&self, |row| row.oid).ok()?;
        BUILT_IN.get(found)
    }

    /// The element's row, if this is an array of a built-in type.
    pub fn array_element(self) -> Option<&'static TypeRow> {
        BUILT_IN
            .iter()
            .find(|row| row.array == self && self != Oid(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_distinct() {
        assert!(BUILT_IN.windows(2).all(|pair| pair[0].oid < pair[1].oid));
    }

    #[test]
    fn arrays_lead_back_to_their_elements() {
        assert_eq!(Oid(1007).array_element().unwrap().oid, Oid::INT4);
        assert!(Oid(0).array_element().is_none());
        assert!(Oid::INT4.array_element().is_none());
    }
}
