//! Figures: plain data in, one PNG out, drawn with [`crate::plot`].

pub mod curves;
pub mod depth;
pub mod dominance;
pub mod index;
pub mod modes;
pub mod natural;
pub mod order;
pub mod resnet;
pub mod speed;
pub mod stages;
