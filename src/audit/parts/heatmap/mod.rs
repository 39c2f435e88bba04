//! The Fourier heat map: [`map`](HeatMap) says how it is made.

mod map;
#[cfg(feature = "torch")]
mod run;
mod store;

pub use map::*;
#[cfg(feature = "torch")]
pub use run::{discard_other, measure, merge_of};
pub use store::merge;

use super::{About, Needs, Part, Shown, Words};
use crate::audit::chapter::{capital, percent};
use crate::audit::csv::{Cell, Csv, rate};
use crate::audit::numbers::{Beside, Measured};
use crate::audit::pens::{self, DRAWN, LEVEL, MEASURED, RADIUS, bars, dotted, limits, measured};
use crate::plot::{Axis, Block, Key, Layer, Marker, Panel, Sign};

/// What is found.
pub type Found = HeatMap;

/// Frequencies of quick audits' maps, of small images and of large ones.
#[cfg(feature = "torch")]
const FREQUENCIES: [[Option<usize>; 2]; 3] = [[None, None], [Some(48), Some(24)], [Some(24), Some(16)]];

#[cfg(feature = "torch")]
impl Options {
    /// Those that are asked for.
    pub fn asked(look: &super::Look) -> Self {
        Self::of(look.ask, look.size())
    }

    fn of(ask: &super::Ask, (h, w): (usize, usize)) -> Self {
        let usual = Self::usual(h, w, ask.seed);
        let quick = ask.effort.of(FREQUENCIES)[usize::from(super::large(h, w))];
        Self { epsilon: ask.epsilon.unwrap_or(usual.epsilon), quick, ..usual }
    }
}

/// Computes one part of the map, of which nothing but the part is kept.
///
/// # Errors
/// As [`measure`]; [`crate::Error::Lacking`] for pixels outside [0, 1].
#[cfg(feature = "torch")]
pub fn shard(look: &super::Look, shard: Shard) -> crate::Result<HeatMap> {
    look.needs::<HeatMap>()?;
    measure(look.subject, look.clean, &Options::asked(look), Some(look.out), Some(shard), progress)
}

#[cfg(feature = "torch")]
fn progress(total: u64) -> crate::progress::Progress {
    crate::progress::Progress::new("heat map (frequencies)", total)
}

impl HeatMap {
    fn what(&self) -> &'static str {
        if self.labelled { "error rate" } else { "share of changed answers" }
    }
}

impl Part for HeatMap {
    const ABOUT: About = About {
        title: "Heat map",
        what: "The Fourier heat map",
        needs: Needs { range: true, ..Needs::NONE },
        table: "frequencies.csv",
        figure: Some((
            "heatmap.png",
            "Fourier heat map (Yin et al. 2019): frequency zero in the middle; half of it computed, the rest mirrored.",
        )),
        terms: &[(
            "Heat map",
            "pixels in [0, 1] plus a cosine of norm ε in each channel with random sign, cut to [0, 1], then \
             normalised. Yin et al., NeurIPS 2019.",
        )],
    };

    #[cfg(feature = "torch")]
    fn cost(ask: &super::Ask, sizes: &super::Sizes) -> super::Cost {
        let (h, w) = sizes.size;
        let (frequencies, _) = Options::of(ask, sizes.size).frequencies(crate::spectrum::Grid::new(h, w));
        super::Cost { each: frequencies.len() as f64, ..super::Cost::default() }
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        let options = Options::asked(look);
        if look.ask.merge {
            return merge_of(look.out, look.subject, &options);
        }
        if look.ask.force {
            discard_other(look.out, look.subject, &options)?;
        }
        measure(look.subject, look.clean, &options, Some(look.out), None, progress)
    }

    fn words(&self, _: &Shown) -> Words {
        let what = if self.labelled { "errors" } else { "changed answers" };
        let worst = self.entries.iter().max_by(|a, b| a.error.share.total_cmp(&b.error.share));
        let least = self.entries.iter().min_by(|a, b| a.error.share.total_cmp(&b.error.share));
        let mut words = Words::default();
        if let (Some(worst), Some(least)) = (worst, least) {
            let at = |e: &Entry| format!("({},{})", e.row, e.col).replace('-', "−");
            let clean = self.clean.map_or_else(String::new, |c| format!("; undisturbed: {}", percent(&c)));
            words.find(format!(
                "Disturbed by a single frequency of norm {:.2} per channel, the network makes most {what} at {}: {}, \
                 and fewest at {}: {}{clean}.",
                self.options.epsilon,
                at(worst),
                percent(&worst.error),
                at(least),
                percent(&least.error)
            ));
        }
        words.text.push(match self.sampled {
            Some(count) => format!(
                "A quick map: {count} of {} distinct frequencies were drawn (seed {}); what is grey was not computed.",
                self.frequencies, self.options.seed
            ),
            None => {
                format!("All {} distinct frequencies of the window, {} images.", self.frequencies, self.images)
            }
        });
        words
    }

    /// A line per frequency, from the parts of the map as well.
    fn table<'a>(&'a self, _: &Shown<'a>) -> Csv<'a> {
        let header = ["row", "col", "error", "error_low", "error_high", "distance", "distance_se"];
        let rows = self.entries.iter().map(|entry| {
            let mut row: Vec<_> = [entry.row, entry.col].map(|k| Cell::Number(f64::from(k))).into();
            row.extend(rate(Some(entry.error)));
            row.extend([Cell::Number(entry.distance), entry.distance_se.into()]);
            row
        });
        Csv::new(header, rows)
    }

    fn figure(&self, shown: &Shown) -> Vec<Block> {
        let (what, reach) = (self.what(), self.reach);
        let distances = self.distances();
        let (low, high) = limits(&distances);
        let panels = vec![
            pens::map(&format!("(a) {}", capital(what)), self.grid(), reach, what, (0.0, 1.0)),
            pens::map("(b) Distance of logits", distances, reach, "mean ‖Δz‖₂", (low.min(0.0), high)),
        ];
        let y = Axis::linear(what).within(0.0, 1.02);
        let mut curve = Panel::new("(c) By radius", Axis::linear(RADIUS), y);
        curve.layers.extend(bars(self.radial.iter().map(|r| (r.radius, r.interval)), DRAWN));
        let points = self.radial.iter().map(|r| (r.radius, r.error)).collect();
        curve.layers.extend(dotted(points, 0.6, MEASURED, Marker::Dot));
        let mut keys = vec![
            measured("mean of the ring"),
            Key::new(vec![Sign::Line(DRAWN)], "95 % interval over images"),
        ];
        if let Some(clean) = self.clean {
            curve.layers.push(Layer::Horizontal(clean.share, LEVEL));
            keys.push(Key::new(vec![Sign::Line(LEVEL)], "undisturbed images"));
        }
        vec![
            Block::Heading(format!("Fourier heat map of {}", shown.network)),
            Block::Panels(panels, 430.0, 1.0),
            Block::Panels(vec![curve], 280.0, 0.7),
            Block::Legend(keys),
        ]
    }

    fn numbers(&self) -> Vec<(&'static str, &'static str, Option<Measured>)> {
        let mean = |labelled: bool| {
            // A quick map has of each ring about as many: they count as in a full one.
            let sum = |of: fn(&Ring) -> f64| self.radial.iter().map(of).sum::<f64>();
            let mean = || Measured::from(sum(|r| r.error * r.of as f64) / sum(|r| r.of as f64));
            (self.labelled == labelled).then(mean)
        };
        vec![
            ("heat map, mean error", "", mean(true)),
            ("heat map, mean share of changed answers", "", mean(false)),
        ]
    }

    fn beside(&self, other: &Self) -> Vec<Beside> {
        let points = [self, other]
            .map(|m| m.radial.iter().map(|r| (r.radius, r.error, Some(r.interval))).collect::<Vec<_>>());
        let y = Axis::linear(self.what()).within(0.0, 1.02);
        vec![Beside { panel: Panel::new("Heat map", Axis::linear(RADIUS), y), points }]
    }
}
