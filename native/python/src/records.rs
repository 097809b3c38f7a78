//! The records of streams.

use crucible_ir_core::{Frames, MessageType as CoreType, RecordFormat, RecordTask, Records, Stop};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::guarded::guarded_detached;
use crate::message::MessageType;

/// A record that the core is not certain about: its index, the start and end of its message in the
/// piece, the number of lines before it, and its offset in the output.
type Unsure = (usize, usize, usize, usize, usize);

/// What was read of a piece: the output, the offsets of the records as 64-bit integers, the records
/// without a certain answer, the offset in the piece after the last record, the number of lines, the
/// number of empty records at the end, and whether more records can be read once there is more data.
type Found<'py> = (
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Vec<Unsure>,
    usize,
    usize,
    usize,
    bool,
);

/// Reads the records of streams of one format, and checks or converts each.
#[pyclass(frozen)]
pub struct RecordReader {
    core: CoreType,
    task: RecordTask,
}

#[pymethods]
impl RecordReader {
    /// Make a reader; a `ValueError` names a format that does not exist.
    #[new]
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (message_type, from_, to, validate, leave_unknown, threads, max_bytes, max_empty, /))]
    fn new(
        message_type: &MessageType,
        from_: &str,
        to: Option<&str>,
        validate: bool,
        leave_unknown: bool,
        threads: usize,
        max_bytes: usize,
        max_empty: usize,
    ) -> PyResult<Self> {
        Ok(Self {
            core: message_type.core.clone(),
            task: RecordTask {
                from: format(from_)?,
                to: to.map(format).transpose()?,
                validate,
                leave_unknown,
                threads,
                max_bytes,
                max_empty,
                empty: 0,
            },
        })
    }

    /// Read the complete records of a piece from an offset on; `None` if the core failed.
    ///
    /// `before` is the offset of that place in the stream, and `empty` the number of empty records
    /// or blank lines before it.
    #[pyo3(signature = (piece, start, before, empty, /))]
    fn read<'py>(
        &self,
        piece: &Bound<'py, PyBytes>,
        start: usize,
        before: u64,
        empty: usize,
    ) -> PyResult<Option<Found<'py>>> {
        let py = piece.py();
        let Some(data) = piece.as_bytes().get(start..) else {
            return Ok(None);
        };
        let task = RecordTask { empty, ..self.task };
        let records = guarded_detached(py, data.len(), || Some(self.core.records(&task, data)));
        records
            .map(|records| found(py, records, start, before))
            .transpose()
    }
}

fn found(py: Python<'_>, records: Records, start: usize, before: u64) -> PyResult<Found<'_>> {
    let output = PyBytes::new_with(
        py,
        records.output.iter().map(Vec::len).sum(),
        |mut bytes| {
            for part in &records.output {
                let (head, rest) = bytes.split_at_mut(part.len());
                head.copy_from_slice(part);
                bytes = rest;
            }
            Ok(())
        },
    )?;
    let offsets = PyBytes::new_with(py, 8 * records.offsets.len(), |bytes| {
        for (bytes, offset) in bytes.chunks_exact_mut(8).zip(&records.offsets) {
            bytes.copy_from_slice(&(before + *offset as u64).to_ne_bytes());
        }
        Ok(())
    })?;
    let unsure = records.unsure.into_iter().map(|record| {
        let (from, to) = (record.message.start, record.message.end);
        (
            record.index,
            start + from,
            start + to,
            record.line,
            record.at,
        )
    });
    Ok((
        output,
        offsets,
        unsure.collect(),
        start + records.end,
        records.lines,
        records.empty,
        records.stop == Stop::End,
    ))
}

/// Return the complete messages of a delimited stream in some bytes from an offset on: where each
/// starts and ends, as 64-bit integers, and how many are empty; `None` if the core failed.
#[pyfunction]
#[pyo3(signature = (data, start, max_bytes, /))]
pub fn frames<'py>(
    data: &Bound<'py, PyBytes>,
    start: usize,
    max_bytes: usize,
) -> Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>, usize)> {
    let py = data.py();
    let data = data.as_bytes();
    let found = guarded_detached(py, data.len(), || Some(Frames::of(data, start, max_bytes)))?;
    let written = |offsets: &[i64]| {
        let bytes: Vec<u8> = offsets.iter().flat_map(|each| each.to_ne_bytes()).collect();
        PyBytes::new(py, &bytes)
    };
    Some((written(&found.starts), written(&found.ends), found.empty))
}

pub fn format(name: &str) -> PyResult<RecordFormat> {
    Ok(match name {
        "delimited" => RecordFormat::Delimited,
        "jsonl" => RecordFormat::JsonLines,
        "crucible-jsonl" => RecordFormat::CrucibleJsonLines,
        _ => return Err(PyValueError::new_err(format!("no stream format {name:?}"))),
    })
}
