//! Columns of messages.

use crucible_ir_core::{Array, ColumnSpec, Columns, ContentSpec, FormSpec, RowTask};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::arrow::capsule;
use crate::guarded::{guarded, guarded_detached};
use crate::message::MessageType;
use crate::records::format;

/// The bytes of an offset.
const OFFSET_BYTES: usize = 8;

/// Fills columns with messages, one row for each.
#[pyclass]
pub struct ColumnBuilder {
    columns: Columns,
    task: RowTask,
}

#[pymethods]
impl ColumnBuilder {
    /// Make empty columns; a `ValueError` says that the core cannot fill such columns.
    ///
    /// A column is a tuple: its form, the number of its field, the number of the field for custom
    /// names, and its content. The content of a struct is the list of its columns.
    #[new]
    #[pyo3(signature = (message_type, columns, format_, validate, skips_unknown, max_bytes, /))]
    fn new(
        message_type: &MessageType,
        columns: &Bound<'_, PyList>,
        format_: &str,
        validate: bool,
        skips_unknown: bool,
        max_bytes: usize,
    ) -> PyResult<Self> {
        let specs = specs(columns)?;
        let columns = guarded(|| message_type.core.columns(&specs));
        Ok(Self {
            columns: columns.ok_or_else(|| PyValueError::new_err("no such columns"))?,
            task: RowTask {
                format: format(format_)?,
                validate,
                skips_unknown,
                max_bytes,
            },
        })
    }

    /// The number of rows.
    fn __len__(&self) -> usize {
        self.columns.len()
    }

    /// Return whether `finish` must be called before more rows can be appended.
    fn is_full(&self) -> bool {
        self.columns.is_full()
    }

    /// Append messages as rows, and return how many were appended before an uncertain one.
    ///
    /// `starts` and `ends` have the places of the messages as 64-bit integers; the data start at the
    /// offset `base`, and the first message is number `first`.
    #[pyo3(signature = (data, base, starts, ends, first, /))]
    fn extend(
        &mut self,
        data: &Bound<'_, PyBytes>,
        base: i64,
        starts: &Bound<'_, PyBytes>,
        ends: &Bound<'_, PyBytes>,
        first: usize,
    ) -> usize {
        let (py, data) = (data.py(), data.as_bytes());
        let starts = offsets(starts.as_bytes(), base, first);
        let ends = offsets(ends.as_bytes(), base, first);
        let places = starts.zip(ends).map(|(start, end)| start..end);
        let before = self.columns.len();
        let (columns, task) = (&mut self.columns, self.task);
        let added = guarded_detached(py, data.len(), || Some(columns.extend(task, data, places)));
        added.unwrap_or_else(|| {
            // It failed inside a row, of which some cells may be there.
            self.columns.truncate();
            self.columns.len() - before
        })
    }

    /// Append a binary message that Python has written and validated; return if that was certain.
    #[pyo3(signature = (data, /))]
    fn append(&mut self, data: &Bound<'_, PyBytes>) -> bool {
        let task = RowTask {
            format: crucible_ir_core::RecordFormat::Delimited,
            validate: false,
            ..self.task
        };
        let data = data.as_bytes();
        let columns = &mut self.columns;
        let added = guarded(|| Some(columns.append(task, data).is_ok()));
        added.unwrap_or_else(|| {
            self.columns.truncate();
            false
        })
    }

    /// Return the rows as a struct array, in a capsule of Arrow's C data interface; then there are
    /// no rows.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let length = self.columns.len();
        let children = self.columns.finish();
        let rows = Array {
            length,
            nulls: 0,
            validity: None,
            buffers: Vec::new(),
            children,
            dictionary: None,
        };
        capsule(py, rows)
    }
}

/// Returns 64-bit integers from an index on, less a number.
fn offsets(data: &[u8], base: i64, first: usize) -> impl Iterator<Item = usize> + Send {
    let (offsets, _) = data.as_chunks::<OFFSET_BYTES>();
    let offsets = offsets.get(first..).unwrap_or_default();
    offsets.iter().map(move |offset| {
        let offset = i64::from_ne_bytes(*offset).checked_sub(base);
        // One outside of any data ends the rows.
        offset.map_or(usize::MAX, |offset| {
            usize::try_from(offset).unwrap_or(usize::MAX)
        })
    })
}

type Column<'py> = (String, u32, u32, Bound<'py, PyAny>);

fn specs(columns: &Bound<'_, PyList>) -> PyResult<Vec<ColumnSpec>> {
    let spec = |column: Bound<'_, PyAny>| {
        let (form, field, custom, content): Column<'_> = column.extract()?;
        Ok(ColumnSpec {
            field,
            form: match form.as_str() {
                "singular" => FormSpec::Singular,
                "list" => FormSpec::List,
                "map" => FormSpec::Map,
                "open" => FormSpec::Open { custom },
                "open list" => FormSpec::OpenList { custom },
                _ => return Err(PyValueError::new_err("no such form")),
            },
            content: content_spec(&content)?,
        })
    };
    columns.iter().map(spec).collect()
}

fn content_spec(content: &Bound<'_, PyAny>) -> PyResult<ContentSpec> {
    if let Ok(columns) = content.cast::<PyList>() {
        return Ok(ContentSpec::Struct(specs(columns)?));
    }
    Ok(match content.extract::<String>()?.as_str() {
        "scalar" => ContentSpec::Scalar,
        "enum" => ContentSpec::Enum,
        "timestamp" => ContentSpec::Timestamp,
        "json" => ContentSpec::Json,
        _ => return Err(PyValueError::new_err("no such content")),
    })
}
