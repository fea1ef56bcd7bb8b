//! The `rustdb` command. What it does is in the library, where fuzz targets reach it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    rustdb_cli::main()
}
