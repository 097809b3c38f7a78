//! Generates the types of the schema, and the clients of its services.

use std::{error::Error, fs};

use prost_reflect::DescriptorPool;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=crucible_ir.binpb");
    let schema = fs::read("crucible_ir.binpb")?;
    let mut builder = tonic_prost_build::configure()
        .build_server(false)
        .include_file("schema.rs");
    for message in DescriptorPool::decode(&*schema)?.all_messages() {
        let name = message.full_name();
        let attributes = format!(
            "#[derive(::prost_reflect::ReflectMessage)]\n\
             #[prost_reflect(message_name = \"{name}\", descriptor_pool = \"crate::DESCRIPTORS\")]"
        );
        builder = builder.message_attribute(name, attributes);
    }
    builder.compile_fds(FileDescriptorSet::decode(&*schema)?)?;
    Ok(())
}
