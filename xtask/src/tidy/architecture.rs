//! The table of layers against what cargo says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Finding;
use crate::Failure;
use crate::layers::{CRATES, Layer, RESTRICTED, Row, package};
use crate::workspace::cargo;

/// Where the table is.
const TABLE: &str = "xtask/src/layers.rs";

/// A package of the workspace, as cargo describes it.
struct Package {
    name: String,
    /// From the root of the repository.
    manifest: String,
    /// Packages that its code or its build script imports.
    imports: BTreeSet<String>,
    /// Packages that only its tests import.
    test_imports: BTreeSet<String>,
}

pub(super) fn check() -> Result<Vec<Finding>, Failure> {
    Ok(compare(CRATES, &packages()?))
}

fn compare(table: &[Row], packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in table {
        findings.extend(row_is_sound(table, row));
        if !packages.iter().any(|found| found.name == package(row.name)) {
            let message = format!(
                "crate `{}` is in the table and not in the workspace",
                row.name
            );
            findings.push(Finding::error(TABLE, 0, message));
        }
    }
    for found in packages {
        match table.iter().find(|row| package(row.name) == found.name) {
            Some(row) => findings.extend(imports(table, row, found)),
            None => {
                let message = format!("`{}` needs a row in `{TABLE}`", found.name);
                findings.push(Finding::error(&found.manifest, 0, message));
            }
        }
    }
    findings
}

/// A row imports only rows of lower layers. Within a layer nobody imports.
fn row_is_sound(table: &[Row], row: &Row) -> Vec<Finding> {
    let mut findings = Vec::new();
    if row.what.is_empty() || row.never.is_empty() {
        let message = format!("`{}`: say what it is and what it must never know", row.name);
        findings.push(Finding::error(TABLE, 0, message));
    }
    for import in row.imports {
        let lower = table
            .iter()
            .any(|other| other.name == *import && other.layer < row.layer);
        if !lower {
            let message = format!("`{}` imports `{import}`, which is no lower layer", row.name);
            findings.push(Finding::error(TABLE, 0, message));
        }
    }
    findings
}

fn imports(table: &[Row], row: &Row, found: &Package) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ours = |name: &str| table.iter().find(|other| package(other.name) == name);
    for import in &found.imports {
        match ours(import) {
            Some(other) if !row.imports.contains(&other.name) => {
                let message = format!(
                    "`{}` may not import `{}`, see `{TABLE}`",
                    row.name, other.name
                );
                findings.push(Finding::error(&found.manifest, 0, message));
            }
            _ => {}
        }
        let restricted = RESTRICTED.iter().find(|(name, _)| name == import);
        if let Some((name, users)) = restricted
            && !users.contains(&row.name)
        {
            let message = format!("only {users:?} may import `{name}`, see `{TABLE}`");
            findings.push(Finding::error(&found.manifest, 0, message));
        }
    }
    for import in &found.test_imports {
        if let Some(other) = ours(import)
            && other.layer > row.layer
            && other.layer != Layer::Development
        {
            let message = format!("tests of `{}` import `{}` from above", row.name, other.name);
            findings.push(Finding::error(&found.manifest, 0, message));
        }
    }
    findings
}

/// What cargo knows about the workspace's own packages.
fn packages() -> Result<Vec<Package>, Failure> {
    let output = cargo()
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .output()
        .map_err(|error| format!("cannot run `cargo metadata`: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("`cargo metadata` answered with broken JSON: {error}"))?;
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let packages = metadata["packages"]
        .as_array()
        .ok_or("`cargo metadata` names no packages")?;
    Ok(packages
        .iter()
        .map(|described| package_of(described, root))
        .collect())
}

fn package_of(described: &Value, root: &str) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let manifest = text(&described["manifest_path"]);
    let mut package = Package {
        name: text(&described["name"]),
        manifest: manifest
            .trim_start_matches(root)
            .trim_start_matches(['/', '\\'])
            .to_owned(),
        imports: BTreeSet::new(),
        test_imports: BTreeSet::new(),
    };
    for dependency in described["dependencies"].as_array().into_iter().flatten() {
        let imports = match dependency["kind"].as_str() {
            Some("dev") => &mut package.test_imports,
            _ => &mut package.imports,
        };
        imports.insert(text(&dependency["name"]));
    }
    package
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Unsafe;

    fn row(layer: u8, name: &'static str, imports: &'static [&'static str]) -> Row {
        let layer = Layer::Floor(layer);
        Row {
            layer,
            name,
            what: "a thing",
            imports,
            never: "another",
            unsafe_code: Unsafe::Never,
        }
    }

    fn found(name: &str, imports: &[&str], test_imports: &[&str]) -> Package {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Package {
            name: name.to_owned(),
            manifest: format!("{name}/Cargo.toml"),
            imports: set(imports),
            test_imports: set(test_imports),
        }
    }

    #[test]
    fn crate_and_row_must_agree() {
        let table = [row(1, "a", &[]), row(2, "b", &["a"])];
        let sound = [
            found("rustdb-a", &["libc"], &[]),
            found("rustdb-b", &["rustdb-a"], &[]),
        ];
        assert_eq!(compare(&table, &sound), []);
        assert_eq!(
            compare(&table, &sound[..1]).len(),
            1,
            "a row without a crate"
        );
        assert_eq!(
            compare(&table[..1], &sound).len(),
            1,
            "a crate without a row"
        );
    }

    #[test]
    fn import_that_the_table_does_not_allow_is_found() {
        let table = [row(1, "a", &[]), row(2, "b", &[])];
        let packages = [
            found("rustdb-a", &[], &[]),
            found("rustdb-b", &["rustdb-a"], &[]),
        ];
        assert_eq!(compare(&table, &packages).len(), 1);
    }

    #[test]
    fn table_itself_must_point_downwards() {
        let table = [row(1, "a", &["b"]), row(1, "b", &[])];
        let packages = [found("rustdb-a", &[], &[]), found("rustdb-b", &[], &[])];
        assert_eq!(compare(&table, &packages).len(), 1);
    }

    #[test]
    fn tests_may_use_lower_layers_and_tools_but_nothing_above() {
        let mut table = vec![row(1, "a", &[]), row(2, "b", &[])];
        table.push(Row {
            layer: Layer::Development,
            ..row(0, "sim", &[])
        });
        let sim = || found("rustdb-sim", &[], &[]);
        let below = found("rustdb-b", &[], &["rustdb-a", "rustdb-sim"]);
        assert_eq!(
            compare(&table, &[found("rustdb-a", &[], &[]), below, sim()]),
            []
        );
        let above = found("rustdb-a", &[], &["rustdb-b"]);
        assert_eq!(
            compare(&table, &[above, found("rustdb-b", &[], &[]), sim()]).len(),
            1
        );
    }

    #[test]
    fn outside_crates_with_owners_are_kept_from_others() {
        let table = [row(1, "a", &[])];
        let (name, _) = RESTRICTED[0];
        assert_eq!(compare(&table, &[found("rustdb-a", &[name], &[])]).len(), 1);
    }
}
