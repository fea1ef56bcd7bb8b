//! An open file on a simulated machine.

use std::io;
use std::path::PathBuf;

use super::contents::Contents;
use super::disk::InodeId;
use super::fault::{Effect, Failure, OpKind};
use super::{Operation, SimVfs, State};
use crate::file::File;
use crate::image::check_range;
use crate::mem::not_writable;

#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) vfs: SimVfs,
    pub(super) id: InodeId,
    /// The path it was opened by.
    pub(super) path: PathBuf,
    pub(super) writable: bool,
    pub(super) locked: bool,
}

impl SimFile {
    fn operate<T>(
        &self,
        kind: OpKind,
        body: impl FnOnce(&mut State, Effect) -> io::Result<T>,
    ) -> io::Result<T> {
        let op = Operation {
            kind,
            path: &self.path,
            target: None,
            succeeded: false,
        };
        self.vfs.operate(op, body)
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            Ok(())
        } else {
            Err(not_writable())
        }
    }

    fn contents<'a>(&self, state: &'a mut State) -> &'a mut Contents {
        &mut state.disk.file_mut(self.id).contents
    }

    /// Writes what the disk has room for.
    fn write(&self, state: &mut State, data: &[u8], offset: u64) -> io::Result<usize> {
        check_range(offset, data.len() as u64)?;
        let room = state.disk.room();
        let contents = self.contents(state);
        let count = match room {
            Some(room) => contents.current().fitting(offset, data.len(), room),
            None => data.len(),
        };
        if count == 0 && !data.is_empty() {
            return Err(Failure::NoSpace.into());
        }
        contents.write_at(&data[..count], offset)?;
        Ok(count)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.vfs.machine.state.lock();
        if self.locked {
            state.disk.unlock(self.id);
        }
        let handles = &mut state.disk.file_mut(self.id).handles;
        let index = handles.iter().position(|path| *path == self.path);
        handles.swap_remove(index.expect("every handle is listed until it is dropped"));
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.operate(OpKind::Read, |state, effect| {
            let (mut count, mut offset) = (buffer.len(), offset);
            match effect {
                Effect::Short => count = half(count),
                Effect::Misdirect(shift) => offset = offset.saturating_add_signed(shift),
                _ => {}
            }
            let count = self
                .contents(state)
                .current()
                .read_at(&mut buffer[..count], offset);
            if effect == Effect::FlipBit && count > 0 {
                flip(&mut buffer[..count], state);
            }
            Ok(count)
        })
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> io::Result<usize> {
        self.operate(OpKind::Write, |state, effect| {
            self.check_writable()?;
            match effect {
                Effect::Short => self.write(state, &buffer[..half(buffer.len())], offset),
                Effect::Torn(failure) => {
                    self.write(state, &buffer[..buffer.len() / 2], offset)?;
                    Err(failure.into())
                }
                Effect::Ignore => Ok(buffer.len()),
                Effect::Misdirect(shift) => {
                    self.write(state, buffer, offset.saturating_add_signed(shift))
                }
                Effect::FlipBit if !buffer.is_empty() => {
                    let mut flipped = buffer.to_vec();
                    flip(&mut flipped, state);
                    self.write(state, &flipped, offset)
                }
                _ => self.write(state, buffer, offset),
            }
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.operate(OpKind::Sync, |state, effect| match effect {
            Effect::Ignore => Ok(()),
            Effect::LosePages(after_loss) => {
                self.contents(state).lose_pages(after_loss)?;
                Err(Failure::Io.into())
            }
            _ => self.contents(state).sync(),
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.operate(OpKind::Len, |state, _| {
            Ok(self.contents(state).current().len())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate(OpKind::SetLen, |state, effect| {
            self.check_writable()?;
            match effect {
                Effect::Ignore => Ok(()),
                _ => self.contents(state).set_len(len),
            }
        })
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.operate(OpKind::Allocate, |state, effect| {
            self.check_writable()?;
            check_range(offset, len)?;
            let room = state.disk.room();
            let contents = self.contents(state);
            match (effect, room) {
                (Effect::Ignore, _) => return Ok(()),
                (_, Some(room))
                    if (contents.current().fitting(offset, len as usize, room) as u64) < len =>
                {
                    return Err(Failure::NoSpace.into());
                }
                _ => {}
            }
            contents.reserve(offset, len)
        })
    }
}

fn half(count: usize) -> usize {
    count.div_ceil(2)
}

fn flip(bytes: &mut [u8], state: &mut State) {
    let bit = state.rng.index(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}
