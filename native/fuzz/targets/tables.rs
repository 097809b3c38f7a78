//! Fuzzes the loader of tables.
#![cfg_attr(fuzzing, no_main)]

crucible_ir_fuzz::target!(crucible_ir_fuzz::tables);
