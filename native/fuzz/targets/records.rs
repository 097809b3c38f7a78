//! Fuzzes `MessageType::records`.
#![cfg_attr(fuzzing, no_main)]

crucible_ir_fuzz::target!(crucible_ir_fuzz::records);
