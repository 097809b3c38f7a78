//! Arrays as Python capsules of Arrow's C data interface.

use std::ffi::{CStr, c_void};
use std::ptr;

use crucible_ir_core::{Array, Buffer};
use pyo3::ffi;
use pyo3::prelude::*;

/// The name of such a capsule, which the interface defines.
const NAME: &CStr = c"arrow_array";

/// The structure of the interface.
#[repr(C)]
struct ArrowArray {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *const *const c_void,
    children: *mut *mut ArrowArray,
    dictionary: *mut ArrowArray,
    /// Frees what the array owns, and sets itself to null; null if the array was moved.
    release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    private_data: *mut c_void,
}

/// What an array owns.
struct Owned {
    pointers: Vec<*const c_void>,
    children: Vec<*mut ArrowArray>,
    dictionary: *mut ArrowArray,
    _validity: Option<Vec<u8>>,
    _buffers: Vec<Buffer>,
}

/// Returns the structure of an array, which owns its buffers.
fn exported(array: Array) -> ArrowArray {
    let validity = array.validity.as_ref();
    let mut pointers = vec![validity.map_or(ptr::null(), |bits| bits.as_ptr().cast())];
    pointers.extend(array.buffers.iter().map(|buffer| buffer.as_ptr().cast()));
    let allocated = |array| Box::into_raw(Box::new(exported(array)));
    let mut owned = Box::new(Owned {
        pointers,
        children: array.children.into_iter().map(allocated).collect(),
        dictionary: array
            .dictionary
            .map_or(ptr::null_mut(), |dictionary| allocated(*dictionary)),
        _validity: array.validity,
        _buffers: array.buffers,
    });
    // Lengths are those of vectors, which an `i64` can have.
    ArrowArray {
        length: array.length as i64,
        null_count: array.nulls as i64,
        offset: 0,
        n_buffers: owned.pointers.len() as i64,
        n_children: owned.children.len() as i64,
        buffers: owned.pointers.as_ptr(),
        children: owned.children.as_mut_ptr(),
        dictionary: owned.dictionary,
        release: Some(release),
        private_data: Box::into_raw(owned).cast(),
    }
}

/// Frees what an array owns.
///
/// # Safety
///
/// The array was made by `exported`, and is not released yet.
unsafe extern "C" fn release(array: *mut ArrowArray) {
    // SAFETY: `exported` made the private data, and only this function, which is called once, takes
    // it back. A child that was moved elsewhere has no release function any more.
    unsafe {
        let owned = Box::from_raw((*array).private_data.cast::<Owned>());
        let inside = owned.children.iter().chain([&owned.dictionary]);
        for inside in inside.filter(|inside| !inside.is_null()) {
            free(*inside);
        }
        (*array).release = None;
    }
}

/// Frees an array, unless its content was moved.
///
/// # Safety
///
/// The pointer is that of a box with an array of `exported`, and nobody uses it afterwards.
unsafe fn free(array: *mut ArrowArray) {
    // SAFETY: See above. A released or moved array has no release function.
    unsafe {
        let mut array = *Box::from_raw(array);
        if let Some(release) = array.release {
            release(&mut array);
        }
    }
}

/// Returns a capsule with an array.
pub fn capsule(py: Python<'_>, array: Array) -> PyResult<Bound<'_, PyAny>> {
    let pointer = Box::into_raw(Box::new(exported(array)));
    // SAFETY: The pointer is not null, and the destructor frees it. If there is no capsule, it is
    // freed here.
    unsafe {
        let capsule = ffi::PyCapsule_New(pointer.cast(), NAME.as_ptr(), Some(destroy));
        Bound::from_owned_ptr_or_err(py, capsule).inspect_err(|_| free(pointer))
    }
}

/// Frees the array of a capsule, unless its content was moved.
///
/// # Safety
///
/// The capsule was made by `capsule`.
unsafe extern "C" fn destroy(capsule: *mut ffi::PyObject) {
    // SAFETY: The pointer is that of the box that `capsule` made.
    unsafe {
        let pointer = ffi::PyCapsule_GetPointer(capsule, NAME.as_ptr());
        if !pointer.is_null() {
            free(pointer.cast());
        }
    }
}
