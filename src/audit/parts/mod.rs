//! The parts of an audit: what is measured by showing images to the network.
//!
//! A part is a folder here and a line in the list below. The folder has all of it: the
//! measurement (with feature `torch`), its words, its table, its figure, what it says of
//! two networks, what it needs, and what it leaves away in a quick audit. `--only`, the
//! report, `audit.json`, tables, comparisons and what is kept of a killed audit go
//! through the list.

mod effort;
#[cfg(feature = "torch")]
mod look;
#[cfg(feature = "torch")]
mod times;

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::chapter::{Chapter, Picture, Words};
use super::csv::Csv;
use super::numbers::{Beside, Measured, Number};
use crate::plot::Block;

pub use effort::{BACKWARD, Cost, Effort, Plan, Quick, Sizes, Times, Within};
#[cfg(feature = "torch")]
pub use look::Look;

/// Lists the parts, in the order in which they are measured and reported: each a module
/// with a type `Found` that is a [`Part`].
macro_rules! parts {
    ($($(#[$attribute:meta])* $name:ident,)*) => {
        $(pub mod $name;)*

        /// The name of a part, for `--only`.
        #[allow(non_camel_case_types, missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Name { $($name,)* }

        impl Name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What it is about.
            pub fn about(self) -> &'static About {
                match self { $(Self::$name => &<$name::Found as Part>::ABOUT,)* }
            }

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }

        /// What was found, part by part; null where it was not looked at.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct Found {
            $(
                #[doc = concat!("[`", stringify!($name), "`]")]
                $(#[$attribute])*
                pub $name: Option<$name::Found>,
            )*
        }

        impl Found {
            /// The report on it.
            pub fn chapters<'a>(&'a self, shown: &Shown<'a>) -> Vec<Chapter<'a>> {
                [$(self.$name.as_ref().map(|found| chapter(found, shown)),)*].into_iter().flatten().collect()
            }

            /// What the parts cost that `ask` asks for.
            #[cfg(feature = "torch")]
            pub fn cost(ask: &Ask, sizes: &Sizes) -> Cost {
                let asked = |name: Name| ask.only.is_empty() || ask.only.contains(&name);
                [$(if asked(Name::$name) { $name::Found::cost(ask, sizes) } else { Cost::default() },)*].into_iter().sum()
            }

            /// What two networks have both measured.
            pub fn numbers(&self, other: &Self) -> Vec<Number> {
                let mut all = Vec::new();
                $(all.extend(self.$name.as_ref().zip(other.$name.as_ref()).iter().flat_map(|(a, b)| numbers(*a, *b)));)*
                all
            }

            /// Curves of two networks, side by side.
            pub fn beside(&self, other: &Self) -> Vec<Beside> {
                let mut all = Vec::new();
                $(all.extend(self.$name.as_ref().zip(other.$name.as_ref()).iter().flat_map(|(a, b)| a.beside(b)));)*
                all
            }

            /// Measures everything that is asked for. What these images or this network
            /// have not is left out, and said.
            ///
            /// # Errors
            /// All but [`crate::Error::Lacking`].
            #[cfg(feature = "torch")]
            pub fn measure(look: &Look) -> crate::Result<(Self, Vec<LeftOut>)> {
                let mut left = Vec::new();
                // What cannot be had is known before hours are spent on the rest.
                $(let $name = look.open::<$name::Found>(Name::$name, &mut left)?;)*
                let found = Self {
                    $($name: if $name { look.part::<$name::Found>(&mut left)? } else { None },)*
                };
                Ok((found, left))
            }
        }
    };
}

parts! {
    first,
    modes,
    jacobian,
    sensitivity,
    heatmap,
    bands,
    masking,
    suppression,
    swap,
    adcs,
    #[serde(rename = "dominance")]
    classes,
    shape,
    critical_band,
}

/// What is known of a part before it is measured.
pub struct About {
    /// Its title, for sentences and headings.
    pub title: &'static str,
    /// What it looks at, for `--only`'s help.
    pub what: &'static str,
    /// What it needs beside images.
    pub needs: Needs,
    /// The file of its table.
    pub table: &'static str,
    /// The file of its figure, where it has one, and what that shows.
    pub figure: Option<(&'static str, &'static str)>,
    /// What its words and numbers mean, for the end of the report.
    pub terms: &'static [(&'static str, &'static str)],
}

/// What a part needs beside images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Labels of the network's classes.
    pub labels: bool,
    /// Pixels in [0, 1].
    pub range: bool,
    /// Images of `--stimuli`, and which.
    pub stimuli: Option<&'static str>,
}

impl Needs {
    /// Nothing beside images.
    pub const NONE: Self = Self { labels: false, range: false, stimuli: None };
}

/// A part of an audit, being what it found as it stands in `audit.json`.
pub trait Part: Clone + PartialEq + Serialize + DeserializeOwned {
    /// What is known of it before.
    const ABOUT: About;

    /// Whether it can be had of this network and these images, which takes no time.
    ///
    /// # Errors
    /// [`crate::Error::Lacking`] where it is to be left out.
    #[cfg(feature = "torch")]
    fn check(_: &Look) -> crate::Result<()> {
        Ok(())
    }

    /// What it costs, about; nothing of what shows the network no images.
    #[cfg(feature = "torch")]
    fn cost(ask: &Ask, sizes: &Sizes) -> Cost;

    /// Measures it.
    ///
    /// # Errors
    /// [`crate::Error::Lacking`] where it is to be left out, and all others.
    #[cfg(feature = "torch")]
    fn measure(look: &Look) -> crate::Result<Self>;

    /// What it says.
    fn words(&self, shown: &Shown) -> Words;

    /// All its numbers.
    fn table<'a>(&'a self, shown: &Shown<'a>) -> Csv<'a>;

    /// Its figure, where [`About`] has one.
    fn figure(&self, _: &Shown) -> Vec<Block> {
        Vec::new()
    }

    /// Numbers by which networks are compared: always the same list. Name, unit (empty
    /// of shares) and value, where there is one.
    fn numbers(&self) -> Vec<(&'static str, &'static str, Option<Measured>)> {
        Vec::new()
    }

    /// Curves of two networks, side by side.
    fn beside(&self, _: &Self) -> Vec<Beside> {
        Vec::new()
    }
}

/// Of what a report is.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// The network, for headings.
    pub network: &'a str,
    /// Names of the classes; none where labels do not count.
    pub classes: &'a [String],
}

/// What is asked of the parts.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// These parts alone; all where there are none.
    pub only: Vec<Name>,
    /// How much of everything but images.
    pub effort: Effort,
    /// Classes among all images that were drawn, where those that are shown are fewer.
    pub classes: Option<usize>,
    /// Of all draws.
    pub seed: u64,
    /// Norm of the heat map's disturbance, where it is not the usual one.
    pub epsilon: Option<f64>,
    /// Whose ADCS.
    pub adcs: adcs::Variant,
    /// The folder of `--stimuli`.
    pub stimuli: Option<PathBuf>,
    /// Whether a heat map of something else is begun anew.
    pub force: bool,
    /// Whether the heat map is put together from its shards.
    pub merge: bool,
}

/// Images of a quick audit, of small images and of [`large`] ones: a pass takes 50 times
/// as long at 224×224 as at 32×32. Shares have intervals of ±6 and ±10 % at most.
pub const QUICK: [usize; 2] = [250, 100];
/// Images that are drawn where the time decides how many are looked at.
pub const MOST: [usize; 2] = [1000, 250];

/// Beyond so many classes, maps of each are left out unless they are asked for: they
/// take a pass over the images for each class, and K numbers for each frequency.
pub const CLASSES: usize = 100;

/// Whether images are of more than 64×64 pixels.
pub fn large(h: usize, w: usize) -> bool {
    h * w > 64 * 64
}

/// The folder of what is kept of parts, so that a killed audit need not compute it again.
pub const KEPT: &str = "parts";

/// A part that was not looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Which part.
    pub part: String,
    /// Why.
    pub why: String,
}

impl LeftOut {
    /// Says that `part` is left out, and why.
    pub fn say(part: &str, why: impl std::fmt::Display) -> Self {
        crate::progress::say(format_args!("{part}: left out: {why}"));
        Self { part: part.to_owned(), why: why.to_string() }
    }
}

impl ValueEnum for Name {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.about().what))
    }
}

fn chapter<'a, P: Part>(found: &'a P, shown: &Shown<'a>) -> Chapter<'a> {
    let about = &P::ABOUT;
    let (section, findings) = found.words(shown).section(about.title);
    let figure = about.figure.map(|(file, caption)| Picture {
        file,
        caption: caption.to_owned(),
        blocks: found.figure(shown),
    });
    Chapter { section, findings, figure, tables: vec![(about.table, found.table(shown))] }
}

fn numbers<P: Part>(a: &P, b: &P) -> Vec<Number> {
    let both = a.numbers().into_iter().zip(b.numbers());
    let both = both.filter_map(|((name, unit, a), (_, _, b))| Some(Number::new(name, unit, a?, b?)));
    both.filter(|number| number.difference.value.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_parts_write_one_file() {
        let abouts = Name::ALL.iter().map(|name| name.about());
        let files: Vec<_> =
            abouts.flat_map(|about| [Some(about.table), about.figure.map(|f| f.0)]).flatten().collect();
        assert_eq!(files.iter().collect::<HashSet<_>>().len(), files.len(), "{files:?}");
        let names: Vec<_> = Name::ALL.iter().map(|name| name.name()).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{names:?}");
    }

    #[test]
    fn what_was_not_found_is_null() {
        let json = serde_json::to_value(Found::default()).unwrap();
        let keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys.len(), Name::ALL.len());
        assert!(keys.contains(&"dominance") && json["bands"].is_null());
        assert_eq!(serde_json::from_value::<Found>(json).unwrap(), Found::default());
        assert_eq!(serde_json::from_str::<Found>("{}").unwrap(), Found::default(), "of an earlier version");
    }
}
