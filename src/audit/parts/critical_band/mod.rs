//! How much noise of each octave the answers bear, on the published images: `measure` says how.

mod measure;
mod stimuli;

pub use measure::*;
pub use stimuli::{Condition, Masked, are_masked, block, condition};

use super::shape::Mapping;
use super::{About, Needs, Part, Shown, Words};
use crate::audit::csv::Csv;
use crate::audit::numbers::{Beside, Measured};
use crate::plot::Block;

/// What is found.
pub type Found = CriticalBand;

impl Part for CriticalBand {
    const ABOUT: About = About {
        title: "Critical band masking, published images",
        what: "How much noise of each octave the answers bear, on the published images (--stimuli)",
        needs: Needs { labels: false, range: false },
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

    /// Reads the images, in as many channels as the network's.
    #[cfg(feature = "torch")]
    fn check(look: &super::Look) -> crate::Result<()> {
        use crate::error::{Error, Lack};
        let expected = "those of critical band masking (--stimuli)";
        let Some(dir) = &look.ask.stimuli else {
            return Err(Error::lacking(Lack::Stimuli, "images", expected, "none"));
        };
        if !are_masked(dir)? {
            return Err(Error::lacking(Lack::Stimuli, "images", expected, "others"));
        }
        let mut masked = Masked::read(dir, &look.stimuli_options())?;
        masked.images = crate::field::repeated(masked.images, look.set.shape()[0]);
        let decision = super::shape::Decision::new(look.clean.outputs, look.names, &masked.names);
        // Where nothing else is asked for, it is an error.
        let alone = look.named(super::Name::critical_band);
        decision.map_err(|e| if alone { e } else { Error::lack_of(Lack::Stimuli)(e) })?;
        // A part is checked once.
        let _ = look.masked.set(masked);
        Ok(())
    }

    // A folder is of these or of cue-conflict images, whose cost is counted.
    #[cfg(feature = "torch")]
    fn cost(_: &super::Ask, _: &super::Sizes) -> super::Cost {
        super::Cost::default()
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
        self.tuning.beside(&other.tuning)
    }
}
