//! The language held by its errors, and every search held against one that looks at all rows.

mod errors;
mod plain;
mod random;
mod random_models;
mod ways;
