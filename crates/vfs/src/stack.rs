//! A stack for deep recursion.

use std::io;

use crate::schedule;

/// How large the stack is. Memory is taken as it is used.
const STACK_BYTES: usize = 256 << 20;

/// Runs something on a stack of its own, and returns when it is over. An error if the system gives
/// no thread; then nothing was run. What panics there panics here.
///
/// In a simulation, which knows of no such thread, it runs on the stack that is there.
pub fn on_large_stack<T: Send>(body: impl FnOnce() -> T + Send) -> io::Result<T> {
    if schedule::is_simulated() {
        return Ok(body());
    }
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, body)?;
        match thread.join() {
            Ok(result) => Ok(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recursion that the compiler cannot make a loop of.
    fn depth(left: u64) -> u64 {
        let below = if left == 0 { 0 } else { depth(left - 1) };
        std::hint::black_box([left; 16])
            .iter()
            .max()
            .map_or(0, |_| below + 1)
    }

    #[test]
    fn deep_recursion_fits() {
        assert_eq!(on_large_stack(|| depth(100_000)).unwrap(), 100_001);
    }
}
