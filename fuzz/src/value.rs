//! Value files.
//!
//! Input: a selector (bit 0: checksums are ignored), a pointer (32 bytes), the file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_storage::key::FileNumber;
use rustdb_storage::value::{POINTER_BYTES, ValuePointer, ValueStore};

use crate::disk::{DIRECTORY, disk_with};
use crate::fixtures;

/// Tries an input.
pub fn run(input: &[u8]) {
    let (selector, rest) = crate::selector(input);
    let Some((pointer, file)) = rest.split_first_chunk::<POINTER_BYTES>() else {
        return;
    };
    let (vfs, security) = disk_with(selector, "000001.val", file);
    let next = AtomicU64::new(2);
    let numbers = Arc::new(move || FileNumber(next.fetch_add(1, Ordering::Relaxed)));
    let store = ValueStore::new(vfs, security, Path::new(DIRECTORY).into(), numbers);
    if let Ok(meta) = store.survey(FileNumber(1)) {
        assert!(meta.file_bytes <= file.len() as u64 && meta.value_bytes <= file.len() as u64);
        if let Ok(report) = store.verify(&meta) {
            assert_eq!(
                (report.values, report.value_bytes),
                (meta.values, meta.value_bytes)
            );
        }
    }
    let Some(mut pointer) = ValuePointer::decode(pointer) else {
        return;
    };
    pointer.file = FileNumber(1);
    let whole = store.read(&pointer);
    _ = store.check(&pointer);
    _ = store.check_head(&pointer);
    let (start, count) = (pointer.length / 3, pointer.length / 2);
    let part = store.read_range(&pointer, start, count);
    if let (Ok(whole), Ok(part)) = (whole, part) {
        assert!(
            whole[start as usize..][..count as usize] == part,
            "a part is of another value"
        );
    }
    _ = store.read_range(&pointer, u64::MAX, pointer.length);
}

/// Value files of a few values, with pointers to them.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for file in fixtures::plain(".val") {
        for selector in [0, 1] {
            let head: [u8; 16] = *file[64..].first_chunk().expect("it holds a value");
            let mut pointer = vec![1, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0];
            pointer.extend_from_slice(&head);
            // The first value alone is longer than a fuzzer likes; the rest stands for itself.
            seeds.push([&[selector], &pointer[..], file].concat());
            let rest = 64 + 24 + 70_000 + 16;
            let small = [&file[..64], &file[rest..rest + 3000.min(file.len() - rest)]].concat();
            let head: [u8; 16] = *small[64..].first_chunk().expect("there are more values");
            pointer.splice(16.., head);
            seeds.push([&[1], &pointer[..], &small].concat());
        }
    }
    seeds
}
