//! The binary as a user meets it. Index: `inspect` (numbers, JSON, pictures),
//! `bad_input` (one clear error each), `train` (run directories, figures;
//! feature `torch`), `readme` (its commands run), `cifar` (numbers on the real
//! images; skipped where they are not).

mod bad_input;
mod cifar;
mod inspect;
mod readme;
mod support;
#[cfg(feature = "torch")]
mod train;
