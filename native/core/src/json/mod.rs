//! JSON in the dialects of the Python package, between text and protobuf's wire format.

mod base64;
mod input;
pub(crate) mod keys;
mod number;
pub(crate) mod protojson_in;
mod scan;
mod sink;
mod times;
