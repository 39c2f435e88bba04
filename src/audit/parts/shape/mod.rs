//! Shape or texture, on cue-conflict images: `measure` says how.

mod categories;
mod measure;
mod stimuli;
#[cfg(test)]
mod tests;

pub use categories::CATEGORIES;
pub use measure::*;
pub use stimuli::{Stimuli, texture};

use super::{About, Needs, Part, Shown, Words};
use crate::audit::chapter::percent;
use crate::audit::csv::{Cell, Csv, header, rate};
use crate::audit::numbers::Measured;
use crate::audit::pens::{DRAWN, LEVEL, MEASURED, PUBLISHED};
use crate::audit::published::{Published, SHAPE_BIAS, listed};
use crate::plot::{Axis, Block, Key, Layer, Marker, Panel, Sign};

/// What is found.
pub type Found = ShapeBias;

/// The images that it needs.
const CUES: &str = "cue-conflict images";

impl Part for ShapeBias {
    const ABOUT: About = About {
        title: "Shape or texture",
        what: "Shape or texture, on cue-conflict images (--stimuli)",
        needs: Needs { stimuli: Some(CUES), ..Needs::NONE },
        table: "shape.csv",
        figure: Some(("shape.png", "Shape bias by class of the shape.")),
        terms: &[(
            "Shape bias",
            "decisions for the shape / (for the shape + for the texture). Geirhos et al., ICLR 2019.",
        )],
    };

    /// Reads the cue-conflict images.
    #[cfg(feature = "torch")]
    fn check(look: &super::Look) -> crate::Result<()> {
        let dir = look.stimuli_dir();
        if super::critical_band::are_masked(dir)? {
            return Err(look.not_those(super::Name::shape, super::critical_band::MASKED));
        }
        let stimuli = Stimuli::read(dir, &look.stimuli_options())?;
        crate::progress::say(&stimuli.source.description);
        stimuli.source.told.lines().iter().for_each(crate::progress::say);
        look.decision(super::Name::shape, &stimuli.names)?;
        // A part is checked once.
        let _ = look.stimuli.set(stimuli);
        Ok(())
    }

    #[cfg(feature = "torch")]
    fn cost(ask: &super::Ask, _: &super::Sizes) -> super::Cost {
        // As many as are published; how many there are, the folder says.
        let there = ask.stimuli.as_ref().is_some_and(|dir| super::critical_band::are_masked(dir).is_ok_and(|m| !m));
        super::Cost { fixed: if there { 1280.0 } else { 0.0 }, ..super::Cost::default() }
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        use crate::error::{Error, Lack};
        let stimuli = look.stimuli.get().expect("checked before");
        measure(look.subject, stimuli, look.names).map_err(Error::lack_of(Lack::Stimuli))
    }

    fn words(&self, _: &Shown) -> Words {
        let mut words = Words::default();
        if let Some(bias) = &self.decided.bias {
            words.find(format!(
                "Shape bias {}: where shape and texture disagree, {} decisions for the shape and {} for the texture.",
                percent(bias),
                self.decided.shape,
                self.decided.texture
            ));
        }
        words.text.push(format!(
            "{} images, {} left out whose shape and texture agree; {} of the others are answered as one or the other.",
            self.images,
            self.agreeing,
            percent(&self.either)
        ));
        if self.mapping == Mapping::Imagenet {
            words.text.push(format!(
                "Published, of the 1,280 images of Geirhos et al. 2019: {}.",
                listed(&SHAPE_BIAS)
            ));
        }
        words
    }

    /// A line per class of the shape.
    fn table<'a>(&'a self, _: &Shown<'a>) -> Csv<'a> {
        let rows = self.by_shape.iter().map(|class| {
            let decided = &class.decided;
            let mut row = vec![Cell::Text(&class.name)];
            row.extend([decided.shape, decided.texture, decided.other].map(|n| Cell::from(n as usize)));
            row.extend(rate(decided.bias));
            row
        });
        Csv::new(header(&["class", "shape", "texture", "other"], &["bias"]), rows)
    }

    fn figure(&self, shown: &Shown) -> Vec<Block> {
        let classes: Vec<_> = self.by_shape.iter().filter_map(|c| Some((c, c.decided.bias?))).collect();
        // Below the classes what others have measured on the published images.
        let published: &[Published] = if self.mapping == Mapping::Imagenet { &SHAPE_BIAS } else { &[] };
        let rows = classes.iter().map(|(c, _)| c.name.clone());
        let rows: Vec<String> = rows.chain(published.iter().map(|p| format!("{} (published)", p.of))).collect();
        let count = rows.len();
        let names = rows.into_iter().enumerate().map(|(i, name)| (i as f64, name)).collect();
        let y = Axis::linear("").within(count.max(1) as f64 - 0.5, -0.5).named(names);
        let x = Axis::linear("shape bias: decisions for shape of those for shape or texture").within(0.0, 1.0);
        let mut panel = Panel::new("By class of the shape", x, y);
        for (i, (_, rate)) in classes.iter().enumerate() {
            let (y, [low, high]) = (i as f64, rate.interval);
            panel.layers.push(Layer::Line(vec![(low, y), (high, y)], DRAWN));
            panel.layers.push(Layer::Points(vec![(rate.share, y)], Marker::Dot, MEASURED.colour));
        }
        let mut keys = vec![
            Key::new(vec![Sign::Marker(Marker::Dot, MEASURED.colour)], "class"),
            Key::new(vec![Sign::Line(DRAWN)], "95 % interval"),
        ];
        if let Some(all) = self.decided.bias {
            panel.layers.insert(0, Layer::Vertical(all.share, LEVEL));
            keys.push(Key::new(vec![Sign::Upright(LEVEL)], "all images"));
        }
        if let Sign::Marker(marker, colour) = PUBLISHED
            && !published.is_empty()
        {
            let points = published.iter().zip(classes.len()..).map(|(p, row)| (p.value, row as f64));
            panel.layers.push(Layer::Points(points.collect(), marker, colour));
            keys.push(Key::new(vec![PUBLISHED], "published, all images"));
        }
        let height = 44.0 * count.max(4) as f64;
        vec![
            Block::Heading(format!("Shape or texture, {}", shown.network)),
            Block::Panels(vec![panel], height, 0.8),
            Block::Legend(keys),
        ]
    }

    fn numbers(&self) -> Vec<(&'static str, &'static str, Option<Measured>)> {
        vec![("shape bias", "", self.decided.bias.map(Measured::from))]
    }
}
