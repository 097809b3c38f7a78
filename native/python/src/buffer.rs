//! A buffer for the results of the core, which is used again and again.

use std::cell::Cell;

use pyo3::prelude::*;

use crate::guarded::guarded_detached;

/// The most bytes of a buffer that is kept.
const KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    /// To allocate and free a buffer takes as long as to read 100 bytes of JSON.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Fills a buffer, and returns the Python object that is made of its content.
///
/// # Arguments
///
/// * `size` - The number of bytes of the input; about that many are written.
/// * `fill` - Fills the empty buffer, or returns `None` if the core is not certain.
/// * `make` - Makes the object.
pub fn with_buffer<T>(
    py: Python<'_>,
    size: usize,
    fill: impl FnOnce(&mut Vec<u8>) -> Option<()> + Send,
    make: impl FnOnce(&[u8]) -> T,
) -> Option<T> {
    // While it is in use, the thread has an empty one.
    let mut buffer = BUFFER.take();
    buffer.clear();
    buffer.reserve(size);
    let found = guarded_detached(py, size, || fill(&mut buffer)).map(|()| make(&buffer));
    if buffer.capacity() <= KEPT_BYTES {
        BUFFER.set(buffer);
    }
    found
}
