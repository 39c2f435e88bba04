//! Which frequencies of the images does a network use, when does it discover
//! them, and what could have been known from the data alone?

pub mod error;
pub mod field;
pub mod figure;
pub mod progress;
pub mod seed;
pub mod spectrum;

pub use error::{Error, Result};
