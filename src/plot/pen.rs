//! What a panel is drawn with: lines and markers.

use plotters::style::RGBColor;

use super::canvas::Canvas;
use super::style::{PAPER, pt};
use crate::error::Result;

/// How a line is inked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// Without gaps: what was measured.
    Solid,
    /// Dashes: theory.
    Dashed,
    /// Short dashes: a second theory.
    Dotted,
}

/// Colour, width in points and stroke of a line.
#[derive(Clone, Copy, Debug)]
pub struct Pen {
    /// Ink.
    pub colour: RGBColor,
    /// Width, points.
    pub width: f64,
    /// Solid or dashed.
    pub stroke: Stroke,
}

impl Pen {
    /// A pen of that colour, width (points) and stroke.
    pub fn new(colour: RGBColor, width: f64, stroke: Stroke) -> Self {
        Self { colour, width, stroke }
    }

    pub(super) fn draw(self, canvas: &Canvas<'_>, points: &[(f64, f64)]) -> Result<()> {
        let dash = match self.stroke {
            Stroke::Solid => return canvas.line(points, self.colour, pt(self.width)),
            Stroke::Dashed => (11.0, 9.0),
            Stroke::Dotted => (2.5, 6.5),
        };
        canvas.dashes(points, self.colour, pt(self.width), dash)
    }
}

/// Shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Filled disc.
    Dot,
    /// Filled square.
    Square,
    /// Filled triangle, point upwards.
    Triangle,
    /// Filled square on its corner.
    Diamond,
    /// Filled triangle, point downwards.
    Wedge,
    /// Two strokes, ×.
    Cross,
    /// Open circle, wide enough for a filled marker inside.
    Ring,
}

/// Filled shapes in the order in which series get them.
pub const MARKERS: [Marker; 6] =
    [Marker::Dot, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Wedge, Marker::Cross];

impl Marker {
    pub(super) fn draw(self, canvas: &Canvas<'_>, (x, y): (f64, f64), colour: RGBColor) -> Result<()> {
        // Equal areas look equally large; a rim of paper keeps neighbours apart.
        let shape = |corners: &[(f64, f64)]| {
            let sized = |r: f64| corners.iter().map(|&(dx, dy)| (x + r * dx, y + r * dy)).collect::<Vec<_>>();
            canvas.polygon(&sized(pt(2.6)), PAPER)?;
            canvas.polygon(&sized(pt(2.0)), colour)
        };
        match self {
            Marker::Dot => {
                canvas.dot((x, y), pt(2.5), PAPER)?;
                canvas.dot((x, y), pt(2.0), colour)
            }
            Marker::Square => shape(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            Marker::Triangle => shape(&[(0.0, -1.3), (1.15, 0.75), (-1.15, 0.75)]),
            Marker::Diamond => shape(&[(0.0, -1.3), (1.2, 0.0), (0.0, 1.3), (-1.2, 0.0)]),
            Marker::Wedge => shape(&[(0.0, 1.3), (1.15, -0.75), (-1.15, -0.75)]),
            Marker::Cross => {
                let r = pt(1.8);
                canvas.line(&[(x - r, y - r), (x + r, y + r)], colour, pt(0.9))?;
                canvas.line(&[(x - r, y + r), (x + r, y - r)], colour, pt(0.9))
            }
            Marker::Ring => {
                let circle: Vec<_> = (0..=32)
                    .map(|i| (f64::from(i) / 32.0 * std::f64::consts::TAU).sin_cos())
                    .map(|(s, c)| (x + pt(3.2) * c, y + pt(3.2) * s))
                    .collect();
                canvas.line(&circle, colour, pt(0.7))
            }
        }
    }
}
