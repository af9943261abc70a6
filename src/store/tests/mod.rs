//! Tests of the store as a whole: it is a function of the facts, and survives what happens to files.

pub(crate) mod world;

mod loss;
mod order;
mod recovery;
