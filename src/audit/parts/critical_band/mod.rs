//! How much noise of each octave the answers bear, on the published images: `measure` says how.

mod measure;
mod stimuli;

pub use measure::*;
pub use stimuli::{Condition, Masked, are_masked, block, condition};

use super::masking::tuning::PUBLISHED;
use super::shape::Mapping;
use super::{About, Needs, Part, Shown, Words};
use crate::audit::csv::Csv;
use crate::audit::numbers::{Beside, Measured};
use crate::plot::Block;

/// What is found.
pub type Found = CriticalBand;

/// The images that it needs.
pub const MASKED: &str = "images of critical band masking";

impl Part for CriticalBand {
    const ABOUT: About = About {
        title: "Critical band masking, published images",
        what: "How much noise of each octave the answers bear, on the published images (--stimuli)",
        needs: Needs { stimuli: Some(MASKED), ..Needs::NONE },
        table: "critical_band.csv",
        figure: Some((
            "critical_band.png",
            "Answers to the published faint grey images under noise of one octave, and thresholds.",
        )),
        terms: &[(
            "published images",
            "1,050 of 16 categories, each in one of five levels of noise in one of seven octaves: \
             ajaysub110/critical-band-masking. Subramanian et al., NeurIPS 2023.",
        )],
    };

    /// Reads the images.
    #[cfg(feature = "torch")]
    fn check(look: &super::Look) -> crate::Result<()> {
        use crate::error::{Error, Lack};
        let (dir, size) = (look.stimuli_dir(), look.size());
        if !are_masked(dir)? {
            let found = "no file `*_cbm_noise*` in it or in a folder of it";
            return Err(look.not_those(super::Name::critical_band, found));
        }
        if octaves(size) < LEAST {
            let expected = format!("at least {SMALLEST}x{SMALLEST}, for four octaves");
            return Err(Error::lacking(Lack::Size, "images", expected, format_args!("{}x{}", size.0, size.1)));
        }
        // They are grey.
        let options = crate::data::Options { grey: true, ..look.stimuli_options() };
        let masked = Masked::read(dir, &options)?;
        crate::progress::say(&masked.source.description);
        masked.source.told.lines().iter().for_each(crate::progress::say);
        complete(&masked.conditions, octaves(size))?;
        look.decision(super::Name::critical_band, &masked.names)?;
        // A part is checked once.
        let _ = look.masked.set(masked);
        Ok(())
    }

    #[cfg(feature = "torch")]
    fn cost(ask: &super::Ask, _: &super::Sizes) -> super::Cost {
        // As many as are published; how many there are, the folder says.
        let there = ask.stimuli.as_ref().is_some_and(|dir| are_masked(dir).is_ok_and(|m| m));
        super::Cost { fixed: if there { 1050.0 } else { 0.0 }, ..super::Cost::default() }
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        use crate::error::{Error, Lack};
        let masked = look.masked.get().expect("checked before");
        measure(look.subject, masked, look.names, look.ask.seed).map_err(Error::lack_of(Lack::Stimuli))
    }

    fn words(&self, _: &Shown) -> Words {
        let mut words = Words::default();
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        words.find(self.tuning.finding("Noise in octaves of the published images", "right answers"));
        words.text.push(format!(
            "{} images, each in one condition; {} of the {} without noise are answered rightly{}. Thresholds are where \
             half of that above chance is left ({}), interpolated between levels of noise.",
            self.tuning.images,
            percent(self.tuning.clean.share),
            self.tuning.clean.of,
            match self.mapping {
                Mapping::Imagenet => ", by the mean probability of the classes of 16 categories",
                Mapping::Names => "",
            },
            percent(self.tuning.criterion),
        ));
        if self.tuning.octaves.len() < PUBLISHED {
            words.text.push(format!(
                "Noise of the {} highest octaves of the published images is lost in this size: they are left out.",
                PUBLISHED - self.tuning.octaves.len()
            ));
        }
        words.text.extend(self.tuning.as_published());
        words
    }

    /// A line per octave and level of noise.
    fn table<'a>(&'a self, _: &Shown<'a>) -> Csv<'a> {
        self.tuning.table()
    }

    fn figure(&self, shown: &Shown) -> Vec<Block> {
        self.tuning.figure(format!("Noise in octaves of the published images for {}", shown.network))
    }

    fn numbers(&self) -> Vec<(&'static str, &'static str, Option<Measured>)> {
        let [bandwidth, centre] = self.tuning.measured();
        vec![("critical band, bandwidth", "octaves", bandwidth), ("critical band, centre", "cycles/image", centre)]
    }

    fn beside(&self, other: &Self) -> Vec<Beside> {
        self.tuning.beside(&other.tuning, "Thresholds of noise, published images")
    }
}
