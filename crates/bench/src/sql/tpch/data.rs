//! The tables' rows as CSV files, generated once for each scale.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tpchgen::csv::{
    CustomerCsv, LineItemCsv, NationCsv, OrderCsv, PartCsv, PartSuppCsv, RegionCsv, SupplierCsv,
};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};

use crate::engine::Result;

/// The tables, the small ones first.
pub(crate) const TABLES: [&str; 8] = [
    "region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem",
];

/// Where a table's file is.
pub(crate) fn file(directory: &Path, table: &str) -> PathBuf {
    directory.join(format!("{table}.csv"))
}

macro_rules! write_table {
    ($directory:expr, $table:expr, $generator:ident, $form:ident, $scale:expr) => {{
        let mut out = BufWriter::new(File::create(file($directory, $table))?);
        writeln!(out, "{}", $form::header())?;
        for row in $generator::new($scale, 1, 1).iter() {
            writeln!(out, "{}", $form::new(row))?;
        }
        out.flush()?;
    }};
}

/// Writes the files, unless they are there.
pub(crate) fn generate(directory: &Path, scale: f64) -> Result<()> {
    let done = directory.join("done");
    if done.exists() {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    write_table!(directory, "region", RegionGenerator, RegionCsv, scale);
    write_table!(directory, "nation", NationGenerator, NationCsv, scale);
    write_table!(directory, "supplier", SupplierGenerator, SupplierCsv, scale);
    write_table!(directory, "customer", CustomerGenerator, CustomerCsv, scale);
    write_table!(directory, "part", PartGenerator, PartCsv, scale);
    write_table!(directory, "partsupp", PartSuppGenerator, PartSuppCsv, scale);
    write_table!(directory, "orders", OrderGenerator, OrderCsv, scale);
    write_table!(directory, "lineitem", LineItemGenerator, LineItemCsv, scale);
    fs::write(done, "")?;
    Ok(())
}
