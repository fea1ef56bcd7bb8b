//! The seam between simulated machines and the schedule of their threads: real threads for now.

use std::io;
use std::time::Duration;

use crate::file::JoinHandle;
use crate::os;
use crate::sim::OpKind;

pub(crate) fn is_simulated() -> bool {
    false
}
pub(crate) fn operation(_kind: OpKind) {}
pub(crate) fn spawn(name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle> {
    os::spawn(name, body)
}
pub(crate) fn sleep(_duration: Duration) -> bool {
    false
}
