//! Where the records are in a piece of a stream.

use std::ops::Range;

use super::{RecordTask, Stop};

/// The most bytes of a varint of 64 bits.
const MAX_VARINT_BYTES: usize = 10;

/// A record in a piece of a stream.
pub struct Span {
    pub start: usize,
    pub message: Range<usize>,
    pub line: usize,
}

/// The records of a piece.
pub struct Split {
    pub spans: Vec<Span>,
    pub end: usize,
    pub lines: usize,
    pub empty: usize,
    pub stop: Stop,
}

impl Split {
    fn new(task: &RecordTask, piece: &[u8]) -> Self {
        Self {
            spans: Vec::with_capacity(piece.len() / 256),
            end: 0,
            lines: 0,
            empty: task.empty,
            stop: Stop::End,
        }
    }

    /// Counts an empty record or blank line, and returns if it is one too many.
    fn is_one_too_many(&mut self, task: &RecordTask) -> bool {
        self.empty += 1;
        if self.empty > task.max_empty {
            self.stop = Stop::Empty;
        }
        self.stop == Stop::Empty
    }
}

pub fn delimited(task: &RecordTask, piece: &[u8]) -> Split {
    let mut split = Split::new(task, piece);
    while split.end < piece.len() {
        let start = split.end;
        let rest = &piece[start..];
        let Some((size, head)) = size_of(rest) else {
            if rest.len() >= MAX_VARINT_BYTES {
                split.stop = Stop::Odd;
            }
            break;
        };
        if size > task.max_bytes as u64 {
            split.stop = Stop::Odd;
            break;
        }
        // The size is no more than the limit, which is a `usize`.
        let size = size as usize;
        if size > rest.len() - head {
            break;
        }
        if size > 0 {
            split.empty = 0;
        } else if split.is_one_too_many(task) {
            break;
        }
        let message = start + head..start + head + size;
        split.end = message.end;
        split.spans.push(Span {
            start,
            message,
            line: 0,
        });
    }
    split
}

/// The complete messages of a delimited stream in a buffer.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Frames {
    /// The offset of each message, after its size.
    pub starts: Vec<i64>,
    /// The offset after each message.
    pub ends: Vec<i64>,
    /// The number of empty messages.
    pub empty: usize,
}

impl Frames {
    /// Returns the messages in a buffer from an offset on, up to one that is incomplete or longer
    /// than a limit, or whose size is malformed.
    ///
    /// ```
    /// let frames = crucible_ir_core::Frames::of(b"\x01a\x00\x02bc\x05d", 0, 100);
    /// assert_eq!((frames.starts, frames.ends), (vec![1, 3, 4], vec![2, 3, 6]));
    /// ```
    pub fn of(data: &[u8], start: usize, max_bytes: usize) -> Self {
        let mut frames = Self::default();
        let mut at = start;
        while let Some((size, head)) = data.get(at..).and_then(size_of) {
            let missing = data.len() - at - head;
            if size > max_bytes as u64 || size > missing as u64 {
                break;
            }
            // The size is no more than the length of a slice.
            let size = size as usize;
            at += head + size;
            frames.starts.push((at - size) as i64);
            frames.ends.push(at as i64);
            frames.empty += usize::from(size == 0);
        }
        frames
    }
}

/// Returns the size at the start of a record, and how many bytes it has; `None` if it is incomplete
/// or has more than 64 bits.
#[inline(always)]
fn size_of(data: &[u8]) -> Option<(u64, usize)> {
    let mut size = 0;
    for (index, byte) in data.iter().take(MAX_VARINT_BYTES).enumerate() {
        if index == MAX_VARINT_BYTES - 1 && *byte > 1 {
            return None;
        }
        size |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return Some((size, index + 1));
        }
    }
    None
}

pub fn lines(task: &RecordTask, piece: &[u8]) -> Split {
    let mut split = Split::new(task, piece);
    for newline in memchr::memchr_iter(b'\n', piece) {
        let start = split.end;
        let line = &piece[start..newline];
        if line.len() > task.max_bytes {
            split.stop = Stop::Odd;
            break;
        }
        if !line.iter().all(|byte| is_blank(*byte)) {
            split.empty = 0;
            let breaks = line.iter().rev().take_while(|byte| **byte == b'\r');
            let message = start..newline - breaks.count();
            split.spans.push(Span {
                start,
                message,
                line: split.lines,
            });
        } else if split.is_one_too_many(task) {
            break;
        }
        split.lines += 1;
        split.end = newline + 1;
    }
    split
}

/// Whether a byte is white space in ASCII.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
