//! The Python module of the native core.
//!
//! `crucible_ir.native` is its only caller. Each function answers or returns `None` (or `False`),
//! which means that the core is not certain and the Python package must decide. No function raises
//! an error for the content of its input, and a panic of the core counts as "not certain".

#![deny(missing_docs)]

mod arrow;
mod buffer;
mod columns;
mod decoder;
mod guarded;
mod message;
mod records;
mod splitter;
mod transcoding;

use pyo3::prelude::*;

/// The version of the interface between this module and `crucible_ir.native`.
///
/// It changes whenever a function of the module changes its arguments or results.
const ABI: u32 = 9;

/// The native core of crucible-ir; import `crucible_ir` instead.
#[pymodule(name = "crucible_ir_native")]
mod module {
    use super::*;

    #[pymodule_export]
    use crate::message::{Core, MessageType};

    #[pymodule_export]
    use crate::splitter::Splitter;

    #[pymodule_export]
    use crate::records::{RecordReader, frames};

    #[pymodule_export]
    use crate::columns::ColumnBuilder;

    #[pymodule_export]
    use crate::guarded::{last_panic, panics};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        guarded::silence_panics();
        module.add("ABI", ABI)?;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))
    }
}
