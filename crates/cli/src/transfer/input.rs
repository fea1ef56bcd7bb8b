//! Files to import, and how far their reading has come.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::failure::{Failure, Result};

/// A file that is read once, from beginning to end.
pub struct Input {
    pub name: String,
    /// Its size, if it has one.
    pub bytes: Option<u64>,
    read: Arc<AtomicU64>,
    file: RefCell<Option<Box<dyn Read>>>,
}

impl Input {
    pub fn open(name: &str) -> Result<Self> {
        let (file, bytes): (Box<dyn Read>, _) = if name == "-" {
            (Box::new(io::stdin()), None)
        } else {
            let told = |error: io::Error| Failure::file("open", name, &error);
            let file = File::open(name).map_err(told)?;
            let metadata = file.metadata().map_err(told)?;
            if metadata.is_dir() {
                return Err(Failure::new(format!("`{name}` is a directory")));
            }
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        };
        Ok(Self {
            name: name.to_owned(),
            bytes,
            read: Arc::default(),
            file: RefCell::new(Some(file)),
        })
    }

    /// What a message calls it.
    pub fn shown_name(&self) -> String {
        match self.name.as_str() {
            "-" => "standard input".to_owned(),
            name => format!("`{name}`"),
        }
    }

    /// The content. It can be had once.
    pub fn reader(&self) -> Result<impl BufRead + 'static> {
        let file = self.file.borrow_mut().take();
        let file = file.ok_or_else(|| Failure::new(format!("`{}` was read before", self.name)))?;
        let counting = Counting {
            file,
            read: self.read.clone(),
        };
        Ok(BufReader::with_capacity(256 << 10, counting))
    }

    /// How many bytes were read.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

/// The lines of standard input. It is not kept locked between them, so that what a line asks for may
/// read what comes next.
pub fn standard_lines() -> impl Iterator<Item = io::Result<Vec<u8>>> {
    std::iter::from_fn(|| io::stdin().lock().split(b'\n').next())
}

struct Counting {
    file: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}
