//! How much noise of each octave the answers bear: `measure` says how, `channel` what is made of it.

pub mod channel;
mod measure;
pub mod pyramid;

pub use measure::*;

use super::{About, Needs, Part, Shown, Words};
use crate::audit::Reference;
use crate::audit::csv::{Cell, Csv, rate};
use crate::audit::numbers::{Beside, Measured};
use crate::audit::pens::{DRAWN, LEVEL, MEASURED, OTHER, bars, dotted, measured};
use crate::audit::published::{CHANNELS, Published, listed};
use crate::plot::{Axis, Block, Heat, INK, Key, Layer, Marker, Panel, Pen, Sign, Stroke};
use channel::{LEVELS, MOST};

/// What is found.
pub type Found = Masking;

/// Octaves of the images that published numbers are of.
const PUBLISHED: usize = 7;

impl Masking {
    // Octaves from 0, with their frequencies for names.
    fn axis(&self) -> Axis {
        let places = self.octaves.iter().enumerate().map(|(i, o)| (i as f64, o.frequency.to_string()));
        Axis::linear("noise of the octave called (cycles/image)")
            .within(-0.6, self.octaves.len() as f64 - 0.4)
            .named(places.collect())
    }

    fn thresholds(&self) -> Vec<(f64, f64, Option<[f64; 2]>)> {
        let points = self.octaves.iter().enumerate();
        points.filter_map(|(i, o)| Some((i as f64, o.interpolated?, o.interval))).collect()
    }

    fn panel(&self, title: &str) -> Panel {
        let y = Axis::linear("strongest noise borne (SD)").within(-0.3, MOST + 0.3);
        let places = ["≥0.16", "0.08", "0.04", "0.02", "none"];
        let places = places.into_iter().enumerate().map(|(i, text)| (i as f64, text.to_owned()));
        Panel::new(title, self.axis(), y.named(places.collect()))
    }

    // A channel as a curve over octaves.
    fn curve(&self, fitted: &Fitted) -> Vec<(f64, f64)> {
        const STEPS: usize = 120;
        let span = self.octaves.len() as f64 - 1.0;
        let places = (0..=STEPS).map(|i| span * i as f64 / STEPS as f64);
        places.map(|x| (x, fitted.at(x))).collect()
    }

    fn comparable(&self) -> bool {
        self.octaves.len() == PUBLISHED
    }
}

impl Part for Masking {
    const ABOUT: About = About {
        title: "Critical band masking",
        what: "How much noise of each octave the answers bear",
        needs: Needs { labels: false, range: true },
        table: "masking.csv",
        figure: Some(("masking.png", "Answers to faint grey images under noise of one octave, and thresholds.")),
        terms: &[(
            "channel",
            "The Gaussian, over octaves, through the thresholds of noise: its full width at half height, its middle, \
             and its height A as 2^(A − 4). Subramanian et al., NeurIPS 2023.",
        )],
    };

    #[cfg(feature = "torch")]
    fn check(look: &super::Look) -> crate::Result<()> {
        let (h, w) = look.size();
        if h.min(w) >= SMALLEST {
            return Ok(());
        }
        let expected = format!("at least {SMALLEST}x{SMALLEST}, for four octaves");
        Err(crate::Error::lacking(crate::error::Lack::Size, "images", expected, format_args!("{h}x{w}")))
    }

    #[cfg(feature = "torch")]
    fn cost(_: &super::Ask, sizes: &super::Sizes) -> super::Cost {
        let (h, w) = sizes.size;
        super::Cost::filtered(1 + octaves(h, w).0 * (LEVELS.len() - 1))
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        look.once(super::Name::masking, &(), || measure(look.subject, look.clean, look.ask.seed))
    }

    fn words(&self, _: &Shown) -> Words {
        let mut words = Words::default();
        let what = match self.reference {
            Reference::Labels => "right answers",
            Reference::Predictions => "the answers to the images as they are",
        };
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        match (&self.channel, &self.reach) {
            (Some(Fitted { channel, .. }), reach) => {
                let interval = |of: Option<[f64; 2]>| {
                    of.map_or_else(String::new, |[low, high]| format!(" ({low:.2} to {high:.2})"))
                };
                words.find(format!(
                    "Noise in octaves: a channel of {:.2} octaves{} about {:.2} cycles per image{}.",
                    channel.bandwidth,
                    interval(reach.map(|r| r.bandwidth)),
                    channel.centre,
                    interval(reach.map(|r| r.centre)),
                ));
            }
            (None, _) if self.octaves.iter().all(|o| o.interpolated.is_none()) => words.find(format!(
                "Noise in octaves: nothing to mask; without noise {} of the faint grey images have {what}, where chance is {}.",
                percent(self.clean.share),
                percent(self.chance)
            )),
            (None, _) => words.find(format!(
                "Noise in octaves: no channel with a peak; without noise {} of the faint grey images have {what}.",
                percent(self.clean.share)
            )),
        }
        words.text.push(format!(
            "{} images, grey, of contrast {CONTRAST} about {MEAN}; {what}: {} without noise. Thresholds are where half of \
             that above chance is left ({}), interpolated between levels of noise; {} of the values under the \
             strongest noise left [0, 1].",
            self.images,
            percent(self.clean.share),
            percent(self.criterion),
            percent(self.outside),
        ));
        words.text.push(match &self.published {
            Some(Fitted { channel: c, .. }) => format!(
                "As published (the strongest of five levels that leaves more than half right): {:.2} octaves, {:.1} cycles \
                 per image, peak {:.2}.",
                c.bandwidth, c.centre, c.peak
            ),
            None => "As published (the strongest of five levels that leaves more than half right): no peak.".to_owned(),
        });
        if self.comparable() {
            let [widths, centres] = [0, 1].map(|i| CHANNELS.map(|pair| pair[i]));
            words.text.push(format!(
                "Published for 16 classes of 224×224 pixels: octaves: {}; cycles per image: {}.",
                listed(&widths),
                listed(&centres)
            ));
        }
        words
    }

    /// A line per octave and level of noise.
    fn table<'a>(&'a self, _: &Shown<'a>) -> Csv<'a> {
        let rows = self.octaves.iter().flat_map(|octave| {
            octave.right.iter().zip(LEVELS).map(move |(right, level)| {
                let mut row = vec![Cell::Number(octave.frequency), Cell::Number(level)];
                row.extend(rate(Some(*right)));
                let [low, high] = octave.interval.map_or([None; 2], |interval| interval.map(Some));
                row.push(Cell::Number(octave.stepped));
                row.extend([octave.interpolated, low, high].map(Cell::from));
                row
            })
        });
        let header = [
            "octave",
            "noise",
            "right",
            "right_low",
            "right_high",
            "stepped",
            "threshold",
            "threshold_low",
            "threshold_high",
        ];
        Csv::new(header, rows)
    }

    fn figure(&self, shown: &Shown) -> Vec<Block> {
        let levels = LEVELS.into_iter().enumerate().map(|(i, level)| (i as f64, level.to_string()));
        let y = Axis::linear("noise (SD of pixels)").within(-0.5, 4.5).named(levels.collect());
        let mut shares = Panel::new("(a) Right answers", self.axis(), y);
        let of = |(level, octave): (usize, usize)| self.octaves[octave].right[level].share;
        shares.layers.push(Layer::Heat(Heat {
            x: (0..self.octaves.len()).map(|i| i as f64).collect(),
            y: (0..5).map(f64::from).collect(),
            values: ndarray::Array2::from_shape_fn((5, self.octaves.len()), of),
            limits: (0.0, 1.0),
            log: false,
            bar: Some("share of images".to_owned()),
        }));
        let mut thresholds = self.panel("(b) Thresholds");
        let dashed = |pen: Pen| Pen { stroke: Stroke::Dashed, width: 1.0, ..pen };
        for (fitted, pen) in [(&self.channel, MEASURED), (&self.published, OTHER)] {
            if let Some(fitted) = fitted {
                thresholds.layers.push(Layer::Line(self.curve(fitted), dashed(pen)));
            }
        }
        let points = self.thresholds();
        thresholds.layers.extend(bars(points.iter().filter_map(|(x, _, reach)| Some((*x, (*reach)?))), DRAWN));
        thresholds.layers.extend(dotted(points.into_iter().map(|(x, y, _)| (x, y)).collect(), 0.7, MEASURED, Marker::Dot));
        let stepped = self.octaves.iter().enumerate().map(|(i, o)| (i as f64, o.stepped)).collect();
        thresholds.layers.push(Layer::Points(stepped, Marker::Square, OTHER.colour));
        let mut keys = vec![
            measured("threshold, interpolated, with 95 % interval"),
            Key::new(vec![Sign::Marker(Marker::Square, OTHER.colour)], "as published: steps at one half"),
            Key::new(vec![Sign::Line(dashed(LEVEL))], "channel (Gaussian) through each"),
        ];
        if self.comparable() {
            // Half heights, from side to side.
            let [width, centre]: [Published; 2] = CHANNELS[0];
            let middle = (centre.value / self.octaves[0].frequency).log2();
            let ends = [-0.5, 0.5].map(|side| (middle + side * width.value, MOST / 2.0));
            thresholds.layers.push(Layer::Line(ends.to_vec(), Pen { colour: INK, width: 1.6, stroke: Stroke::Solid }));
            let text = format!("{}: width at half height (published)", width.of);
            keys.push(Key::new(vec![Sign::Line(Pen { colour: INK, width: 1.6, stroke: Stroke::Solid })], text));
        }
        vec![
            Block::Heading(format!("Noise in octaves on images for {}", shown.network)),
            Block::Panels(vec![shares, thresholds], 320.0, 1.0),
            Block::Legend(keys),
        ]
    }

    fn numbers(&self) -> Vec<(&'static str, &'static str, Option<Measured>)> {
        let of = |value: fn(&channel::Channel) -> f64, interval: Option<[f64; 2]>| {
            self.channel.as_ref().map(|fitted| Measured { value: value(&fitted.channel), interval })
        };
        vec![
            ("masking, bandwidth", "octaves", of(|c| c.bandwidth, self.reach.map(|r| r.bandwidth))),
            ("masking, centre", "cycles/image", of(|c| c.centre, self.reach.map(|r| r.centre))),
        ]
    }

    fn beside(&self, other: &Self) -> Vec<Beside> {
        if self.octaves.len() != other.octaves.len() {
            return Vec::new();
        }
        let panel = self.panel("Thresholds of noise in octaves");
        vec![Beside { panel, points: [self.thresholds(), other.thresholds()] }]
    }
}
