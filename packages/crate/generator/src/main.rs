//! Writes the Rust types of a schema, and the clients of its services.
//!
//! What needs an optional dependency of the crate is behind the feature that brings it.

use std::{env, error::Error, fs, path::PathBuf};

use prost_reflect::DescriptorPool;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn Error>> {
    let [schema, folder] = env::args_os()
        .skip(1)
        .map(PathBuf::from)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: crucible-ir-generator DESCRIPTOR_SET FOLDER")?;
    let schema = fs::read(schema)?;
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("crucible_ir.binpb"), &schema)?;
    let mut builder = tonic_prost_build::configure()
        .build_server(false)
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .out_dir(folder);
    for message in DescriptorPool::decode(&*schema)?.all_messages() {
        let name = message.full_name();
        let attributes = format!(
            "#[cfg_attr(feature = \"reflect\", derive(::prost_reflect::ReflectMessage))]\n\
             #[cfg_attr(feature = \"reflect\", prost_reflect(message_name = \"{name}\", \
             descriptor_pool = \"crate::DESCRIPTORS\"))]"
        );
        builder = builder.message_attribute(name, attributes);
    }
    builder.compile_fds(FileDescriptorSet::decode(&*schema)?)?;
    Ok(())
}
