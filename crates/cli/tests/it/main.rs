//! The `rustdb` command as people and scripts use it: as a process, with files, pipes, signals
//! and a terminal.

#[cfg(test)]
mod care;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod interface;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod streaming;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod transfer;
