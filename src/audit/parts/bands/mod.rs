//! Answers to low-, high- and band-passed images: `measure` says how.

mod measure;

pub use measure::*;

use super::{About, Needs, Part, Shown, Words};
use crate::audit::csv::{Cell, Csv, header, rate};
use crate::audit::numbers::{Beside, Measured};
use crate::audit::published::{HIGH_FREQUENCY, LOW_FREQUENCY};
use crate::audit::pens::{MEASURED, PUBLISHED, answer_keys, answers, bars, dotted};
use crate::plot::{Axis, Block, Key, Layer, Marker, Panel, Pen, Sign};

/// What is found.
pub type Found = Bands;

#[cfg(feature = "torch")]
impl Options {
    // Of fewer filters, the more of a hurry there is.
    fn of(effort: super::Effort, h: usize, w: usize) -> Self {
        let radii = usual(h, w, effort.of([12, 6, 4]));
        Self { radii, squares: effort.of([true, true, false]), ..Self::default() }
    }
}

impl Bands {
    // Whether there are numbers of the kind that was published.
    fn comparable(&self) -> bool {
        self.clamp && !self.squares.is_empty() && self.accuracy.is_some_and(|rate| rate.count > 0)
    }

    /// The curves alone.
    pub fn in_short(&self, shown: &Shown) -> Vec<Block> {
        self.blocks(shown, false)
    }

    fn blocks(&self, shown: &Shown, squares: bool) -> Vec<Block> {
        let middle = |p: &Point| 0.5 * (p.above.max(0.0) + p.upto);
        let panels = vec![
            panel("(a) Low-pass", UPTO, &self.low, |p| p.upto, self),
            panel("(b) High-pass", ABOVE, &self.high, |p| p.above.max(0.0), self),
            panel("(c) Band-pass", "middle of the band (cycles/pixel)", &self.bands, middle, self),
        ];
        let mut keys = answer_keys(self.accuracy.is_some());
        let heading = format!("{} on filtered images", shown.network);
        let mut blocks = vec![Block::Heading(heading), Block::Panels(panels, 320.0, 1.0)];
        if squares {
            let low = self.square_panel("(d) Square low-pass", false, LOW_FREQUENCY);
            let high = self.square_panel("(e) Square high-pass", true, HIGH_FREQUENCY);
            blocks.push(Block::Panels(vec![low, high], 280.0, 1.0));
            keys.push(Key::new(vec![PUBLISHED], "published: torchvision's first ResNet-50 on ImageNet"));
        }
        blocks.push(Block::Legend(keys));
        blocks
    }

    // Accuracies with square filters, over that on whole images, beside published ones.
    fn square_panel(&self, title: &str, high: bool, published: [(f64, f64); 4]) -> Panel {
        let whole = self.accuracy.map_or(1.0, |rate| rate.share);
        let x = Axis::linear("cutoff (half cycles per pixel)").within(0.0, 1.0);
        let squares = self.squares.iter().filter(|square| square.high == high);
        let rates: Vec<_> = squares.filter_map(|square| Some((square.cutoff, square.accuracy?))).collect();
        // Of the accuracy alone: that on whole images counts as known.
        let intervals = rates.iter().map(|(x, rate)| (*x, rate.interval.map(|end| end / whole)));
        let most = intervals.clone().fold(1.0, |most: f64, (_, [_, high])| most.max(high));
        let mut panel = Panel::new(title, x, Axis::linear("relative accuracy").within(0.0, 1.05 * most));
        panel.layers.extend(bars(intervals, Pen { width: 0.8, ..MEASURED }));
        let points = rates.iter().map(|(x, rate)| (*x, rate.share / whole)).collect();
        panel.layers.extend(dotted(points, 0.7, MEASURED, Marker::Dot));
        if let Sign::Marker(marker, colour) = PUBLISHED {
            panel.layers.push(Layer::Points(published.to_vec(), marker, colour));
        }
        panel
    }
}

impl Part for Bands {
    const ABOUT: About = About {
        title: "Filtered images",
        what: "Answers to low-, high- and band-passed images",
        needs: Needs { range: true, ..Needs::NONE },
        table: "bands.csv",
        figure: Some(("bands.png", "Answers to low-, high- and band-passed images.")),
        terms: &[],
    };

    #[cfg(feature = "torch")]
    fn cost(ask: &super::Ask, sizes: &super::Sizes) -> super::Cost {
        let (h, w) = sizes.size;
        super::Cost::filtered(Options::of(ask.effort, h, w).passes())
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        let (h, w) = look.size();
        let options = Options::of(look.ask.effort, h, w);
        let key = (&options.radii, options.squares);
        look.once(super::Name::bands, &key, || measure(look.subject, look.clean, &options))
    }

    fn words(&self, _: &Shown) -> Words {
        let half = |accuracy: Option<f64>, agreement: Option<f64>| {
            if self.accuracy.is_some() { accuracy } else { agreement }
        };
        let what = if self.accuracy.is_some() { "accuracy" } else { "agreement with its own answers" };
        let low = half(self.low.half_accuracy, self.low.half_agreement);
        let high = half(self.high.half_accuracy, self.high.half_agreement);
        let said = |r: Option<f64>| {
            r.map_or_else(|| "at no radius".to_owned(), |r| format!("{r:.3} cycles per pixel"))
        };
        let mut words = Words::default();
        words.find(format!(
            "Radius at which it is half-way between chance and its full {what}: low-pass {}, high-pass {}.",
            said(low),
            said(high)
        ));
        if self.comparable() {
            let of = |high: bool| {
                let all = self.squares.iter().filter(|s| s.high == high);
                let all = all.filter_map(|s| Some(format!("{:.3} at {}", self.relative(s)?, s.cutoff)));
                all.collect::<Vec<_>>().join(", ")
            };
            words.text.push(format!(
                "Accuracy with a square of the spectrum alone, over that on whole images: low-frequency {}; high-frequency {} (cutoffs in half cycles per pixel). Published for torchvision's first ResNet-50 on ImageNet: {} and {}.",
                of(false),
                of(true),
                listed(LOW_FREQUENCY),
                listed(HIGH_FREQUENCY),
            ));
        }
        words.text.push(format!(
            "{} images; hard filters in pixel space, the mean of each channel kept; pixels {}.",
            self.images,
            if self.clamp { "clipped to [0, 1]" } else { "not clipped" }
        ));
        words
    }

    /// A line per filter: the radii that pass are above and upto; share of the
    /// frequencies and of the energy that pass; accuracy, and agreement with the answer
    /// to the whole image. Of square filters half the side of the square, along rows and columns.
    fn table<'a>(&'a self, _: &Shown<'a>) -> Csv<'a> {
        let curves = [("low-pass", &self.low), ("high-pass", &self.high), ("band-pass", &self.bands)];
        let rows = curves.into_iter().flat_map(|(name, curve)| {
            curve.points.iter().map(move |p| {
                let mut row = vec![Cell::Text(name)];
                row.extend([p.above, p.upto, p.frequencies, p.energy].map(Cell::Number));
                row.extend(rate(p.accuracy));
                row.extend(rate(Some(p.agreement)));
                row
            })
        });
        let squares = self.squares.iter().map(|square| {
            let at = square.cutoff / 2.0;
            let (name, above, upto) =
                if square.high { ("square high-pass", at, 0.5) } else { ("square low-pass", 0.0, at) };
            let mut row = vec![Cell::Text(name), Cell::Number(above), Cell::Number(upto)];
            row.extend([None, None].map(Cell::from));
            row.extend(rate(square.accuracy));
            row.extend(rate(Some(square.agreement)));
            row
        });
        let rows = rows.chain(squares);
        let header = header(&["filter", "above", "upto", "frequencies", "energy"], &["accuracy", "agreement"]);
        Csv::new(header, rows)
    }

    fn figure(&self, shown: &Shown) -> Vec<Block> {
        self.blocks(shown, self.comparable())
    }

    fn numbers(&self) -> Vec<(&'static str, &'static str, Option<Measured>)> {
        let (low, high) = (&self.low, &self.high);
        [
            ("low-pass, radius half-way from chance to the accuracy", low.half_accuracy),
            ("high-pass, radius half-way from chance to the accuracy", high.half_accuracy),
            ("low-pass, radius half-way from chance to agreement", low.half_agreement),
            ("high-pass, radius half-way from chance to agreement", high.half_agreement),
        ]
        .map(|(name, radius)| (name, "cycles/pixel", radius.map(Measured::from)))
        .into()
    }

    fn beside(&self, other: &Self) -> Vec<Beside> {
        let labelled = self.accuracy.is_some() && other.accuracy.is_some();
        let rate = |p: &Point| if labelled { p.accuracy } else { Some(p.agreement) };
        let y = || Axis::linear(if labelled { "accuracy" } else { "agreement" }).within(0.0, 1.02);
        let x = |text: &str| radial(text, self.low.points.iter().map(|p| p.upto));
        let points = |curve: &Curve, at: &dyn Fn(&Point) -> f64| {
            let points = curve.points.iter().filter_map(|p| {
                let rate = rate(p)?;
                Some((at(p), rate.share, Some(rate.interval)))
            });
            points.collect::<Vec<_>>()
        };
        let low = [&self.low, &other.low].map(|c| points(c, &|p| p.upto));
        let high = [&self.high, &other.high].map(|c| points(c, &|p| p.above.max(0.0)));
        vec![
            Beside { panel: Panel::new("Low-pass", x(UPTO), y()), points: low },
            Beside { panel: Panel::new("High-pass", x(ABOVE), y()), points: high },
        ]
    }
}

// "0.178 at 0.1, 0.530 at 0.2".
fn listed(published: [(f64, f64); 4]) -> String {
    published.map(|(cutoff, share)| format!("{share:.3} at {cutoff}")).join(", ")
}

const UPTO: &str = "frequencies up to (cycles/pixel)";
const ABOVE: &str = "frequencies above (cycles/pixel)";

/// An axis for radii that rise from 0 in equal steps, or by equal factors.
fn radial(label: &str, all: impl Iterator<Item = f64>) -> Axis {
    const END: f64 = 0.72;
    let all: Vec<f64> = all.collect();
    let steps = all.windows(2).map(|w| w[1] - w[0]);
    let (least, most) = steps.fold((f64::INFINITY, 0.0), |(a, b), step| (step.min(a), step.max(b)));
    match all.iter().copied().find(|r| *r > 0.0) {
        Some(first) if most > 1.5 * least => {
            let places = [0.0, 0.03, 0.1, 0.3].map(|r| (r, r.to_string()));
            Axis::log(label).starting_at_zero(first, END).named(places.to_vec())
        }
        _ => Axis::linear(label).within(-0.01, END),
    }
}

fn panel(name: &str, x: &str, curve: &Curve, at: impl Fn(&Point) -> f64, of: &Bands) -> Panel {
    let y = Axis::linear("share of images").within(0.0, 1.02);
    let mut panel = Panel::new(name, radial(x, curve.points.iter().map(&at)), y);
    let points = curve.points.iter().map(|p| (at(p), p.accuracy, p.agreement)).collect::<Vec<_>>();
    answers(&mut panel, &points, of.accuracy, of.chance);
    panel
}
