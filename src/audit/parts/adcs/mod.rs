//! Where the images of a class have more energy than the others: `measure` says how.
//! It is a property of the images alone.

mod measure;

pub use measure::*;

use super::{About, Needs, Part, Shown, Words};
use crate::audit::csv::{Cell, Csv, class};
use crate::audit::pens::maps;
use crate::plot::Block;
use crate::spectrum::Grid;

/// What is found.
pub type Found = Adcs;

impl Part for Adcs {
    const ABOUT: About = About {
        title: "ADCS",
        what: "At which frequencies the images of a class have more energy than the others; of the images alone",
        needs: Needs { labels: true, ..Needs::NONE },
        table: "adcs.csv",
        figure: Some(("adcs.png", "ADCS of the classes, frequency zero in the middle.")),
        terms: &[(
            "ADCS",
            "Wang et al., ICCV 2023: Σ over other classes of the sign of the difference of mean amplitudes.",
        )],
    };

    #[cfg(feature = "torch")]
    fn check(look: &super::Look) -> crate::Result<()> {
        look.few_classes(super::Name::adcs)
    }

    #[cfg(feature = "torch")]
    fn cost(_: &super::Ask, _: &super::Sizes) -> super::Cost {
        super::Cost::default()
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        use crate::error::{Error, Lack};
        let (labels, variant) = (&look.clean.classes, look.ask.adcs);
        let found = match variant {
            Variant::Paper => Adcs::new(look.set.images.view(), labels, variant),
            // The published code sees images as the network does.
            Variant::Published => {
                let seen = look.subject.normalised(&look.subject.pixels)?;
                let seen = crate::model::convert::array(&seen)?.mapv(|v| v as f32);
                let seen = seen.into_dimensionality().expect("images have four axes");
                Adcs::new(seen.view(), labels, variant)
            }
        };
        found.map_err(Error::lack_of(Lack::Classes))
    }

    fn words(&self, _: &Shown) -> Words {
        let line = format!(
            "ADCS compares the amplitude spectra of {} classes ({}): red where a class has more than the others, blue \
             where it has less. It is a property of the images.",
            self.classes.len(),
            match self.variant {
                Variant::Paper => "as the paper defines it",
                Variant::Published => "as the paper's published code computes it",
            }
        );
        Words { text: vec![line], ..Words::default() }
    }

    /// A line per class and frequency.
    fn table<'a>(&'a self, shown: &Shown<'a>) -> Csv<'a> {
        let names = shown.classes;
        let rows = self.classes.iter().zip(&self.values).flat_map(|(&of, values)| {
            self.frequencies.iter().zip(values).map(move |(k, &value)| {
                let mut row = vec![class(names, of)];
                row.extend([f64::from(k.row), f64::from(k.col), value].map(Cell::Number));
                row
            })
        });
        Csv::new(["class", "row", "col", "adcs"], rows)
    }

    fn figure(&self, shown: &Shown) -> Vec<Block> {
        let of = self.classes.iter().zip(&self.values).map(|(class, values)| (*class, values.as_slice()));
        let size = Grid::new(self.height, self.width);
        let heading = "At which frequencies classes have more energy than the others".to_owned();
        let mut blocks = vec![Block::Heading(heading)];
        blocks.extend(maps(shown.classes, "ADCS", size, &self.frequencies, of));
        blocks
    }
}
