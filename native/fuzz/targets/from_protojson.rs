//! Fuzzes `MessageType::from_protojson`.
#![cfg_attr(fuzzing, no_main)]

crucible_ir_fuzz::target!(crucible_ir_fuzz::from_protojson);
