//! The answer of the core when it is not certain.

/// The core is not certain: the input may be valid or not. The caller asks another implementation,
/// such as the Python package, which also words the errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsure;

impl std::fmt::Display for Unsure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the core is not certain about this input")
    }
}

impl std::error::Error for Unsure {}

/// A certain result.
pub(crate) type R<T> = Result<T, Unsure>;
