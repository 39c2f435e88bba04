//! Figures: plain data in, one PNG out, no system font and no display needed.
//!
//! Everything is drawn with plotters at three times its size, averaged down,
//! encoded in memory and moved into place: a drawing that fails leaves no file
//! and harms none. Sizes are in points on paper at [`style::DPI`].

pub mod canvas;
pub mod chart;
pub mod curves;
pub mod depth;
pub mod dominance;
pub mod index;
pub mod modes;
pub mod natural;
pub mod order;
pub mod png;
pub mod resnet;
pub mod speed;
pub mod stages;
pub mod style;
mod viridis;
