//! The schema as Rust types that know their descriptors.

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

/// The descriptors of the schema, and of the rules in its options.
pub static DESCRIPTORS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut pool = prost_protovalidate::types::DESCRIPTOR_POOL.clone();
    pool.decode_file_descriptor_set(include_bytes!("../crucible_ir.binpb").as_slice())
        .expect("the descriptor set is whole");
    pool
});

include!(concat!(env!("OUT_DIR"), "/schema.rs"));
