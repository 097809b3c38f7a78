//! Fuzzes `MessageType::from_crucible_json`.
#![cfg_attr(fuzzing, no_main)]

crucible_ir_fuzz::target!(crucible_ir_fuzz::from_crucible_json);
