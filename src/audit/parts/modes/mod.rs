//! What the network makes of the images' modes: [`modes`] says how it is measured.

mod measure;

pub use measure::*;

use super::{About, Needs, Part, Shown, Words};
use crate::audit::chapter::{cell, listed};
use crate::audit::csv::{Cell, Csv};
use crate::audit::gradient::Estimate;
#[cfg(feature = "torch")]
use crate::audit::gradient::Options;
use crate::page::Table;
use crate::audit::numbers::Measured;
use crate::audit::pens::{DRAWN, MEASURED, bars};
use crate::plot::{Axis, Block, INK, Key, Layer, Marker, Panel, Sign};

/// What is found.
pub type Found = ModeUses;

impl ModeUses {
    /// The mean of `of` over the modes that have it.
    fn mean(&self, of: impl Fn(&ModeUse) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.modes.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    fn on_dominant(&self) -> Option<f64> {
        self.mean(|m| Some(m.template.as_ref()?.on_dominant.value))
    }
}

impl Part for ModeUses {
    const ABOUT: About = About {
        title: "Modes",
        what: "What the network makes of the images' modes",
        needs: Needs { labels: true, ..Needs::NONE },
        table: "modes.csv",
        figure: Some(("modes.png", "Templates of the modes beside the modes themselves.")),
        terms: &[
            (
                "Template",
                "u_αᵀE with E the mean Jacobian of the logits with respect to normalised images; the mode is s u vᵀ \
                 of the images' Σyx. Pinson et al., ICML 2023.",
            ),
            (
                "Overlap, on dominant",
                "Σ min of the two normalised spectra; share of the template's energy at the fewest frequencies that \
                 hold half of the mode's.",
            ),
        ],
    };

    #[cfg(feature = "torch")]
    fn cost(ask: &super::Ask, sizes: &super::Sizes) -> super::Cost {
        let options = Options::asked(ask.effort, ask.seed);
        let each = 1.0 + super::BACKWARD * options.modes.min(sizes.outputs) as f64;
        super::Cost { fixed: options.images as f64 * each, ..super::Cost::default() }
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        use crate::error::{Error, Lack};
        let options = Options::asked(look.ask.effort, look.ask.seed);
        let progress = |total| crate::progress::Progress::new("templates (images)", total);
        look.once(super::Name::modes, &options, || {
            let samples = look.samples().map_err(Error::lack_of(Lack::Variation))?;
            let found = crate::theory::Modes::strongest(&samples, options.modes);
            let found = found.map_err(Error::lack_of(Lack::Variation))?;
            let uses = modes(look.subject, look.clean, &samples, &found, &options, progress);
            Ok(uses.map_err(Error::lack_of(Lack::Variation))?.0)
        })
    }

    fn words(&self, _: &Shown) -> Words {
        let mut words = Words::default();
        if let Some(on_dominant) = self.on_dominant() {
            words.text.push(format!(
                "Modes of these images are {}; for the {} strongest, the image that the network uses (its template) \
                 has {:.0} % of its energy at the frequencies that hold half of the mode's.",
                self.count,
                self.modes.iter().filter(|m| m.template.is_some()).count(),
                100.0 * on_dominant
            ));
        }
        let rows = self.modes.iter().enumerate().map(|(i, m)| {
            let mut row = vec![(i + 1).to_string(), format!("{:.3}", m.s), format!("{:.1}", m.rho)];
            row.extend([cell(m.strength.map(|a| a.value), 2), format!("{:.1}", m.participation)]);
            match &m.template {
                Some(t) => row.extend([
                    format!("{:.1}", t.participation.value),
                    format!("{:.2}", t.overlap.value),
                    format!("{:.2}", t.on_dominant.value),
                    format!("{:+.2}", t.cosine.value).replace('-', "−"),
                    listed(t.strongest.iter().take(2).map(|s| (s.row, s.col, s.share))),
                ]),
                None => row.resize(10, "–".to_owned()),
            }
            row
        });
        let head = ["mode", "s", "ρ", "a/s", "PR of v", "PR used", "overlap", "on dominant", "cosine"];
        words.table = Some(Table {
            caption: format!(
                "Modes of the images and the network's templates; strengths on {} images, Jacobians at {}.",
                self.images, self.jacobians
            ),
            head: head.into_iter().chain(["strongest used"]).map(str::to_owned).collect(),
            rows: rows.collect(),
        });
        words
    }

    /// A line per mode.
    fn table<'a>(&'a self, _: &Shown<'a>) -> Csv<'a> {
        let mut header = vec!["mode", "s", "rho", "strength", "participation", "centroid"];
        header.extend(["used_participation", "used_centroid", "overlap", "on_dominant", "cosine"]);
        let rows = self.modes.iter().enumerate().map(|(i, m)| {
            let used = m.template.as_ref();
            let mut row = vec![(i + 1).into(), Cell::Number(m.s), Cell::Number(m.rho)];
            row.push(m.strength.map(|a| a.value).into());
            row.extend([m.participation, m.centroid].map(Cell::Number));
            let of: [fn(&TemplateUse) -> Estimate; 5] =
                [|t| t.participation, |t| t.centroid, |t| t.overlap, |t| t.on_dominant, |t| t.cosine];
            row.extend(of.map(|of| Cell::from(used.map(|t| of(t).value))));
            row
        });
        Csv::new(header, rows)
    }

    fn figure(&self, shown: &Shown) -> Vec<Block> {
        let all = || self.modes.iter().enumerate().map(|(i, m)| ((i + 1) as f64, m));
        let pair = |name: &str, y: Axis, own: fn(&ModeUse) -> f64, used: fn(&TemplateUse) -> Estimate| {
            let mut panel = Panel::new(name, Axis::linear("mode, strongest first"), y);
            let used = || all().filter_map(|(x, m)| Some((x, used(m.template.as_ref()?))));
            let reach = used().filter_map(|(x, e)| Some((x, [e.value - 2.0 * e.se?, e.value + 2.0 * e.se?])));
            panel.layers.extend(bars(reach.filter(|(_, [low, _])| *low > 0.0), DRAWN));
            let own = all().map(|(x, m)| (x, own(m))).collect();
            panel.layers.push(Layer::Points(own, Marker::Ring, INK));
            let used = used().map(|(x, e)| (x, e.value)).collect();
            panel.layers.push(Layer::Points(used, Marker::Dot, MEASURED.colour));
            panel
        };
        let (many, which) = (Axis::log("participation ratio"), Axis::linear("centroid (cycles/pixel)"));
        let panels = vec![
            pair("(a) How many", many, |m| m.participation, |t| t.participation),
            pair("(b) Which", which, |m| m.centroid, |t| t.centroid),
        ];
        let keys = vec![
            Key::new(vec![Sign::Marker(Marker::Ring, INK)], "the mode's image v"),
            Key::new(
                vec![Sign::Marker(Marker::Dot, MEASURED.colour)],
                "the network's template (bars: 2 standard errors)",
            ),
        ];
        let heading = format!("Frequencies of modes, and of what {} uses for them", shown.network);
        vec![Block::Heading(heading), Block::Panels(panels, 320.0, 1.0), Block::Legend(keys)]
    }

    fn numbers(&self) -> Vec<(&'static str, &'static str, Option<Measured>)> {
        let strength = self.mean(|m| Some(m.strength?.value));
        vec![
            ("modes, a/s (mean)", "", strength.map(Measured::from)),
            (
                "templates, energy at the frequencies that hold half of the modes' (mean)",
                "",
                self.on_dominant().map(Measured::from),
            ),
        ]
    }
}
