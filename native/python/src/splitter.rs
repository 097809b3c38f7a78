//! Splitting of a message into the values of the messages in a list, for rows of a database.

use crucible_ir_core::{MessageType as CoreType, Parts, Projection, Value};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::guarded::guarded;

/// The values of each field, message by message.
type Columns<'a> = Vec<Vec<Value<'a>>>;

/// Splits messages of one type; see `crucible_ir.native.splitter`.
#[pyclass(frozen)]
pub struct Splitter {
    core: CoreType,
    list: String,
    items: CoreType,
    projection: Projection,
}

impl Splitter {
    /// Returns a splitter; `None` if the type has no such list or its messages no such fields.
    pub fn new(core: &CoreType, list: &str, fields: &[String]) -> Option<Self> {
        let items = core.message_type_of(list)?;
        let names: Vec<&str> = fields.iter().map(String::as_str).collect();
        let projection = items.projection(&names)?;
        Some(Self {
            core: core.clone(),
            list: list.to_owned(),
            items,
            projection,
        })
    }

    /// Returns the parts of a message, and the values of each field in the messages of the list.
    fn parts<'a>(&self, data: &'a [u8]) -> Option<(Parts<'a>, Columns<'a>)> {
        let parts = self.core.split(&self.list, data).ok()?;
        let mut columns: Columns<'a> = (0..self.projection.columns())
            .map(|_| Vec::with_capacity(parts.items.len()))
            .collect();
        let mut row = Vec::new();
        for item in &parts.items {
            self.items.project(&self.projection, item, &mut row).ok()?;
            for (column, value) in columns.iter_mut().zip(&row) {
                column.push(*value);
            }
        }
        Some((parts, columns))
    }
}

#[pymethods]
impl Splitter {
    /// Return the other fields, the messages of the list and their values; `None` if not certain.
    #[pyo3(signature = (data, /))]
    fn split<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Ok(data) = data.cast_exact::<PyBytes>() else {
            return Ok(None);
        };
        let Some((Parts { items, rest }, columns)) = guarded(|| self.parts(data.as_bytes())) else {
            return Ok(None);
        };
        let items = PyList::new(py, items.into_iter().map(|item| PyBytes::new(py, item)))?;
        let values = columns
            .into_iter()
            .map(|column| PyList::new(py, column.into_iter().map(|value| object(py, value))))
            .collect::<PyResult<Vec<_>>>()?;
        let values = PyList::new(py, values)?;
        PyTuple::new(
            py,
            [
                PyBytes::new(py, &rest).into_any(),
                items.into_any(),
                values.into_any(),
            ],
        )
        .map(Some)
    }
}

fn object<'py>(py: Python<'py>, value: Value<'_>) -> Option<Bound<'py, PyAny>> {
    match value {
        Value::Unset => None,
        Value::Bytes(bytes) => Some(PyBytes::new(py, bytes).into_any()),
        Value::Integer(number) | Value::Microseconds(number) => {
            Some(number.into_pyobject(py).ok()?.into_any())
        }
        Value::Number(number) => Some(number.into_pyobject(py).ok()?.into_any()),
    }
}
