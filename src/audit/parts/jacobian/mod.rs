//! To which frequencies the outputs react: [`squared`] says how it is measured.

mod measure;
#[cfg(all(test, feature = "torch"))]
mod tests;

pub use measure::*;

use super::{About, Needs, Part, Shown, Words};
use crate::audit::chapter::listed;
use crate::audit::csv::{Cell, Csv};
#[cfg(feature = "torch")]
use crate::audit::gradient::Options;
use crate::audit::numbers::{Beside, Measured};
use crate::audit::pens::{MEASURED, RADIUS, dotted};
use crate::plot::{Axis, Block, Marker, Panel};

/// What is found.
pub type Found = SquaredJacobian;

impl Part for SquaredJacobian {
    const ABOUT: About = About {
        title: "Squared Jacobian",
        what: "To which frequencies its outputs react",
        needs: Needs::NONE,
        table: "jacobian.csv",
        figure: Some(("jacobian.png", "Energy of the Jacobian by radius.")),
        terms: &[],
    };

    #[cfg(feature = "torch")]
    fn cost(ask: &super::Ask, sizes: &super::Sizes) -> super::Cost {
        let options = Options::asked(ask.effort, ask.seed);
        let each = 1.0 + super::BACKWARD * options.passes(sizes.outputs) as f64;
        super::Cost { fixed: options.images as f64 * each, ..super::Cost::default() }
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        let options = Options::asked(look.ask.effort, look.ask.seed);
        let progress = |total| crate::progress::Progress::new("Jacobians (images)", total);
        look.once(super::Name::jacobian, &options, || Ok(squared(look.subject, &options, progress)?.0))
    }

    fn words(&self, _: &Shown) -> Words {
        let how = match self.draws {
            None => "exact".to_owned(),
            Some(draws) => format!("estimated from {draws} random signs of the {} outputs", self.outputs),
        };
        let line = format!(
            "Squared Jacobian of the outputs: energy-weighted mean frequency {:.3} cycles per pixel; half of the \
             energy is in {:.0} of {} frequencies.",
            self.centroid.value, self.half.value, self.frequencies
        );
        let strongest = listed(self.strongest.iter().take(3).map(|s| (s.row, s.col, s.share)));
        let text = format!("{line} Strongest: {strongest}. Mean over {} images, {how}.", self.images);
        Words { text: vec![text], findings: vec![line], table: None }
    }

    /// A line per ring of radial frequency; `_se` is a standard error.
    fn table<'a>(&'a self, _: &Shown<'a>) -> Csv<'a> {
        let rows = self.radial.iter().map(|ring| {
            let mut row = vec![Cell::Number(ring.radius), ring.entries.into()];
            row.extend([Cell::Number(ring.energy.value), ring.energy.se.into(), Cell::Number(ring.share)]);
            row
        });
        Csv::new(["radius", "entries", "energy", "energy_se", "share"], rows)
    }

    fn figure(&self, shown: &Shown) -> Vec<Block> {
        let mut panel =
            Panel::new("Squared Jacobian", Axis::linear(RADIUS), Axis::log("energy per frequency"));
        panel.subtitle = format!("centroid {:.3} cycles/pixel", self.centroid.value);
        let there = self.radial.iter().filter(|r| r.entries > 0 && r.energy.value > 0.0);
        let points = there.map(|r| (r.radius, r.energy.value / r.entries as f64)).collect();
        panel.layers.extend(dotted(points, 0.7, MEASURED, Marker::Dot));
        let heading = format!("Frequencies that the outputs of {} react to", shown.network);
        vec![Block::Heading(heading), Block::Panels(vec![panel], 320.0, 0.7)]
    }

    fn numbers(&self) -> Vec<(&'static str, &'static str, Option<Measured>)> {
        let of = |estimate| Some(Measured::jackknifed(estimate, self.images));
        vec![
            ("squared Jacobian, centroid", "cycles/pixel", of(self.centroid)),
            ("squared Jacobian, participation ratio", "entries", of(self.participation)),
            ("squared Jacobian, half of the energy in", "frequencies", of(self.half)),
        ]
    }

    fn beside(&self, other: &Self) -> Vec<Beside> {
        // Outputs have scales of their own: what counts is where the energy is.
        let points = [self, other].map(|j| {
            let all: usize = j.radial.iter().map(|r| r.entries).sum();
            let there = j.radial.iter().filter(|r| r.entries > 0 && r.share > 0.0);
            there.map(|r| (r.radius, r.share * all as f64 / r.entries as f64, None)).collect::<Vec<_>>()
        });
        let y = Axis::log("energy / flat spectrum");
        vec![Beside { panel: Panel::new("Squared Jacobian", Axis::linear(RADIUS), y), points }]
    }
}
