//! At which frequencies a small change of the image changes the loss: `measure` says how.

mod measure;

pub use measure::*;

use super::{About, Needs, Part, Shown, Words};
use crate::audit::Reference;
use crate::audit::csv::{Cell, Csv, header};
use crate::audit::numbers::{Beside, Measured};
use crate::audit::pens::{DRAWN, LEVEL, MEASURED, bars, dotted, measured};
use crate::plot::{Axis, Block, Key, Layer, Marker, Panel, Sign};

/// What is found.
pub type Found = Sensitivity;

impl Sensitivity {
    fn points(&self) -> Vec<(f64, f64, Option<[f64; 2]>)> {
        self.rings.iter().map(|r| (r.radius as f64, r.share.value, r.share.interval)).collect()
    }

    fn panel(&self, title: &str) -> Panel {
        let x = Axis::linear("radial frequency (cycles/image)");
        Panel::new(title, x, Axis::linear("share of the energy"))
    }
}

impl Part for Sensitivity {
    const ABOUT: About = About {
        title: "Fourier sensitivity",
        what: "At which frequencies a small change of the image changes the loss",
        needs: Needs::NONE,
        table: "sensitivity.csv",
        figure: Some(("sensitivity.png", "Energy of the loss's gradient by radius, a mean of shares over images.")),
        terms: &[(
            "Fourier sensitivity",
            "∂loss/∂x of each normalised image, averaged over channels; energies of its unitary DFT by rings of \
             round(√(u² + v²)) cycles per image, without frequency zero, over their sum; means over images. \
             Krishnamachari et al., TMLR 2023.",
        )],
    };

    #[cfg(feature = "torch")]
    fn cost(_: &super::Ask, _: &super::Sizes) -> super::Cost {
        super::Cost { each: 1.0 + super::BACKWARD, ..super::Cost::default() }
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        let progress = |total| crate::progress::Progress::new("Fourier sensitivity (images)", total);
        look.once(super::Name::sensitivity, &(), || measure(look.subject, look.clean, progress))
    }

    fn words(&self, _: &Shown) -> Words {
        let [low, middle, high] = self.bands.map(|band| {
            let percent = |v: f64| format!("{:.1}", 100.0 * v);
            let interval = band.share.interval.map(|[a, b]| format!(" ({} to {})", percent(a), percent(b)));
            format!("{} %{}", percent(band.share.value), interval.unwrap_or_default())
        });
        let [_, middle_from, high_from] = self.bands.map(|band| band.from);
        let mut words = Words::default();
        words.find(format!(
            "Fourier sensitivity: {low} of the energy of the loss's gradient is below {middle_from:.1} cycles per image, \
             {middle} from there to {high_from:.1}, {high} above."
        ));
        let against = match self.reference {
            Reference::Labels => "labels",
            Reference::Predictions => "the network's own answers",
        };
        let silent = match self.silent {
            0 => String::new(),
            n => format!("; {n} left out, at which the gradient is zero"),
        };
        words.text.push(format!("Mean over {} images{silent}; cross-entropy against {against}.", self.images));
        words
    }

    /// A line per ring.
    fn table<'a>(&'a self, _: &Shown<'a>) -> Csv<'a> {
        let rows = self.rings.iter().map(|ring| {
            let [low, high] = ring.share.interval.map_or([None; 2], |interval| interval.map(Some));
            vec![ring.radius.into(), Cell::Number(ring.share.value), low.into(), high.into()]
        });
        Csv::new(header(&["radius"], &["share"]), rows)
    }

    fn figure(&self, shown: &Shown) -> Vec<Block> {
        let mut panel = self.panel("Fourier sensitivity");
        panel.layers.extend(self.bands[1..].iter().map(|band| Layer::Vertical(band.from, LEVEL)));
        let points = self.points();
        panel.layers.extend(bars(points.iter().filter_map(|(x, _, reach)| Some((*x, (*reach)?))), DRAWN));
        let points = points.into_iter().map(|(x, y, _)| (x, y)).collect();
        panel.layers.extend(dotted(points, 0.7, MEASURED, Marker::Dot));
        let keys = vec![
            measured("mean over images"),
            Key::new(vec![Sign::Line(DRAWN)], "95 % interval"),
            Key::new(vec![Sign::Upright(LEVEL)], "N/6 and N/3: ends of the low and the middle band"),
        ];
        vec![
            Block::Heading(format!("Frequencies of ∂loss/∂x of {}", shown.network)),
            Block::Panels(vec![panel], 320.0, 0.7),
            Block::Legend(keys),
        ]
    }

    fn numbers(&self) -> Vec<(&'static str, &'static str, Option<Measured>)> {
        let names = [
            "Fourier sensitivity, share below N/6",
            "Fourier sensitivity, share from N/6 to N/3",
            "Fourier sensitivity, share above N/3",
        ];
        let of = |band: Band| Measured { value: band.share.value, interval: band.share.interval };
        names.into_iter().zip(self.bands).map(|(name, band)| (name, "", Some(of(band)))).collect()
    }

    fn beside(&self, other: &Self) -> Vec<Beside> {
        vec![Beside { panel: self.panel("Fourier sensitivity"), points: [self.points(), other.points()] }]
    }
}
