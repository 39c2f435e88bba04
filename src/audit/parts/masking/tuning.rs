//! What noise of each octave does to answers: thresholds of the noise, and the channel through them.

use serde::{Deserialize, Serialize};

use super::channel::{Channel, Gaussian, LEVELS, MOST, fit, interpolated, stepped};
use crate::audit::Rate;
use crate::audit::csv::{Cell, Csv, rate};
use crate::audit::numbers::{Beside, Measured};
use crate::audit::pens::{DRAWN, LEVEL, MEASURED, OTHER, bars, dotted, measured};
use crate::audit::published::{CHANNELS, Published, listed};
use crate::plot::{Axis, Block, Heat, INK, Key, Layer, Marker, Panel, Pen, Sign, Stroke};

/// Octaves of the images that published numbers are of.
pub const PUBLISHED: usize = 7;

/// Answers with noise in one octave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Octave {
    /// Cycles per image that it is called by.
    pub frequency: f64,
    /// Right answers by level of noise, the first without.
    pub right: [Rate; 5],
    /// Threshold as published: steps from the strongest noise to one that leaves half of the answers right.
    pub stepped: f64,
    /// Threshold interpolated at the criterion; None where answers without noise are not above chance.
    pub interpolated: Option<f64>,
    /// Its 95 % interval over bootstraps of the images.
    pub interval: Option<[f64; 2]>,
}

/// A Gaussian through thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// Bandwidth, centre and peak sensitivity.
    pub channel: Channel,
    /// Height, middle and standard deviation of the Gaussian, in steps and octaves.
    pub gaussian: [f64; 3],
}

impl Fitted {
    fn new(gaussian: Gaussian, first: f64) -> Self {
        let Gaussian { height, middle, deviation } = gaussian;
        Self { channel: gaussian.channel(first), gaussian: [height, middle, deviation] }
    }

    /// Its value in octave `x`, from 0.
    pub fn at(&self, x: f64) -> f64 {
        let [height, middle, deviation] = self.gaussian;
        Gaussian { height, middle, deviation }.at(x)
    }
}

/// Intervals of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// Of the bandwidth, in octaves.
    pub bandwidth: [f64; 2],
    /// Of the centre, in cycles per image.
    pub centre: [f64; 2],
    /// Bootstraps in which there was a peak, of all.
    pub peaked: f64,
}

/// What noise of each octave does to the answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// Images that were shown.
    pub images: u64,
    /// Right answers without noise: grey, of low contrast.
    pub clean: Rate,
    /// The share that answers at random would have.
    pub chance: f64,
    /// The share at which interpolated thresholds are: half-way from chance to `clean`.
    pub criterion: f64,
    /// By octave, the lowest first.
    pub octaves: Vec<Octave>,
    /// The channel as published: stepped thresholds at one half. None without a peak.
    pub published: Option<Fitted>,
    /// The channel through interpolated thresholds. None without a peak in the octaves or next to them.
    pub channel: Option<Fitted>,
    /// Its 95 % intervals over bootstraps of the images, where there is a peak in most.
    pub reach: Option<Reach>,
}

impl Tuning {
    /// Of the `rates` of right answers to `images` images by octave, from `first` cycles per image, and
    /// level of noise, and the same of resampled images. Without noise all octaves have the same rate.
    pub fn new(
        images: u64,
        chance: f64,
        first: f64,
        rates: Vec<[Rate; 5]>,
        resampled: impl Fn(u64) -> Vec<[Rate; 5]>,
    ) -> Self {
        /// Resamples of the images.
        const DRAWS: u64 = 200;
        let shares = |rates: &[[Rate; 5]]| rates.iter().map(|r| r.map(|rate| rate.share)).collect::<Vec<_>>();
        let criterion = |shares: &[[f64; 5]]| (shares[0][0] + chance) / 2.0;
        let thresholds = |shares: &[[f64; 5]]| -> Vec<f64> {
            let criterion = criterion(shares);
            shares.iter().map(|s| interpolated(s, criterion)).collect()
        };
        let all = shares(&rates);
        let found = thresholds(&all);
        let clean = rates[0][0];
        // Without answers above chance there is nothing that noise could take.
        let above = clean.interval[0] > chance;
        let steps: Vec<f64> = all.iter().map(stepped).collect();
        let fitted = |thresholds: &[f64]| fit(thresholds).map(|g| Fitted::new(g, first));
        // A peak far from all octaves is none that was seen.
        let last = rates.len() as f64;
        let seen = |fitted: &Fitted| (-1.0..=last).contains(&fitted.gaussian[1]);
        let drawn = (0..DRAWS).map(|draw| {
            let drawn = thresholds(&shares(&resampled(draw)));
            let channel = fitted(&drawn).filter(seen).map(|fitted| fitted.channel);
            (drawn, channel)
        });
        let drawn: Vec<(Vec<f64>, Option<Channel>)> = drawn.collect();
        let interval = |values: Vec<f64>| crate::stats::middle95(&values);
        let peaks: Vec<Channel> = drawn.iter().filter_map(|(_, channel)| *channel).collect();
        let channel = fitted(&found).filter(|fitted| above && seen(fitted));
        let peaked = peaks.len() as f64 / DRAWS as f64;
        let reach = (channel.is_some() && peaked >= 0.9).then(|| Reach {
            bandwidth: interval(peaks.iter().map(|c| c.bandwidth).collect()),
            centre: interval(peaks.iter().map(|c| c.centre).collect()),
            peaked,
        });
        let octaves = rates.into_iter().enumerate().map(|(i, right)| Octave {
            frequency: first * f64::from(1u32 << i),
            right,
            stepped: steps[i],
            interpolated: above.then_some(found[i]),
            interval: above.then(|| interval(drawn.iter().map(|(drawn, _)| drawn[i]).collect())),
        });
        Self {
            images,
            clean,
            chance,
            criterion: criterion(&all),
            octaves: octaves.collect(),
            published: fitted(&steps),
            channel,
            reach,
        }
    }

    // Octaves from 0, with their frequencies for names.
    fn axis(&self) -> Axis {
        let places = self.octaves.iter().enumerate().map(|(i, o)| (i as f64, o.frequency.to_string()));
        Axis::linear("noise of the octave called (cycles/image)")
            .within(-0.6, self.octaves.len() as f64 - 0.4)
            .named(places.collect())
    }

    /// Thresholds by octave from 0, with their intervals.
    pub fn thresholds(&self) -> Vec<(f64, f64, Option<[f64; 2]>)> {
        let points = self.octaves.iter().enumerate();
        points.filter_map(|(i, o)| Some((i as f64, o.interpolated?, o.interval))).collect()
    }

    /// Room for thresholds.
    pub fn panel(&self, title: &str) -> Panel {
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

    /// Whether it is one of as many octaves as published numbers are of.
    fn comparable(&self) -> bool {
        self.octaves.len() == PUBLISHED
    }

    /// What the channel is under `title`, of answers that are called `what`.
    pub fn finding(&self, title: &str, what: &str) -> String {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        match (&self.channel, &self.reach) {
            (Some(Fitted { channel, .. }), reach) => {
                let interval = |of: Option<[f64; 2]>| {
                    of.map_or_else(String::new, |[low, high]| format!(" ({low:.2} to {high:.2})"))
                };
                format!(
                    "{title}: a channel of {:.2} octaves{} about {:.2} cycles per image{}.",
                    channel.bandwidth,
                    interval(reach.map(|r| r.bandwidth)),
                    channel.centre,
                    interval(reach.map(|r| r.centre)),
                )
            }
            (None, _) if self.octaves.iter().all(|o| o.interpolated.is_none()) => format!(
                "{title}: nothing to mask; without noise {} of the faint grey images have {what}, where chance is {}.",
                percent(self.clean.share),
                percent(self.chance)
            ),
            (None, _) => format!(
                "{title}: no channel with a peak; without noise {} of the faint grey images have {what}.",
                percent(self.clean.share)
            ),
        }
    }

    /// The channel as published, and what is published.
    pub fn as_published(&self) -> Vec<String> {
        let mut text = Vec::new();
        text.push(match &self.published {
            Some(Fitted { channel: c, .. }) => format!(
                "As published (the strongest of five levels that leaves more than half right): {:.2} octaves, {:.1} cycles \
                 per image, peak {:.2}.",
                c.bandwidth, c.centre, c.peak
            ),
            None => "As published (the strongest of five levels that leaves more than half right): no peak.".to_owned(),
        });
        if self.comparable() {
            let [widths, centres] = [0, 1].map(|i| CHANNELS.map(|pair| pair[i]));
            text.push(format!(
                "Published for 16 classes of 224×224 pixels: octaves: {}; cycles per image: {}.",
                listed(&widths),
                listed(&centres)
            ));
        }
        text
    }

    /// A line per octave and level of noise.
    pub fn table(&self) -> Csv<'_> {
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

    /// Shares of right answers and thresholds, under `heading`.
    pub fn figure(&self, heading: String) -> Vec<Block> {
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
            Block::Heading(heading),
            Block::Panels(vec![shares, thresholds], 320.0, 1.0),
            Block::Legend(keys),
        ]
    }

    /// Thresholds of two networks, where both are of the same octaves.
    pub fn beside(&self, other: &Self, title: &str) -> Vec<Beside> {
        if self.octaves.len() != other.octaves.len() {
            return Vec::new();
        }
        let panel = self.panel(title);
        vec![Beside { panel, points: [self.thresholds(), other.thresholds()] }]
    }

    /// Bandwidth and centre of the channel, where there is one.
    pub fn measured(&self) -> [Option<Measured>; 2] {
        let of = |value: fn(&Channel) -> f64, interval: Option<[f64; 2]>| {
            self.channel.as_ref().map(|fitted| Measured { value: value(&fitted.channel), interval })
        };
        [of(|c| c.bandwidth, self.reach.map(|r| r.bandwidth)), of(|c| c.centre, self.reach.map(|r| r.centre))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_beside_the_octaves_is_no_channel() {
        // Of 8 images, by level of noise; thresholds 2, 1, 0.5, 0.2, 0, 0, 0, of which the peak is 2.6 octaves below.
        let right = [
            [8, 8, 4, 0, 0],
            [8, 8, 8, 4, 0],
            [8, 8, 8, 8, 0],
            [8, 8, 8, 8, 3],
            [8; 5],
            [8; 5],
            [8; 5],
        ];
        let rates = |right: &[[u64; 5]]| right.iter().map(|r| r.map(|n| Rate::new(n, 8))).collect::<Vec<_>>();
        let of = |right: &[[u64; 5]]| Tuning::new(8, 0.0, 1.75, rates(right), |_| rates(right));
        let found = of(&right);
        let thresholds: Vec<f64> = found.octaves.iter().map(|o| o.interpolated.unwrap()).collect();
        for (threshold, expected) in thresholds.iter().zip([2.0, 1.0, 0.5, 0.2, 0.0, 0.0, 0.0]) {
            assert!((threshold - expected).abs() < 1e-12, "{thresholds:?}");
        }
        let middle = fit(&thresholds).unwrap().middle;
        assert!((-2.7..-2.6).contains(&middle), "{middle}");
        assert_eq!((found.channel, found.reach), (None, None));
        assert!(found.finding("Noise", "right answers").contains("no channel with a peak"));
        // Two octaves further up it is one.
        let higher = of(&[[[8; 5], [8, 8, 8, 4, 0]].as_slice(), &right[..5]].concat());
        let channel = higher.channel.unwrap();
        assert!((0.0..4.0).contains(&channel.gaussian[1]) && higher.reach.is_some(), "{channel:?}");
    }
}
