//! JSON in the dialects of the Python package, between text and protobuf's wire format.

mod base64;
pub(crate) mod crucible_in;
#[allow(dead_code, reason = "the writer of Crucible JSON will use the rest")]
pub(crate) mod crucible_tables;
mod crucible_words;
mod input;
pub(crate) mod keys;
mod number;
pub(crate) mod protojson_in;
mod scan;
mod sink;
mod times;
