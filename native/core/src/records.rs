//! Streams of records: the records in a piece of a stream are found, checked and converted.
//!
//! The core leaves to its caller whatever is not a complete record within the limits, and each
//! record that it is unsure about.

mod split;

use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

use crate::rules::{self, Trust};
use crate::unsure::{R, Unsure};
use crate::wire::put_varint;
use crate::{MessageType, Names};
use split::Span;

pub use split::Frames;

/// The fewest bytes of records that are worth a thread.
const BYTES_PER_THREAD: usize = 64 * 1024;

/// The most threads of one call.
const MAX_THREADS: usize = 256;

/// A format of streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordFormat {
    /// Binary messages, each after its size as a varint.
    Delimited,
    /// ProtoJSON, a message on each line.
    JsonLines,
    /// Crucible JSON, a message on each line.
    CrucibleJsonLines,
}

/// What to do with the records of a stream.
#[derive(Clone, Copy, Debug)]
pub struct RecordTask {
    /// The format of the stream.
    pub from: RecordFormat,
    /// The format in which the records are written; `None` to write nothing.
    pub to: Option<RecordFormat>,
    /// Whether messages must satisfy the rules of the schema.
    pub validate: bool,
    /// Whether the core leaves binary messages with unknown fields, which lines cannot represent.
    pub leave_unknown: bool,
    /// The number of threads.
    pub threads: usize,
    /// The most bytes of a record.
    pub max_bytes: usize,
    /// The most records without bytes, or blank lines, that may follow each other.
    pub max_empty: usize,
    /// How many such records precede the piece.
    pub empty: usize,
}

/// Why no more records were read from a piece of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The piece ends, perhaps inside a record.
    End,
    /// The next record is over the limit, or its size is malformed.
    Odd,
    /// Too many empty records or blank lines follow each other.
    Empty,
}

/// A record that the core is unsure about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnsureRecord {
    /// Its index among the records of the piece.
    pub index: usize,
    /// Its message in the piece; of a line, without the line break.
    pub message: Range<usize>,
    /// The number of lines before it.
    pub line: usize,
    /// Its offset in the output, which it is missing from.
    pub at: usize,
}

/// The records in a piece of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Records {
    /// The offset of each record in the piece.
    pub offsets: Vec<usize>,
    /// The offset after the last record that was read, and the lines after it that are blank.
    pub end: usize,
    /// The records that the core is unsure about, in their order.
    pub unsure: Vec<UnsureRecord>,
    /// The other records, in the format of the task, in parts to be joined.
    pub output: Vec<Vec<u8>>,
    /// The number of lines up to the end.
    pub lines: usize,
    /// The number of empty records or blank lines before the end.
    pub empty: usize,
    /// Why the records end here.
    pub stop: Stop,
}

impl MessageType {
    /// Reads the complete records at the start of a piece of a stream, and checks or converts each.
    ///
    /// ```
    /// use crucible_ir_core::{RecordFormat, RecordTask, Schema};
    ///
    /// let stage = Schema::built_in().message_type("crucible_ir.v1.StageDef").unwrap();
    /// let task = RecordTask {
    ///     from: RecordFormat::JsonLines,
    ///     to: Some(RecordFormat::Delimited),
    ///     validate: true,
    ///     leave_unknown: false,
    ///     threads: 1,
    ///     max_bytes: 1000,
    ///     max_empty: 1000,
    ///     empty: 0,
    /// };
    /// let records = stage.records(&task, b"{\"name\":\"a\"}\n{\"name\":\"\"}\n{\"na");
    /// assert_eq!(records.output.concat(), b"\x03\x0a\x01a");
    /// // The rules reject the second record, and the third is not complete.
    /// assert_eq!(records.unsure[0].index, 1);
    /// assert_eq!((records.offsets.len(), records.end), (2, 25));
    /// ```
    pub fn records(&self, task: &RecordTask, piece: &[u8]) -> Records {
        let split = match task.from {
            RecordFormat::Delimited => split::delimited(task, piece),
            RecordFormat::JsonLines | RecordFormat::CrucibleJsonLines => split::lines(task, piece),
        };
        let parts = on_threads(task.threads, &split.spans, |spans| {
            self.part(task, piece, spans)
        });
        let mut unsure = Vec::new();
        let mut output = Vec::with_capacity(parts.len());
        let (mut index, mut at) = (0, 0);
        for part in parts {
            unsure.extend(part.unsure.into_iter().map(|mut record| {
                record.index += index;
                record.at += at;
                record
            }));
            index += part.count;
            at += part.output.len();
            output.push(part.output);
        }
        Records {
            offsets: split.spans.iter().map(|span| span.start).collect(),
            end: split.end,
            unsure,
            output,
            lines: split.lines,
            empty: split.empty,
            stop: split.stop,
        }
    }

    fn part(&self, task: &RecordTask, piece: &[u8], spans: &[Span]) -> Part {
        let size: usize = spans.iter().map(|span| span.message.len()).sum();
        let mut output = Vec::with_capacity(match task.to {
            None => 0,
            Some(RecordFormat::Delimited) => size,
            Some(_) => size + size / 2,
        });
        let mut unsure = Vec::new();
        let mut scratch = Vec::new();
        for (index, span) in spans.iter().enumerate() {
            let at = output.len();
            let message = &piece[span.message.clone()];
            if self
                .record(task, message, &mut output, &mut scratch)
                .is_err()
            {
                output.truncate(at);
                unsure.push(UnsureRecord {
                    index,
                    message: span.message.clone(),
                    line: span.line,
                    at,
                });
            }
        }
        Part {
            count: spans.len(),
            output,
            unsure,
        }
    }

    /// Checks a record, and writes it if the task says so.
    #[inline]
    fn record(
        &self,
        task: &RecordTask,
        message: &[u8],
        output: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
    ) -> R<()> {
        if task.from == RecordFormat::Delimited {
            let Some(to) = task.to else {
                // Whether it is a message at all is checked without the rules as well.
                return self.check(message, Trust::Unparsed);
            };
            if task.leave_unknown {
                rules::check_known(&self.tables, self.message(), message)?;
            } else if task.validate {
                self.check(message, Trust::Unparsed)?;
            }
            return self.write_record(to, message, output);
        }
        if task.to == Some(RecordFormat::Delimited) {
            let start = output.len();
            // Most sizes have two bytes.
            output.extend([0; 2]);
            self.read_record(task, message, output)?;
            put_size(output, start);
            return Ok(());
        }
        scratch.clear();
        self.read_record(task, message, scratch)?;
        match task.to {
            None => Ok(()),
            Some(to) => self.write_record(to, scratch, output),
        }
    }

    /// Reads a line and appends its message.
    #[inline]
    fn read_record(&self, task: &RecordTask, line: &[u8], out: &mut Vec<u8>) -> R<()> {
        let start = out.len();
        match task.from {
            RecordFormat::JsonLines => self.from_protojson(line, out)?,
            RecordFormat::CrucibleJsonLines => self.from_crucible_json(line, out)?,
            RecordFormat::Delimited => return Err(Unsure),
        }
        if task.validate {
            self.check(&out[start..], Trust::Parsed)?;
        }
        Ok(())
    }

    /// Appends a message as a line.
    #[inline]
    fn write_record(&self, to: RecordFormat, message: &[u8], out: &mut Vec<u8>) -> R<()> {
        match to {
            RecordFormat::JsonLines => self.to_protojson(message, Names::Json, out)?,
            RecordFormat::CrucibleJsonLines => self.to_crucible_json(message, out)?,
            // The message may be in another order than the one that is written.
            RecordFormat::Delimited => return Err(Unsure),
        }
        out.push(b'\n');
        Ok(())
    }
}

/// Completes a record from an offset on, whose first two bytes are to be its size.
fn put_size(output: &mut Vec<u8>, start: usize) {
    let size = output.len() - start - 2;
    let mut varint = Vec::with_capacity(10);
    put_varint(&mut varint, size as u64);
    if varint.len() == 2 {
        output[start..start + 2].copy_from_slice(&varint);
    } else {
        output.splice(start..start + 2, varint);
    }
}

/// The outcome of some of the records of a piece.
struct Part {
    count: usize,
    output: Vec<u8>,
    unsure: Vec<UnsureRecord>,
}

/// Calls a function with consecutive records on each of some threads.
fn on_threads(threads: usize, spans: &[Span], work: impl Fn(&[Span]) -> Part + Sync) -> Vec<Part> {
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
        return Vec::new();
    };
    let bytes = last.message.end - first.start;
    let threads = threads.min(bytes / BYTES_PER_THREAD).clamp(1, MAX_THREADS);
    let mut shares = spans.chunks(spans.len().div_ceil(threads));
    let own = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = shares
            .map(|share| {
                let thread = thread::Builder::new().spawn_scoped(scope, move || work(share));
                (share, thread)
            })
            .collect();
        let mut parts = vec![work(own)];
        for (share, thread) in others {
            parts.push(match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // The system has no more threads.
                Err(_) => work(share),
            });
        }
        parts
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schema;

    const TASK: RecordTask = RecordTask {
        from: RecordFormat::Delimited,
        to: None,
        validate: true,
        leave_unknown: false,
        threads: 1,
        max_bytes: 300,
        max_empty: 2,
        empty: 0,
    };

    fn stages(task: RecordTask, piece: &[u8]) -> Records {
        let stage = Schema::built_in().message_type("crucible_ir.v1.StageDef");
        stage.unwrap().records(&task, piece)
    }

    fn unsure(records: &Records) -> Vec<(usize, Range<usize>, usize, usize)> {
        let unsure = records.unsure.iter();
        unsure
            .map(|each| (each.index, each.message.clone(), each.line, each.at))
            .collect()
    }

    #[test]
    fn delimited_records_are_found_and_checked() {
        // The size of the third record has two bytes more than necessary.
        let data = b"\x03\x0a\x01a\x00\x83\x80\x00\x0a\x01b\x05\x0a";
        let found = stages(TASK, data);
        assert_eq!((found.offsets, found.end), (vec![0, 4, 5], 11));
        assert_eq!((found.stop, found.empty), (Stop::End, 0));
        let found = stages(TASK, data);
        assert_eq!(unsure(&found), [(1, 5..5, 0, 0)]);
        assert_eq!(found.output.concat(), b"");
    }

    #[test]
    fn whatever_is_no_record_within_the_limits_is_left_to_the_caller() {
        let long = [&b"\xad\x02"[..], &[0; 301]].concat();
        for (data, end, stop) in [
            (&b"\x03\x0a\x01a\x80"[..], 4, Stop::End),
            (&[0xff; 9], 0, Stop::End),
            (&[0xff; 10], 0, Stop::Odd),
            (b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", 0, Stop::Odd),
            (b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 0, Stop::Odd),
            (&long, 0, Stop::Odd),
            (&[0; 5], 2, Stop::Empty),
        ] {
            let found = stages(TASK, data);
            assert_eq!((found.end, found.stop), (end, stop), "{data:x?}");
        }
        assert_eq!(stages(RecordTask { empty: 1, ..TASK }, &[0; 5]).end, 1);
    }

    #[test]
    fn lines_are_found_and_read() {
        let lines = RecordTask {
            from: RecordFormat::JsonLines,
            to: Some(RecordFormat::Delimited),
            ..TASK
        };
        let data = b"{\"name\":\"a\"}\r\r\n \t\r\x0b\x0c\n{}\n{\"name\":\"b\"}\n{";
        let found = stages(lines, data);
        assert_eq!(
            (&found.offsets, found.end, found.lines, found.empty),
            (&vec![0, 21, 24], 37, 4, 0)
        );
        assert_eq!(unsure(&found), [(1, 21..23, 2, 4)]);
        assert_eq!(found.output.concat(), b"\x03\x0a\x01a\x03\x0a\x01b");
        let found = stages(
            RecordTask {
                validate: false,
                ..lines
            },
            data,
        );
        assert_eq!(found.output.concat(), b"\x03\x0a\x01a\x00\x03\x0a\x01b");
        assert_eq!(stages(lines, b"\n\n\n{}\n").stop, Stop::Empty);
        let long = [&[b' '; 301][..], b"\n"].concat();
        assert_eq!(stages(lines, &long).stop, Stop::Odd);
    }

    #[test]
    fn binary_messages_become_lines_and_those_with_unknown_fields_can_be_left() {
        let task = RecordTask {
            to: Some(RecordFormat::JsonLines),
            ..TASK
        };
        // The second message has an unknown field 127.
        let data = b"\x03\x0a\x01a\x06\x0a\x01b\xf8\x07\x01";
        let found = stages(task, data);
        assert_eq!(
            found.output.concat(),
            b"{\"name\":\"a\"}\n{\"name\":\"b\"}\n"
        );
        let found = stages(
            RecordTask {
                leave_unknown: true,
                ..task
            },
            data,
        );
        assert_eq!(found.output.concat(), b"{\"name\":\"a\"}\n");
        assert_eq!(unsure(&found), [(1, 5..11, 0, 13)]);
    }

    #[test]
    fn the_sizes_of_written_records_have_as_many_bytes_as_necessary() {
        for length in [0, 1, 125, 126, 16_380, 16_381, 70_000] {
            let mut output = b"before\0\0".to_vec();
            output.extend(vec![b'x'; length]);
            put_size(&mut output, 6);
            let mut expected = b"before".to_vec();
            put_varint(&mut expected, length as u64);
            expected.extend(vec![b'x'; length]);
            assert_eq!(output, expected);
        }
    }

    #[test]
    fn threads_keep_the_order() {
        let mut data = Vec::new();
        for number in 0..20_000 {
            let text = if number % 7 == 0 {
                "{\"name\":\"\"}\n".to_owned()
            } else {
                format!("{{\"name\":\"{number}\"}}\n")
            };
            data.extend(text.into_bytes());
        }
        let task = RecordTask {
            from: RecordFormat::JsonLines,
            to: Some(RecordFormat::Delimited),
            ..TASK
        };
        let one = stages(task, &data);
        assert_eq!(one.unsure.len(), 20_000_usize.div_ceil(7));
        for threads in [0, 2, 3, 1000] {
            let many = stages(RecordTask { threads, ..task }, &data);
            assert_eq!(many.output.concat(), one.output.concat());
            assert_eq!(
                (many.unsure, many.offsets),
                (one.unsure.clone(), one.offsets.clone())
            );
        }
    }
}
