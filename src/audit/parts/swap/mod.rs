//! Answers to images with the phases of one and the amplitudes of another: `measure`
//! says how.

mod measure;

pub use measure::*;

use super::{About, Needs, Part, Shown, Words};
use crate::audit::Reference;
use crate::audit::chapter::percent;
use crate::audit::csv::{Cell, Csv, header, rate};
use crate::audit::numbers::Measured;

/// What is found.
pub type Found = Swap;

impl Part for Swap {
    const ABOUT: About = About {
        title: "Phases against amplitudes",
        what: "Answers to images of mixed phases and amplitudes",
        needs: Needs { range: true, ..Needs::NONE },
        table: "swap.csv",
        figure: None,
        terms: &[],
    };

    #[cfg(feature = "torch")]
    fn cost(_: &super::Ask, _: &super::Sizes) -> super::Cost {
        super::Cost::filtered(1)
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        let options = Options { seed: look.ask.seed, ..Options::default() };
        look.once(super::Name::swap, &options.seed, || measure(look.subject, look.clean, &options))
    }

    fn words(&self, _: &Shown) -> Words {
        let (shares, who) = match &self.known {
            Some(known) => (known, "of which the network knows both donors"),
            None => (&self.all, "of all images"),
        };
        let mut words = Words::default();
        if let Some(bias) = &shares.bias {
            words.find(format!(
                "With the phases of one image and the amplitudes of another, pairs {who} are answered by the phases' \
                 class in {} of the cases that are decided for one of the two.",
                percent(bias)
            ));
        }
        words.text.push(format!(
            "All pairs: {} by the phases, {} by the amplitudes, {} another class. Partners of another class are drawn \
             with seed {}{}.",
            percent(&self.all.phase),
            percent(&self.all.amplitude),
            percent(&self.all.other),
            self.seed,
            match self.reference {
                Reference::Labels => "",
                Reference::Predictions => "; classes are the network's own answers to the whole images",
            }
        ));
        words
    }

    /// A line for all pairs, and one for those of which the network knows both donors.
    fn table<'a>(&'a self, _: &Shown<'a>) -> Csv<'a> {
        let header = header(&["pairs"], &["phase", "amplitude", "other", "bias"]);
        let lines = [("all", Some(&self.all)), ("known", self.known.as_ref())];
        let rows = lines.into_iter().filter_map(|(name, shares)| {
            let shares = shares?;
            let mut row = vec![Cell::Text(name)];
            let rates = [Some(shares.phase), Some(shares.amplitude), Some(shares.other), shares.bias];
            row.extend(rates.into_iter().flat_map(rate));
            Some(row)
        });
        Csv::new(header, rows)
    }

    fn numbers(&self) -> Vec<(&'static str, &'static str, Option<Measured>)> {
        // By labels the pairs are the same; by answers each network has its own.
        let bias = self.all.bias.filter(|_| self.reference == Reference::Labels);
        vec![("phases against amplitudes, all pairs: by the phases", "", bias.map(Measured::from))]
    }
}
