//! Blocks stacked on one page.
//!
//! A [`Block`] takes the width of the page and as much of its height as it needs,
//! so that legends stand between or below the axes and cover nothing.

use super::canvas::render;
use super::legend::{self, Key, arrange};
use super::panel::{Panel, Placed};
use super::png::Picture;
use super::style::{FROM_CORNER, MARGIN, TITLE, TITLE_LINE, blue_white_red, bold, grey, viridis};
use super::text::fit;
use super::tiles::{BAR, Bar, KEY_HEIGHT, Look, Table, Tiles, check_tiles, draw_bar};
use crate::error::Result;

/// Width of a page of full text width, pixels.
pub const FULL: f64 = 1500.0;
/// Width of a page with one set of axes.
pub const SINGLE: f64 = 1000.0;

/// Between the panels of a row.
const GAP: f64 = 30.0;
/// Between blocks.
const BLOCK_GAP: f64 = 16.0;

/// A strip of the page.
#[derive(Clone, Debug)]
pub enum Block {
    /// A bold heading.
    Heading(String),
    /// Panels side by side: their axes' height, and the share of the page's
    /// width that they take in its middle.
    Panels(Vec<Panel>, f64, f64),
    /// A table of image tiles.
    Tiles(Tiles),
    /// Colour bars side by side.
    Bars(Vec<Bar>),
    /// A legend.
    Legend(Vec<Key>),
}

impl Block {
    /// Panels in rows of `columns`, with axes of this height on this share of the
    /// page's width.
    pub fn rows(panels: Vec<Panel>, columns: usize, height: f64, share: f64) -> Vec<Block> {
        let mut rest = panels.into_iter().peekable();
        let mut rows = Vec::new();
        while rest.peek().is_some() {
            rows.push(Block::Panels(rest.by_ref().take(columns.max(1)).collect(), height, share));
        }
        rows
    }
}

/// A block that knows its height, and where.
enum Prepared<'a> {
    Heading(&'a str),
    Panels(Vec<Placed<'a>>, f64),
    Tiles(&'a Tiles, Table),
    Bars(&'a [Bar]),
    Legend(&'a [Key]),
}

fn prepare(block: &Block, width: f64) -> Result<(Prepared<'_>, f64)> {
    Ok(match block {
        Block::Heading(text) => (Prepared::Heading(text), TITLE_LINE + 4.0),
        Block::Panels(panels, height, share) => {
            let placed: Result<Vec<_>> = panels.iter().map(|p| Placed::new(p, *height)).collect();
            let mut placed = placed?;
            let room = (width - 2.0 * MARGIN) * share;
            let margins: f64 = placed.iter().map(|p| p.left_margin + p.right_margin).sum();
            let gaps = GAP * placed.len().saturating_sub(1) as f64;
            let weights: f64 = panels.iter().map(|p| p.weight).sum();
            let mut x = 0.5 * (width - room);
            for p in &mut placed {
                p.left = x + p.left_margin;
                p.width = ((room - margins - gaps) * p.panel.weight / weights).max(40.0);
                x = p.right() + p.right_margin + GAP;
            }
            let header = placed.iter().map(Placed::header).fold(0.0, f64::max);
            let footer = placed.iter().map(Placed::footer).fold(0.0, f64::max);
            (Prepared::Panels(placed, header), header + height + footer)
        }
        Block::Tiles(tiles) => {
            check_tiles(tiles)?;
            let table = Table::new(tiles, width);
            let height = table.header + table.row * tiles.rows.len() as f64;
            (Prepared::Tiles(tiles, table), height)
        }
        Block::Bars(bars) => (Prepared::Bars(bars), if bars.is_empty() { 0.0 } else { KEY_HEIGHT }),
        Block::Legend(keys) => {
            (Prepared::Legend(keys), legend::ROW * arrange(keys, width - 2.0 * MARGIN).rows as f64)
        }
    })
}

/// Draws the blocks one below the other on a page of this width.
///
/// # Errors
/// [`Error::Input`] for what cannot be drawn: infinite values, values that fit
/// on no axis, matrices without a column for every place.
pub fn picture(blocks: &[Block], width: f64) -> Result<Picture> {
    let prepared: Result<Vec<_>> = blocks.iter().map(|b| prepare(b, width)).collect();
    let mut prepared: Vec<_> = prepared?.into_iter().filter(|p| p.1 > 0.0).collect();
    let mut tops = Vec::new();
    let mut y = MARGIN;
    for (i, (block, height)) in prepared.iter().enumerate() {
        tops.push(y);
        // Lines of one legend belong together.
        let next = prepared.get(i + 1).map(|p| &p.0);
        y += height
            + match (block, next) {
                (_, None) | (Prepared::Legend(_), Some(Prepared::Legend(_))) => 0.0,
                // What follows a legend is another subject, and so are more axes.
                (Prepared::Legend(_), Some(_)) => 2.0 * BLOCK_GAP,
                (Prepared::Panels(..), Some(Prepared::Panels(..))) => 2.0 * BLOCK_GAP,
                _ => BLOCK_GAP,
            };
    }
    let height = y + MARGIN - 4.0;
    render(width as usize, height.max(2.0 * MARGIN).ceil() as usize, |canvas| {
        for ((block, _), &top) in prepared.iter_mut().zip(&tops) {
            match block {
                Prepared::Heading(text) => {
                    let line = fit(text, width - 2.0 * MARGIN, bold(TITLE));
                    canvas.text(&line, (MARGIN, top), FROM_CORNER, bold(TITLE))?;
                }
                Prepared::Panels(panels, header) => {
                    for p in panels {
                        p.top = top + *header;
                        p.draw(canvas, *header)?;
                    }
                }
                Prepared::Tiles(tiles, table) => table.draw(canvas, tiles, top)?,
                Prepared::Bars(bars) => {
                    let pitch = (width - 2.0 * MARGIN) / bars.len() as f64;
                    for (i, bar) in bars.iter().enumerate() {
                        let x = MARGIN + pitch * i as f64 + 0.5 * (pitch - BAR.0).max(0.0);
                        draw_bar(canvas, (x, top), &bar.label, &bar.marks, |u| match bar.look {
                            Look::Signed => blue_white_red(2.0 * u - 1.0),
                            Look::Grey => grey(u),
                            Look::Decades(_) => viridis(u),
                        })?;
                    }
                }
                Prepared::Legend(keys) => legend::draw(canvas, keys, top, width)?,
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::axis::Axis;
    use super::super::legend::Sign;
    use super::super::panel::{Heat, Layer};
    use super::super::pen::{Marker, Pen, Stroke};
    use super::super::style::{GRID, INK, PALETTE};
    use super::super::testing::free_rim;
    use plotters::style::RGBColor;

    use super::*;
    use ndarray::Array2;

    fn one(layers: Vec<Layer>, x: Axis, y: Axis) -> Result<Picture> {
        let panel = Panel { layers, ..Panel::new("title", x, y) };
        picture(&[Block::Panels(vec![panel], 300.0, 1.0)], 600.0)
    }

    #[test]
    fn line_and_point_stand_where_the_axes_say() {
        let pen = Pen::new(PALETTE[0], 2.0, Stroke::Solid);
        let x = || Axis::log("x").within(1.0, 100.0).unlabelled();
        let y = || Axis::linear("y").within(0.0, 4.0).unlabelled();
        let picture = one(
            vec![
                Layer::Horizontal(1.0, pen),
                Layer::Points(vec![(10.0, 3.0), (f64::NAN, 1.0), (0.0, 2.0)], Marker::Square, PALETTE[1]),
            ],
            x(),
            y(),
        )
        .unwrap();
        let (left, right, top) = (MARGIN + 10.0, 600.0 - MARGIN - 26.0, MARGIN + TITLE_LINE + 14.0);
        let at =
            |u: f64, v: f64| picture.pixel((left + u * (right - left)) as usize, (top + v * 300.0) as usize);
        let rgb = |c: RGBColor| [c.0, c.1, c.2];
        assert_eq!(at(0.3, 0.75), rgb(PALETTE[0]));
        assert_eq!(at(0.5, 0.25), rgb(PALETTE[1]));
        assert_eq!(at(0.3, 0.25), [255; 3].map(|_: u8| at(0.3, 0.25)[0]), "nothing coloured elsewhere");
        // Values beyond the axes leave no ink beyond them.
        let wild =
            one(vec![Layer::Line(vec![(1.0, -1e300), (3.0, 1e300), (1e9, 7.0)], pen)], x(), y()).unwrap();
        for y in 0..wild.height {
            for x in (0..left as usize - 6).chain(right as usize + 6..wild.width) {
                assert_ne!(wild.pixel(x, y), rgb(PALETTE[0]), "{x} {y}");
            }
        }
    }

    #[test]
    fn heat_map_has_its_first_row_where_the_axis_says() {
        let heat = Heat {
            x: vec![0.0, 1.0],
            y: vec![0.0, 1.0],
            values: ndarray::array![[1.0, 0.0], [0.5, f64::NAN]],
            limits: (0.0, 1.0),
            log: false,
            bar: None,
        };
        let y = Axis::linear("").within(1.5, -0.5).unlabelled();
        let picture = one(vec![Layer::Heat(heat)], Axis::linear("").unlabelled(), y).unwrap();
        let at = |u: f64, v: f64| {
            let (left, right, top) = (MARGIN + 10.0, 600.0 - MARGIN - 26.0, MARGIN + TITLE_LINE + 14.0);
            let p = picture.pixel((left + u * (right - left)) as usize, (top + v * 300.0) as usize);
            RGBColor(p[0], p[1], p[2])
        };
        assert_eq!(at(0.25, 0.25), viridis(1.0));
        assert_eq!(at(0.75, 0.25), viridis(0.0));
        assert_eq!(at(0.25, 0.75), viridis(0.5));
        assert_eq!(at(0.75, 0.75), GRID);
    }

    #[test]
    fn odd_data_draw() {
        let nan = f64::NAN;
        let pen = Pen::new(INK, 1.0, Stroke::Dashed);
        let series: Vec<Vec<(f64, f64)>> = vec![
            vec![],
            vec![(1.0, 1.0)],
            vec![(nan, nan); 3],
            vec![(5.0, 2.0); 4],
            vec![(-1.0, 0.0), (0.0, -3.0)],
            vec![(1e-300, 1e-300), (1e300, 1e300)],
            vec![(1.0, 1.0), (1.0 + 1e-15, 1.0 - 1e-16)],
        ];
        for points in series {
            for (x, y) in [
                (Axis::linear("x"), Axis::linear("y")),
                (Axis::log("x"), Axis::log("y")),
                (Axis::log("x"), Axis::linear("y").within(1.0, -1.0)),
            ] {
                let layers = vec![
                    Layer::Line(points.clone(), pen),
                    Layer::Points(points.clone(), Marker::Triangle, INK),
                    Layer::Identity(pen),
                    Layer::Vertical(nan, pen),
                    Layer::Horizontal(-1.0, pen),
                ];
                free_rim(&one(layers, x, y).unwrap());
            }
        }
        picture(&[], 300.0).unwrap();
        picture(&[Block::Legend(vec![]), Block::Bars(vec![]), Block::Panels(vec![], 10.0, 1.0)], 300.0)
            .unwrap();
    }

    #[test]
    fn long_words_and_many_entries_stay_on_the_page() {
        let word = "a very long name ".repeat(12);
        let axis = || Axis::linear(&word);
        let mut panel = Panel::new(&word, axis(), axis());
        panel.subtitle = word.clone();
        panel
            .layers
            .push(Layer::Line(vec![(0.0, 0.0), (123_456.0, 1e9)], Pen::new(INK, 1.0, Stroke::Dotted)));
        let line = Sign::Line(Pen::new(INK, 1.0, Stroke::Solid));
        let keys = |count: usize, text: &str| (0..count).map(|_| Key::new(vec![line], text)).collect();
        let blocks = [
            Block::Panels(vec![panel; 3], 250.0, 1.0),
            Block::Legend(keys(3, &word)),
            Block::Legend(keys(23, "mode 12")),
        ];
        free_rim(&picture(&blocks, FULL).unwrap());
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        let x = || Axis::linear("x");
        let fails = |layer: Layer, x: Axis, words: &str| {
            let error = one(vec![layer], x, Axis::linear("y")).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("title"), "{error}");
        };
        let pen = Pen::new(INK, 1.0, Stroke::Solid);
        fails(Layer::Line(vec![(f64::INFINITY, 0.0)], pen), x(), "finite");
        fails(Layer::Points(vec![(0.0, f64::NEG_INFINITY)], Marker::Dot, INK), x(), "finite");
        fails(Layer::Line(vec![(-f64::MAX, 0.0), (f64::MAX, 0.0)], pen), x(), "fit on one axis");
        fails(Layer::Vertical(f64::INFINITY, pen), x(), "finite");
        fails(Layer::Horizontal(1.0, pen), x().within(2.0, 2.0), "two finite ends");
        fails(Layer::Horizontal(1.0, pen), Axis::log("x").within(0.0, 2.0), "two finite ends");
        let heat = |x: Vec<f64>, limits| {
            Layer::Heat(Heat { x, y: vec![0.0], values: Array2::ones((1, 2)), limits, log: true, bar: None })
        };
        fails(heat(vec![0.0], (0.1, 1.0)), x(), "1 rows of 1");
        fails(heat(vec![1.0, 0.0], (0.1, 1.0)), x(), "ascending");
        fails(heat(vec![0.0, 1.0], (0.0, 1.0)), x(), "limits");
    }
}
