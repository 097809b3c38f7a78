//! Calls of the core that survive its panics.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

/// Inputs of at least this many bytes are worth releasing the interpreter lock for: the core needs
/// about 0.1 ms for them, and to get the lock back can take longer than that.
const LARGE_BYTES: usize = 128 * 1024;

static PANICS: AtomicU64 = AtomicU64::new(0);
static LAST: Mutex<String> = Mutex::new(String::new());

/// Returns the result of some work, or `None` if it panics.
///
/// A panic is an error in the core. Python would see it as a `BaseException`, which callers do not
/// catch.
pub fn guarded<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    // The work only writes to buffers that are dropped with it.
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        None
    })
}

/// Does what `guarded` does, without the interpreter lock if the input is large.
pub fn guarded_detached<T: Send>(
    py: Python<'_>,
    size: usize,
    work: impl FnOnce() -> Option<T> + Send,
) -> Option<T> {
    if size < LARGE_BYTES {
        guarded(work)
    } else {
        py.detach(|| guarded(work))
    }
}

/// Stores the text of each panic, instead of writing it to the standard error of the process.
pub fn silence_panics() {
    // The hook is that of this library alone: it has its own copy of Rust's runtime.
    panic::set_hook(Box::new(|info| {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
    }));
}

/// Return how many panics of the core were caught.
#[pyfunction]
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Return the text of the last panic; empty if there was none.
#[pyfunction]
pub fn last_panic() -> String {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
