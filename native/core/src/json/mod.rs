//! JSON in the dialects of the Python package, between text and protobuf's wire format.

mod base64;
pub(crate) mod canonical;
pub(crate) mod columns_out;
pub(crate) mod crucible_in;
pub(crate) mod crucible_out;
pub(crate) mod crucible_tables;
mod crucible_words;
pub(crate) mod entries;
mod input;
pub(crate) mod keys;
mod message_out;
mod number;
mod opaque_out;
mod parts;
pub(crate) mod protojson_in;
pub(crate) mod protojson_out;
mod scan;
mod sink;
pub(crate) mod text;
mod times;
