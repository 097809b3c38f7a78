//! The messages of Crucible IR as structs of [prost], with clients of its exchange.
//!
//! The README has an example, and lists the features.
// The code and the comments of the schema come from generators.
#![allow(missing_docs, clippy::all, rustdoc::all)]

/// The messages of the IR.
pub mod v1 {
    include!("generated/crucible_ir.v1.rs");
}

/// The exchange: its messages, and with the feature `client` its clients.
pub mod exchange {
    /// Version 1 of the exchange.
    pub mod v1 {
        include!("generated/crucible_ir.exchange.v1.rs");
    }
}

/// The messages of the conformance tests.
pub mod conformance {
    /// Version 1 of the conformance tests.
    pub mod v1 {
        include!("generated/crucible_ir.conformance.v1.rs");
    }
}

/// The schema with its rules, as a serialized `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/crucible_ir.binpb");

/// The descriptors of the schema; with the feature `validate` also those of the rules in its options.
#[cfg(feature = "reflect")]
pub static DESCRIPTORS: std::sync::LazyLock<prost_reflect::DescriptorPool> =
    std::sync::LazyLock::new(|| {
        #[cfg(feature = "validate")]
        let mut pool = prost_protovalidate::types::DESCRIPTOR_POOL.clone();
        #[cfg(not(feature = "validate"))]
        let mut pool = prost_reflect::DescriptorPool::global();
        pool.decode_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .expect("the descriptor set is complete");
        pool
    });
