//! The command line: what can be asked for. Every option has a variable in the environment too.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use rustdb::crypto::Algorithm;
use rustdb::{Compression, Durability};

use crate::failure::{Failure, Status};
use crate::sql::SqlArguments;
use crate::transfer::{ExportArguments, ImportArguments};

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed, standard error says why; 2 called wrongly; 3 a statement of a \
script of SQL failed; 130 and 143 interrupted by Ctrl-C and SIGTERM.

Every option that has a variable says so; an option wins over its variable. The variable \
RUSTDB_KEY, which has no option, holds the key of an encrypted database, as 64 hexadecimal digits \
or as `passphrase:` and a passphrase. With NO_COLOR nothing is coloured. With RUSTY_DB_DEBUG=1 \
the shell answers in the sentences of rusty_db.

Without a command, opens the SQL shell on the database. Start with `rustdb --demo`.";

/// More memory than any machine has: a mistake.
const MEMORY_MIB_MAX: i64 = 1 << 24;

/// RustDB: a durable, transactional database in one directory.
#[derive(Debug, Parser)]
#[command(name = "rustdb", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
#[command(args_conflicts_with_subcommands = false)]
pub struct Arguments {
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Show what RustDB does, on sample data, and exit
    #[arg(long)]
    pub demo: bool,
    #[command(flatten)]
    pub shell: SqlArguments,
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Arguments {
    /// The arguments of this process.
    pub fn of_process() -> Result<Arguments, clap::Error> {
        let matches = Arguments::command().try_get_matches()?;
        let mut arguments = Arguments::from_arg_matches(&matches)?;
        arguments.shell.in_order(&matches);
        if let (Some(Command::Sql(shell)), Some((_, matches))) =
            (&mut arguments.command, matches.subcommand())
        {
            shell.in_order(matches);
        }
        Ok(arguments)
    }

    /// Whether output is to be read by a program.
    pub fn wants_json(&self) -> bool {
        match &self.command {
            None => self.shell.json,
            Some(Command::Local(shell)) => shell.json,
            Some(Command::Sql(shell)) => shell.json,
            Some(Command::Import(import)) => import.json,
            Some(Command::Export(export)) => export.json,
            Some(
                Command::Stats(result)
                | Command::Verify(result)
                | Command::Repair(result)
                | Command::Upgrade(result)
                | Command::Compact(result)
                | Command::Reencrypt(result),
            ) => result.json,
            Some(Command::Checkpoint(checkpoint)) => checkpoint.result.json,
            Some(Command::ChangeKey(change)) => change.result.json,
            Some(Command::Completions { .. } | Command::Man | Command::Version) => false,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open the key-value shell
    Local(ShellArguments),
    /// Open the SQL shell, without a greeting
    Sql(SqlArguments),
    /// Load a file of rows or entries
    Import(ImportArguments),
    /// Write a keyspace to a file
    Export(ExportArguments),
    /// Print sizes and counters
    Stats(ResultArguments),
    /// Read everything on disk and check it
    Verify(ResultArguments),
    /// Save what can be saved of a database that does not open
    Repair(ResultArguments),
    /// Bring a database of an older release to the format of this one
    Upgrade(ResultArguments),
    /// Make a copy that opens as a database
    Checkpoint(CheckpointArguments),
    /// Rewrite the tables until only live data is left
    Compact(ResultArguments),
    /// Make another key the one that opens an encrypted database
    ChangeKey(ChangeKeyArguments),
    /// Rewrite an encrypted database under a new data key, with the cipher of `--cipher`
    Reencrypt(ResultArguments),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Print the version
    Version,
}

/// Which database, and how it is opened.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArguments {
    /// The directory of the database [default: ./data]
    #[arg(
        short,
        long,
        value_name = "DIR",
        env = "RUSTDB_DATA_DIR",
        global = true
    )]
    pub data_dir: Option<PathBuf>,
    /// Change nothing
    #[arg(long, env = "RUSTDB_READ_ONLY", global = true, value_parser = FalseyValueParser::new())]
    pub read_only: bool,
    /// The file with the key of an encrypted database: 32 bytes or 64 hexadecimal digits
    #[arg(long, value_name = "FILE", env = "RUSTDB_KEY_FILE", global = true)]
    pub key_file: Option<PathBuf>,
    /// Ask for the passphrase of an encrypted database
    #[arg(long, env = "RUSTDB_ASK_PASSPHRASE", global = true, value_parser = FalseyValueParser::new())]
    pub ask_passphrase: bool,
    /// The cipher of a new encrypted database
    #[arg(
        long,
        value_enum,
        default_value_t,
        env = "RUSTDB_CIPHER",
        global = true
    )]
    pub cipher: Cipher,
    /// How durable a write is when it is acknowledged
    #[arg(
        long,
        value_enum,
        default_value_t,
        env = "RUSTDB_DURABILITY",
        global = true
    )]
    pub durability: DurabilityName,
    /// How blocks on disk are compressed
    #[arg(
        long,
        value_enum,
        default_value_t,
        env = "RUSTDB_COMPRESSION",
        global = true
    )]
    pub compression: CompressionName,
    /// Memory for cached blocks, in MiB
    #[arg(
        long,
        value_name = "MIB",
        env = "RUSTDB_CACHE_MIB",
        global = true,
        value_parser = clap::value_parser!(u32).range(..=MEMORY_MIB_MAX)
    )]
    pub cache_mib: Option<u32>,
    /// Memory for writes that are not in a table yet, in MiB
    #[arg(
        long,
        value_name = "MIB",
        env = "RUSTDB_WRITE_BUFFER_MIB",
        global = true,
        value_parser = clap::value_parser!(u32).range(1..=MEMORY_MIB_MAX)
    )]
    pub write_buffer_mib: Option<u32>,
}

/// What a shell does.
#[derive(Clone, Debug, Default, Args)]
pub struct ShellArguments {
    /// Run this command and exit; may be given more than once
    #[arg(short, long = "command", value_name = "CMD")]
    pub commands: Vec<String>,
    /// Print results as JSON, one object per line
    #[arg(long, env = "RUSTDB_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,
}

/// How a result is printed.
#[derive(Clone, Debug, Args)]
pub struct ResultArguments {
    /// Print the result as one JSON object
    #[arg(long, env = "RUSTDB_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,
}

/// What copy to make.
#[derive(Clone, Debug, Args)]
pub struct CheckpointArguments {
    /// The directory to make, which must be missing or empty
    pub directory: PathBuf,
    /// Copy every byte, for a backup, instead of giving files a second name
    #[arg(long, env = "RUSTDB_COPY", value_parser = FalseyValueParser::new())]
    pub copy: bool,
    #[command(flatten)]
    pub result: ResultArguments,
}

/// Which key opens the database from now on.
#[derive(Clone, Debug, Args)]
pub struct ChangeKeyArguments {
    /// The file with the new key: 32 bytes or 64 hexadecimal digits
    #[arg(long, value_name = "FILE", env = "RUSTDB_NEW_KEY_FILE")]
    pub new_key_file: Option<PathBuf>,
    /// Ask for the new passphrase
    #[arg(long, env = "RUSTDB_ASK_NEW_PASSPHRASE", value_parser = FalseyValueParser::new())]
    pub ask_new_passphrase: bool,
    #[command(flatten)]
    pub result: ResultArguments,
}

/// A cipher by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Cipher {
    /// The fastest where the processor has AES instructions
    #[default]
    #[value(name = "aes-256-gcm")]
    Aes256Gcm,
    /// The fastest elsewhere
    #[value(name = "chacha20-poly1305")]
    ChaCha20Poly1305,
}

impl From<Cipher> for Algorithm {
    fn from(name: Cipher) -> Self {
        match name {
            Cipher::Aes256Gcm => Algorithm::Aes256Gcm,
            Cipher::ChaCha20Poly1305 => Algorithm::ChaCha20Poly1305,
        }
    }
}

/// A durability by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DurabilityName {
    /// On disk
    #[default]
    Sync,
    /// With the operating system: survives a crash of the process, not of the machine
    Buffered,
    /// In memory: a crash may lose it
    None,
}

impl From<DurabilityName> for Durability {
    fn from(name: DurabilityName) -> Self {
        match name {
            DurabilityName::Sync => Durability::Sync,
            DurabilityName::Buffered => Durability::Buffered,
            DurabilityName::None => Durability::None,
        }
    }
}

/// A compression by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CompressionName {
    /// Not at all
    None,
    /// Fast both ways
    #[default]
    Lz4,
    /// About as LZ4
    Snappy,
}

impl From<CompressionName> for Compression {
    fn from(name: CompressionName) -> Self {
        match name {
            CompressionName::None => Compression::None,
            CompressionName::Lz4 => Compression::Lz4,
            CompressionName::Snappy => Compression::Snappy,
        }
    }
}

/// Prints what clap has to say: help and version on standard output, errors on standard error.
pub fn told(error: &clap::Error) -> ExitCode {
    let printed = error.print().and_then(|()| io::stdout().flush());
    match (error.use_stderr(), printed) {
        (true, _) => ExitCode::from(Status::Usage as u8),
        (false, Ok(())) => ExitCode::SUCCESS,
        (false, Err(error)) => Failure::from(error).report(false),
    }
}
