//! How much noise of each octave the answers bear: `measure` says how, `tuning` and `channel` what is made of it.

pub mod channel;
mod measure;
pub mod pyramid;
pub mod tuning;

pub use measure::*;

use super::{About, Needs, Part, Shown, Words};
use crate::audit::Reference;
use crate::audit::csv::Csv;
use crate::audit::numbers::{Beside, Measured};
use crate::plot::Block;
#[cfg(feature = "torch")]
use channel::LEVELS;
use tuning::Tuning;

/// What is found.
pub type Found = Masking;

impl Part for Masking {
    const ABOUT: About = About {
        title: "Critical band masking",
        what: "How much noise of each octave the answers bear",
        needs: Needs { range: true, ..Needs::NONE },
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
        let Tuning { images, clean, criterion, .. } = &self.tuning;
        words.find(self.tuning.finding("Noise in octaves", what));
        words.text.push(format!(
            "{} images, grey, of contrast {CONTRAST} about {MEAN}; {what}: {} without noise. Thresholds are where half of \
             that above chance is left ({}), interpolated between levels of noise; {} of the values under the \
             strongest noise left [0, 1].",
            images,
            percent(clean.share),
            percent(*criterion),
            percent(self.outside),
        ));
        words.text.extend(self.tuning.as_published());
        words
    }

    /// A line per octave and level of noise.
    fn table<'a>(&'a self, _: &Shown<'a>) -> Csv<'a> {
        self.tuning.table()
    }

    fn figure(&self, shown: &Shown) -> Vec<Block> {
        self.tuning.figure(format!("Noise in octaves on images for {}", shown.network))
    }

    fn numbers(&self) -> Vec<(&'static str, &'static str, Option<Measured>)> {
        let [bandwidth, centre] = self.tuning.measured();
        vec![("masking, bandwidth", "octaves", bandwidth), ("masking, centre", "cycles/image", centre)]
    }

    fn beside(&self, other: &Self) -> Vec<Beside> {
        self.tuning.beside(&other.tuning, "Thresholds of noise in octaves")
    }
}
