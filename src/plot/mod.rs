//! One drawing engine for all figures: plain data in, one PNG out, no system
//! font and no display needed.
//!
//! A page is a list of [`Block`]s: panels with axes, tables of image tiles, colour
//! bars and legends. Nothing here knows what is plotted.
//!
//! Everything is drawn with plotters at three times its size, averaged down,
//! encoded in memory and moved into place: a drawing that fails leaves no file
//! and harms none. Sizes are in points on paper at [`DPI`].

mod axis;
mod canvas;
mod check;
mod legend;
mod page;
mod panel;
mod pen;
mod png;
mod polyline;
mod style;
#[cfg(test)]
pub(crate) mod testing;
mod text;
mod ticks;
mod tiles;
mod viridis;

pub use axis::Axis;
pub use canvas::{Canvas, Lettering, SUB, render, text_width};
pub use check::{ascending, range, series};
pub use legend::{Key, Sign};
pub use page::{Block, FULL, SINGLE, picture};
pub use panel::{Heat, Layer, Panel};
pub use pen::{MARKERS, Marker, Pen, Stroke};
pub use plotters::style::RGBColor;
pub use png::Picture;
pub use style::{
    BELOW, DPI, FROM_CORNER, INK, LABEL, LEFT_OF, PALETTE, PAPER, QUIET, REST, SMALL, TITLE, blue_white_red,
    letters, mix, pt, viridis,
};
pub use text::wrap;
pub use ticks::{power_of_ten, tick_labels};
pub use tiles::{Bar, KEY_HEIGHT, Look, Tile, Tiles, draw_bar, draw_cells};
