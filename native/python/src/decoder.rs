//! Decoding of binary messages by protobuf's Python library, with the guard of the core.

use std::ptr;

use crucible_ir_core::{MessageType, Trust};
use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::guarded::guarded_detached;

/// Decodes binary messages of one type.
#[pyclass(frozen)]
pub struct Decoder {
    pub(crate) core: MessageType,
    pub(crate) parse: Py<PyAny>,
    pub(crate) fallback: Py<PyAny>,
}

#[pymethods]
impl Decoder {
    /// Return the message of some bytes if it is certainly valid, or else what the fallback returns
    /// for the bytes and their message, or for the bytes alone if they were not parsed.
    fn decode<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = data.py();
        // A subclass of bytes may have other bytes for the fallback than for protobuf's library.
        if let Ok(bytes) = data.cast_exact::<PyBytes>() {
            // For an error, the fallback raises the one that describes it.
            if let Some(message) = call_or_none(self.parse.bind(py), data)? {
                let bytes = bytes.as_bytes();
                let check = || self.core.check(bytes, Trust::Parsed).ok();
                if guarded_detached(py, bytes.len(), check).is_some() {
                    return Ok(message);
                }
                return self.fallback.bind(py).call1((data, message));
            }
        }
        self.fallback.bind(py).call1((data,))
    }
}

/// Calls a Python function with one argument; `None` is an error, but for those that end programs.
pub fn call_or_none<'py>(
    function: &Bound<'py, PyAny>,
    argument: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match call(function, argument) {
        Ok(result) => Ok(Some(result)),
        Err(error) if error.is_instance_of::<PyException>(function.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Calls a Python function with one argument.
fn call<'py>(
    function: &Bound<'py, PyAny>,
    argument: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let end: *mut ffi::PyObject = ptr::null_mut();
    // `call1` makes a tuple for the argument, which takes 4 % of the time to parse an event, since
    // Python 3.11's stable ABI has no vectorcall. This function of that ABI makes none.
    //
    // SAFETY: Both pointers are those of live objects, a null pointer ends the arguments, and the
    // result is a new reference or null with an error set.
    unsafe {
        let result = ffi::PyObject_CallFunctionObjArgs(function.as_ptr(), argument.as_ptr(), end);
        Bound::from_owned_ptr_or_err(function.py(), result)
    }
}
