//! Files of databases that the engine wrote: those that the storage crate keeps for ever.

/// A file of a database.
pub(crate) struct Fixture {
    pub(crate) database: &'static str,
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
}

macro_rules! fixtures {
    ($($database:literal: $($name:literal)*;)*) => {
        &[$($(Fixture {
            database: $database,
            name: $name,
            bytes: include_bytes!(concat!(
                "../../crates/storage/tests/fixtures/v1/", $database, "/", $name
            )),
        },)*)*]
    };
}

/// All files, database by database.
pub(crate) const FIXTURES: &[Fixture] = fixtures! {
    "plain": "000004.sst" "000005.sst" "000006.wal" "000007.sst" "CURRENT" "MANIFEST-000001";
    "large-values": "000002.val" "000005.sst" "000006.sst" "000007.wal" "000008.sst" "CURRENT"
        "MANIFEST-000001";
    "encrypted": "000002.val" "000005.sst" "000006.sst" "000007.wal" "000008.sst" "CURRENT"
        "KEYRING" "MANIFEST-000001";
};

/// The byte that the key of the encrypted database consists of.
pub(crate) const KEY_BYTE: u8 = 7;

/// The files of one database.
pub(crate) fn database(name: &str) -> impl Iterator<Item = &'static Fixture> {
    FIXTURES.iter().filter(move |file| file.database == name)
}

/// The files of plain databases whose names end so.
pub(crate) fn plain(end: &str) -> impl Iterator<Item = &'static [u8]> {
    FIXTURES
        .iter()
        .filter(move |file| file.database != "encrypted" && file.name.contains(end))
        .map(|file| file.bytes)
}
