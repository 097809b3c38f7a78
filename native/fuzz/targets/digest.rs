//! Fuzzes `MessageType::digest` and `to_canonical_json`.
#![cfg_attr(fuzzing, no_main)]

crucible_ir_fuzz::target!(crucible_ir_fuzz::digest);
