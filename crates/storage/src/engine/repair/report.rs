//! What a repair says about itself.

use std::fmt;
use std::path::PathBuf;

use crate::engine::Problem;
use crate::key::SequenceNumber;

/// What [`repair`](super::repair) found, kept and dropped.
#[derive(Clone, Debug, Default)]
pub struct RepairReport {
    /// Why the manifest could not be used, and the database was put together from its tables.
    pub manifest_rebuilt: Option<String>,
    /// Tables that were taken over as they are.
    pub tables_kept: u64,
    /// Tables of which the sound part was written anew, or that were merged because their place
    /// in the tree was not known.
    pub tables_rewritten: u64,
    /// Commits taken over from the log.
    pub commits_salvaged: u64,
    /// The last commit there is.
    pub last_sequence: SequenceNumber,
    /// What was damaged or missing, and so dropped or only partly kept.
    pub damage: Vec<Problem>,
    /// Ranges of commits, from and to, of which the log has nothing although it has later ones.
    /// If there are any, the database does not show a state it ever had.
    pub missing_commits: Vec<(SequenceNumber, SequenceNumber)>,
    /// Keys whose newest value was in a value file and is gone. They are deleted.
    pub lost_values: u64,
    /// Where the sequence number of a bulk write was guessed: it may hide newer values of its
    /// keys, or be hidden by older ones.
    pub guessed_tables: Vec<PathBuf>,
    /// Where all files are that the database no longer uses; `None` if there are none.
    pub lost_and_found: Option<PathBuf>,
    /// These files, by name.
    pub set_aside: Vec<String>,
}

impl RepairReport {
    /// Whether nothing was lost, as far as can be told.
    pub fn is_complete(&self) -> bool {
        self.damage.is_empty()
            && self.missing_commits.is_empty()
            && self.lost_values == 0
            && self.guessed_tables.is_empty()
            && self.manifest_rebuilt.is_none()
    }
}

impl fmt::Display for RepairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = &self.manifest_rebuilt {
            writeln!(f, "the manifest was rebuilt from the tables: {reason}")?;
            writeln!(
                f,
                "note: data that was deleted or overwritten just before the damage may be back"
            )?;
        }
        writeln!(f, "tables kept: {}", self.tables_kept)?;
        writeln!(f, "tables rewritten: {}", self.tables_rewritten)?;
        writeln!(
            f,
            "commits salvaged from the log: {}",
            self.commits_salvaged
        )?;
        writeln!(f, "last commit: {}", self.last_sequence)?;
        for problem in &self.damage {
            writeln!(f, "damage: {problem}")?;
        }
        for (first, last) in &self.missing_commits {
            writeln!(
                f,
                "lost: commits {first} to {last}, though later ones are kept"
            )?;
        }
        if self.lost_values > 0 {
            writeln!(
                f,
                "lost: {} large values; their keys are deleted",
                self.lost_values
            )?;
        }
        for path in &self.guessed_tables {
            let path = path.display();
            writeln!(f, "guessed: the age of the bulk write in `{path}`")?;
        }
        if let Some(directory) = &self.lost_and_found {
            writeln!(f, "unused files are in `{}`:", directory.display())?;
            for name in &self.set_aside {
                writeln!(f, "  {name}")?;
            }
        }
        Ok(())
    }
}
