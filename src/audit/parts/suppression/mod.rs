//! Answers to images without their shape, texture or colour: `measure` says how.

mod filters;
mod measure;

pub use filters::{bilateral, blurred, greyed, shuffled};
pub use measure::*;

use super::{About, Needs, Part, Shown, Words};
use crate::audit::chapter::percent;
use crate::audit::csv::{Cell, Csv, header, rate};
use crate::audit::numbers::Measured;
use crate::audit::pens::{answer_keys, answers};
use crate::plot::{Axis, Block, Panel};

/// What is found.
pub type Found = Suppression;

#[cfg(feature = "torch")]
impl Options {
    fn of(ask: &super::Ask) -> Self {
        Self { step: ask.effort.of([1, 2, 4]), seed: ask.seed }
    }
}

/// What taking a cue away costs, in filters of frequencies: the bilateral filter looks at up to 14×14 pixels
/// for each. Measured on two cores, 224×224 pixels, mean over the cues; 2 on 16 cores.
#[cfg(feature = "torch")]
const BILATERAL: f64 = 4.0;

impl Part for Suppression {
    const ABOUT: About = About {
        title: "Cues taken away",
        what: "Answers to images without shape, texture or colour",
        needs: Needs { range: true, ..Needs::NONE },
        table: "suppression.csv",
        figure: Some(("suppression.png", "Answers to images with more and more of a cue taken away.")),
        terms: &[(
            "Cues taken away",
            "patches shuffled, bilateral filter, Gaussian blur, grey; strengths of the published code. Burgert et al., \
             NeurIPS 2025.",
        )],
    };

    #[cfg(feature = "torch")]
    fn cost(ask: &super::Ask, sizes: &super::Sizes) -> super::Cost {
        let (h, w) = sizes.size;
        let passes = Options::of(ask).conditions([3, h, w]).len();
        super::Cost { filters: BILATERAL * passes as f64, ..super::Cost::filtered(passes) }
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        let options = Options::of(look.ask);
        look.once(super::Name::suppression, &options, || measure(look.subject, look.clean, &options))
    }

    fn words(&self, _: &Shown) -> Words {
        let mut words = Words::default();
        let what = if self.accuracy.is_some() { "Accuracy" } else { "Answers that stay" };
        let left = self.curves.iter().filter_map(|curve| {
            let rate = self.at_strongest(curve.cue)?;
            Some(format!("{} without {} ({})", percent(&rate), curve.cue.what(), curve.cue.how()))
        });
        let left: Vec<_> = left.collect();
        if !left.is_empty() {
            let whole = self.accuracy.map_or_else(String::new, |rate| format!("; whole images: {}", percent(&rate)));
            words.find(format!("{what} with the most taken away: {}{whole}.", left.join(", ")));
        }
        words.text.push(format!(
            "{} images; chance is {:.1} %. Where nothing is lost, the answers do not need this cue alone; where something \
             is, other cues may have gone with it. Lengths are in pixels, and were chosen for images of 224×224.",
            self.images,
            100.0 * self.chance
        ));
        words
    }

    /// A line for each cue and strength.
    fn table<'a>(&'a self, _: &Shown<'a>) -> Csv<'a> {
        let rows = self.curves.iter().flat_map(|curve| {
            curve.points.iter().map(move |point| {
                let mut row = vec![Cell::Text(curve.cue.how())];
                row.extend(point.strength.map(Cell::Number));
                row.extend(rate(point.accuracy));
                row.extend(rate(Some(point.agreement)));
                row
            })
        });
        let header = header(&["suppression", "strength", "second"], &["accuracy", "agreement"]);
        Csv::new(header, rows)
    }

    fn figure(&self, shown: &Shown) -> Vec<Block> {
        let panels = self.curves.iter().zip('a'..).map(|(curve, letter)| {
            let title = format!("({letter}) Without {}", curve.cue.what());
            let values = curve.points.iter().map(|p| p.strength[0]);
            let (low, high) = values.fold((f64::INFINITY, 0.0), |(a, b): (f64, f64), v| (a.min(v), b.max(v)));
            let room = 0.06 * (high - low).max(0.5 * high);
            let x = Axis::linear(curve.cue.unit()).within(low - room, high + room);
            let mut panel = Panel::new(&title, x, Axis::linear("share of images").within(0.0, 1.02));
            panel.subtitle = curve.cue.how().to_owned();
            let points = curve.points.iter().map(|p| (p.strength[0], p.accuracy, p.agreement)).collect::<Vec<_>>();
            answers(&mut panel, &points, self.accuracy, self.chance);
            panel
        });
        let panels: Vec<Panel> = panels.collect();
        let heading = format!("{} on images without cues", shown.network);
        let mut blocks = vec![Block::Heading(heading)];
        let mut panels = panels.into_iter().peekable();
        while panels.peek().is_some() {
            blocks.push(Block::Panels(panels.by_ref().take(2).collect(), 280.0, 1.0));
        }
        blocks.push(Block::Legend(answer_keys(self.accuracy.is_some())));
        blocks
    }

    fn numbers(&self) -> Vec<(&'static str, &'static str, Option<Measured>)> {
        let labelled = self.accuracy.is_some();
        let of = |cue| self.at_strongest(cue).filter(|_| labelled).map(Measured::from);
        Cue::ALL.map(|cue| (cue.number(), "", of(cue))).into()
    }
}
