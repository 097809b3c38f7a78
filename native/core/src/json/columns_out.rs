//! Writes the JSON in the cells of columns.

use super::entries::Entries;
use super::message_out::Writer;
use super::opaque_out::{Plain, write_list, write_struct, write_value};
use super::protojson_out::KnownFields;
use crate::tables::{Message, Tables, WellKnown};
use crate::unsure::R;

/// Appends the ProtoJSON of a message inside another one. Unknown fields are unsure.
#[inline]
pub(crate) fn write_json<'a>(
    tables: &'a Tables,
    message: &'a Message,
    entries: &mut Entries<'a>,
    out: &mut Vec<u8>,
    data: &'a [u8],
    depth: u32,
) -> R<()> {
    let form = KnownFields(Plain(tables.exponents));
    match message.well_known {
        WellKnown::Struct => write_struct(form, out, entries, data, depth),
        WellKnown::Value => write_value(form, out, entries, data, depth),
        WellKnown::ListValue => write_list(form, out, entries, data, depth),
        _ => Writer::new(tables, form, out).message(message, data, depth),
    }
}
