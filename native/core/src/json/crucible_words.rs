//! The words that decide how values of Crucible JSON are read.

use super::crucible_tables::CrucibleJson;

/// The most characters of the type of a part that are compared with those of the kinds.
const MAX_COMPARED: usize = 128;

/// Returns whether a string is a number of a map of doubles.
#[inline]
pub(super) fn is_not_finite(text: &[u8]) -> bool {
    matches!(text, b"NaN" | b"Infinity" | b"-Infinity")
}

/// Returns whether a string may be an RFC 3339 timestamp: one begins with the year.
#[inline]
pub(super) fn may_be_time(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit)
}

/// Returns whether the type of a part is certainly not one of its kinds, nor a misspelled one: it
/// differs from each by more than one edit, in lower case and without separators.
pub(super) fn is_other_kind(table: &CrucibleJson, name: &[u8]) -> bool {
    // Python's lower case of other characters may be ASCII.
    if !name.is_ascii() {
        return false;
    }
    let folded = fold(&name[..name.len().min(MAX_COMPARED)]);
    table
        .kinds
        .iter()
        .all(|kind| kind.name.is_ascii() && !within_one_edit(&folded, &fold(&kind.name)))
}

/// Returns a name in lower case, without separators.
fn fold(name: &[u8]) -> Vec<u8> {
    name.iter()
        .filter(|byte| !matches!(byte, b'-' | b'_' | b' '))
        .map(u8::to_ascii_lowercase)
        .collect()
}

/// Returns whether two names differ by at most one edit: an insertion, a deletion, a replacement or
/// a swap of two neighbours.
fn within_one_edit(left: &[u8], right: &[u8]) -> bool {
    let same = left
        .iter()
        .zip(right)
        .take_while(|(one, other)| one == other);
    let start = same.count();
    let (left, right) = (&left[start..], &right[start..]);
    let swapped = |left: &[u8], right: &[u8]| {
        matches!((left, right), ([a, b, left @ ..], [c, d, right @ ..])
            if a == d && b == c && left == right)
    };
    let tail = |name: &'_ [u8]| name.get(1..).unwrap_or_default().to_vec();
    tail(left) == tail(right) || tail(left) == right || left == tail(right) || swapped(left, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_edit() {
        for (one, other) in [
            ("", ""),
            ("", "a"),
            ("adma", "adam"),
            ("adamw", "adam"),
            ("adm", "adam"),
            ("adem", "adam"),
            ("dam", "adam"),
        ] {
            assert!(
                within_one_edit(one.as_bytes(), other.as_bytes()),
                "{one} {other}"
            );
            assert!(
                within_one_edit(other.as_bytes(), one.as_bytes()),
                "{one} {other}"
            );
        }
        for (one, other) in [
            ("lion", "adam"),
            ("", "ab"),
            ("adamwx", "adam"),
            ("adma", "adamx"),
        ] {
            assert!(
                !within_one_edit(one.as_bytes(), other.as_bytes()),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn folded_names() {
        assert_eq!(fold(b"Tool-Result_x y"), b"toolresultxy");
    }
}
