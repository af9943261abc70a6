//! Observing what a run is made of: the code it runs, the command, its processes and files. Facts out; knows no store.

pub mod git;
