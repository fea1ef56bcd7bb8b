//! Lock modes and which of them exclude each other: PostgreSQL's two tables.
//!
//! A set of modes is a bit mask, bit `n` being mode number `n`, so that "does this request fit
//! beside those holders" is one AND.

/// How a row is locked. Each mode excludes all that the weaker ones exclude.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RowMode {
    /// The row must not go. Nobody holds this: it is for outlasting who is deleting the row, or
    /// giving it another key, and nobody who has merely locked it.
    Presence = 0,
    /// The row's key must stay; what a foreign key's child takes on its parent.
    KeyShare = 1,
    /// The row must stay as it is.
    Share = 2,
    /// The row is being changed, its key is not.
    NoKeyUpdate = 3,
    /// Nobody else may lock the row, and nothing was done to it: `SELECT ... FOR UPDATE`.
    Reserve = 4,
    /// The row is being deleted, or its key changed.
    Update = 5,
}

/// How a whole object (a table, a database-wide name) is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ObjectMode {
    /// Read: `SELECT`.
    AccessShare = 0,
    /// Read with row locks: `SELECT ... FOR UPDATE`.
    RowShare = 1,
    /// Write: `INSERT`, `UPDATE`, `DELETE`.
    RowExclusive = 2,
    /// Maintenance beside readers and writers: `ANALYZE`, `CREATE INDEX CONCURRENTLY`.
    ShareUpdateExclusive = 3,
    /// No writers: `CREATE INDEX`.
    Share = 4,
    /// No writers but me: `CREATE TRIGGER`.
    ShareRowExclusive = 5,
    /// Only plain readers beside me.
    Exclusive = 6,
    /// Nobody beside me: `DROP TABLE`, most of `ALTER TABLE`.
    AccessExclusive = 7,
}

impl RowMode {
    /// All modes, weakest first.
    pub const ALL: [RowMode; 6] = [
        RowMode::Presence,
        RowMode::KeyShare,
        RowMode::Share,
        RowMode::NoKeyUpdate,
        RowMode::Reserve,
        RowMode::Update,
    ];

    /// Whether two transactions cannot hold these modes on one row.
    pub fn conflicts_with(self, other: RowMode) -> bool {
        Mode::from(self).conflicts() & Mode::from(other).bit() != 0
    }
}

impl ObjectMode {
    /// All modes, weakest first.
    pub const ALL: [ObjectMode; 8] = [
        ObjectMode::AccessShare,
        ObjectMode::RowShare,
        ObjectMode::RowExclusive,
        ObjectMode::ShareUpdateExclusive,
        ObjectMode::Share,
        ObjectMode::ShareRowExclusive,
        ObjectMode::Exclusive,
        ObjectMode::AccessExclusive,
    ];

    /// Whether two transactions cannot hold these modes on one object.
    pub fn conflicts_with(self, other: ObjectMode) -> bool {
        Mode::from(self).conflicts() & Mode::from(other).bit() != 0
    }
}

/// A set of modes of one kind.
pub(super) type ModeSet = u8;

/// A mode of either kind. Rows and objects never share a queue, so that the bits of the two kinds
/// may overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Row(RowMode),
    Object(ObjectMode),
}

impl From<RowMode> for Mode {
    fn from(mode: RowMode) -> Self {
        Mode::Row(mode)
    }
}

impl From<ObjectMode> for Mode {
    fn from(mode: ObjectMode) -> Self {
        Mode::Object(mode)
    }
}

impl Mode {
    /// The set that holds this mode alone.
    pub(super) fn bit(self) -> ModeSet {
        match self {
            Mode::Row(mode) => 1 << mode as u8,
            Mode::Object(mode) => 1 << mode as u8,
        }
    }

    /// The modes of others that this one cannot stand beside.
    pub(super) fn conflicts(self) -> ModeSet {
        match self {
            Mode::Row(mode) => ROW_CONFLICTS[mode as usize],
            Mode::Object(mode) => OBJECT_CONFLICTS[mode as usize],
        }
    }

    /// Whether a holder of `held` gains nothing by also taking this mode: for rows a stronger
    /// mode includes it, for objects only the same one does.
    pub(super) fn is_covered_by(self, held: ModeSet) -> bool {
        match self {
            Mode::Row(mode) => held >> mode as u8 != 0,
            Mode::Object(_) => held & self.bit() != 0,
        }
    }
}

impl Mode {
    /// The names, as PostgreSQL's views print them, of a set of modes of the kind of `kind`.
    pub(super) fn names(kind: Mode, modes: ModeSet) -> String {
        let all: &[&str] = match kind {
            Mode::Row(_) => &[
                "Presence",
                "KeyShare",
                "Share",
                "NoKeyUpdate",
                "Reserve",
                "Update",
            ],
            Mode::Object(_) => &[
                "AccessShare",
                "RowShare",
                "RowExclusive",
                "ShareUpdateExclusive",
                "Share",
                "ShareRowExclusive",
                "Exclusive",
                "AccessExclusive",
            ],
        };
        let held: Vec<&str> = (0..all.len())
            .filter(|n| modes >> n & 1 != 0)
            .map(|n| all[n])
            .collect();
        held.join("+")
    }
}

/// Row `n`: what row mode `n` conflicts with. Bits from the right: presence, KEY SHARE, SHARE, NO
/// KEY UPDATE, UPDATE of who only locks, UPDATE of who writes.
const ROW_CONFLICTS: [ModeSet; 6] = [
    0b10_0000, 0b11_0000, 0b11_1000, 0b11_1100, 0b11_1110, 0b11_1111,
];

/// Row `n`: what object mode `n` conflicts with, the weakest mode in the rightmost bit.
const OBJECT_CONFLICTS: [ModeSet; 8] = [
    0b1000_0000,
    0b1100_0000,
    0b1111_0000,
    0b1111_1000,
    0b1110_1100,
    0b1111_1100,
    0b1111_1110,
    0b1111_1111,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables as PostgreSQL's manual prints them: one line per requested mode, an `X` per
    /// conflicting mode.
    #[test]
    fn conflicts_are_those_of_the_manual() {
        for update in [RowMode::Reserve, RowMode::Update] {
            let modes = [
                RowMode::KeyShare,
                RowMode::Share,
                RowMode::NoKeyUpdate,
                update,
            ];
            let rows: Vec<String> = modes
                .map(|a| modes.map(|b| if a.conflicts_with(b) { 'X' } else { '.' }))
                .map(|line| line.iter().collect())
                .to_vec();
            assert_eq!(rows, ["...X", "..XX", ".XXX", "XXXX"]);
        }

        let objects: Vec<String> = ObjectMode::ALL
            .map(|a| ObjectMode::ALL.map(|b| if a.conflicts_with(b) { 'X' } else { '.' }))
            .map(|line| line.iter().collect())
            .to_vec();
        assert_eq!(
            objects,
            [
                ".......X", "......XX", "....XXXX", "...XXXXX", "..XX.XXX", "..XXXXXX", ".XXXXXXX",
                "XXXXXXXX"
            ]
        );
    }

    #[test]
    fn presence_conflicts_with_those_who_take_the_row_away() {
        let conflicts = RowMode::ALL.map(|mode| mode.conflicts_with(RowMode::Presence));
        assert_eq!(conflicts, [false, false, false, false, false, true]);
        let conflicts = RowMode::ALL.map(|mode| RowMode::Presence.conflicts_with(mode));
        assert_eq!(conflicts, [false, false, false, false, false, true]);
    }

    #[test]
    fn conflicts_are_symmetric() {
        for a in RowMode::ALL {
            for b in RowMode::ALL {
                assert_eq!(a.conflicts_with(b), b.conflicts_with(a), "{a:?} {b:?}");
            }
        }
        for a in ObjectMode::ALL {
            for b in ObjectMode::ALL {
                assert_eq!(a.conflicts_with(b), b.conflicts_with(a), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn stronger_row_mode_covers_weaker() {
        let update = Mode::from(RowMode::Update).bit();
        assert!(
            RowMode::ALL
                .iter()
                .all(|&mode| Mode::from(mode).is_covered_by(update))
        );
        let share = Mode::from(RowMode::Share).bit();
        assert!(!Mode::from(RowMode::Update).is_covered_by(share));
    }
}
