//! What a node has spent of memory and disk, in PostgreSQL's words.

use crate::exec::Spent;

/// As a line of text.
pub(super) fn text(spent: &Spent) -> String {
    match spent {
        Spent::Sort {
            method,
            memory_bytes,
            disk_bytes: 0,
        } => format!(
            "Sort Method: {method}  Memory: {}kB",
            kilobytes(*memory_bytes as u64)
        ),
        Spent::Sort {
            method, disk_bytes, ..
        } => format!("Sort Method: {method}  Disk: {}kB", kilobytes(*disk_bytes)),
        Spent::Join {
            batches,
            memory_bytes,
            ..
        } => format!(
            "Batches: {batches}  Memory Usage: {}kB",
            kilobytes(*memory_bytes as u64)
        ),
        Spent::Groups {
            batches,
            memory_bytes,
            disk_bytes,
        } => {
            let memory = kilobytes(*memory_bytes as u64);
            let mut text = format!("Batches: {batches}  Memory Usage: {memory}kB");
            if *disk_bytes > 0 {
                text += &format!("  Disk Usage: {}kB", kilobytes(*disk_bytes));
            }
            text
        }
    }
}

/// As fields of JSON.
pub(super) fn fields(spent: &Spent) -> Vec<(&'static str, String)> {
    let memory = |bytes: &usize| kilobytes(*bytes as u64).to_string();
    match spent {
        Spent::Sort {
            method,
            memory_bytes,
            disk_bytes,
        } => {
            let (space, kind) = match disk_bytes {
                0 => (memory(memory_bytes), "Memory"),
                disk => (kilobytes(*disk).to_string(), "Disk"),
            };
            vec![
                ("Sort Method", format!("\"{method}\"")),
                ("Sort Space Used", space),
                ("Sort Space Type", format!("\"{kind}\"")),
            ]
        }
        Spent::Join {
            batches,
            memory_bytes,
            ..
        } => vec![
            ("Hash Batches", batches.to_string()),
            ("Peak Memory Usage", memory(memory_bytes)),
        ],
        Spent::Groups {
            batches,
            memory_bytes,
            disk_bytes,
        } => vec![
            ("HashAgg Batches", batches.to_string()),
            ("Peak Memory Usage", memory(memory_bytes)),
            ("Disk Usage", kilobytes(*disk_bytes).to_string()),
        ],
    }
}

fn kilobytes(bytes: u64) -> u64 {
    bytes.div_ceil(1024)
}
