//! Which frequencies a network needs for each class, and how far it gets with those
//! alone: `measure` says how.

mod measure;

pub use measure::*;

use super::{About, Needs, Part, Shown, Words};
use crate::audit::Reference;
use crate::audit::chapter::{class_name, percent, short};
use crate::audit::csv::{Cell, Csv, class, rate};
use crate::page::Table;
use crate::audit::pens::{SHOWN, dotted, maps};
use crate::plot::{Axis, Block, Key, Marker, PALETTE, Panel, Pen, Sign, Stroke};
use crate::spectrum::Grid;

/// What is found.
pub type Found = Dominance;

/// Most passes over the images for the importance of frequencies: in a full audit as many
/// as 32×32 images have frequencies. Larger images have theirs taken out in patches.
#[cfg(feature = "torch")]
const PASSES: [usize; 3] = [520, 32, 16];

#[cfg(feature = "torch")]
impl Options {
    fn of(effort: super::Effort, (h, w): (usize, usize)) -> Self {
        let usual = Self::with_passes(Grid::new(h, w), effort.of(PASSES));
        // A pass over the images for each class and share.
        if effort == super::Effort::Full { usual } else { Self { shares: vec![0.05, 0.2], ..usual } }
    }
}

impl Part for Dominance {
    const ABOUT: About = About {
        title: "Frequencies that classes need",
        what: "Which frequencies the network needs for each class",
        needs: Needs::NONE,
        table: "classes.csv",
        figure: Some((
            "classes.png",
            "Importance of frequencies (frequency zero in the middle), and answers where only the most important ones \
             are kept.",
        )),
        terms: &[(
            "Importance",
            "Wang et al., ICCV 2023: growth of a class's loss when a frequency is taken out.",
        )],
    };

    #[cfg(feature = "torch")]
    fn check(look: &super::Look) -> crate::Result<()> {
        look.few_classes(super::Name::classes)
    }

    #[cfg(feature = "torch")]
    fn cost(ask: &super::Ask, sizes: &super::Sizes) -> super::Cost {
        let named = ask.only.contains(&super::Name::classes);
        if sizes.classes > super::CLASSES && !named {
            return super::Cost::default();
        }
        let options = Options::of(ask.effort, sizes.size);
        let (h, w) = sizes.size;
        let groups = groups(Grid::new(h, w), options.patch);
        // A few frequencies are taken out without a filter.
        let without = groups.iter().filter(|members| members.len() <= WAVES).count();
        let passes = 1 + groups.len() + options.shares.len() * sizes.classes;
        super::Cost { filters: (passes - 1 - without) as f64, ..super::Cost::filtered(passes) }
    }

    #[cfg(feature = "torch")]
    fn measure(look: &super::Look) -> crate::Result<Self> {
        let options = Options::of(look.ask.effort, look.size());
        let key = (options.patch, options.shares.clone());
        look.once(super::Name::classes, &key, || measure(look.subject, look.clean, &options))
    }

    fn words(&self, shown: &Shown) -> Words {
        let name = |c: u32| class_name(shown.classes, c);
        let against = match self.reference {
            Reference::Labels => "labels",
            Reference::Predictions => "the network's own answers",
        };
        let mut words = Words::default();
        words.text.push(format!(
            "The importance of a frequency for a class is how much the loss of its images grows without it ({} passes \
             over the images, {}; against {against}).",
            self.passes,
            match self.patch {
                1 => "each frequency by itself".to_owned(),
                p => format!("patches of {p}×{p} frequencies at once, not each by itself"),
            }
        ));
        // Classes that keep most of their right answers on a twentieth of the plane.
        let fewest = |c: &Class| {
            let small = c.reduced.iter().filter(|r| r.share <= 0.051);
            small.max_by(|a, b| a.share.total_cmp(&b.share)).copied()
        };
        let kept = self.classes.iter().filter_map(|c| Some((c, fewest(c)?))).filter(|(c, r)| {
            let (all, few) = (&c.positives, &r.positives);
            all.right.share > 0.0
                && few.right.share >= 0.5 * all.right.share
                && few.right.interval[0] > few.wrong.interval[1]
        });
        let kept = kept.map(|(c, r)| {
            let (right, wrong) = (percent(&r.positives.right), percent(&r.positives.wrong));
            format!("{} ({right} right, {wrong} false)", name(c.class))
        });
        let kept: Vec<_> = kept.collect();
        words.find(if kept.is_empty() {
            "No class both keeps half of its right answers on 5 % of the frequencies and is answered clearly more \
             often to its own images than to others."
                .to_owned()
        } else {
            format!(
                "On 5 % of the frequencies alone these classes keep at least half of their right answers, and more \
                 than other images are taken for them: {}: candidates for frequency shortcuts.",
                kept.join(", ")
            )
        });
        let mut head = ["class", "images", "right", "false"].map(str::to_owned).to_vec();
        for r in self.classes.first().iter().flat_map(|c| &c.reduced) {
            let share = 100.0 * r.share;
            head.extend([format!("right, {share:.0} %"), format!("false, {share:.0} %")]);
        }
        let rows = self.classes.iter().map(|c| {
            let mut row = vec![name(c.class), c.images.to_string()];
            for p in std::iter::once(&c.positives).chain(c.reduced.iter().map(|r| &r.positives)) {
                row.extend([short(&p.right), short(&p.wrong)]);
            }
            row
        });
        words.table = Some(Table {
            caption: "True and false positives of each class, with all frequencies and with the share of the plane \
                      that matters most for the class."
                .to_owned(),
            head,
            rows: rows.collect(),
        });
        words
    }

    /// A line per class and share of the plane that is kept; 1 for whole images.
    fn table<'a>(&'a self, shown: &Shown<'a>) -> Csv<'a> {
        let mut header = vec!["class", "share", "true_positives", "true_low", "true_high"];
        header.extend(["false_positives", "false_low", "false_high"]);
        let names = shown.classes;
        let rows = self.classes.iter().flat_map(|of| {
            let whole = std::iter::once((1.0, of.positives));
            whole.chain(of.reduced.iter().map(|r| (r.share, r.positives))).map(move |(share, positives)| {
                let mut row = vec![class(names, of.class), Cell::Number(share)];
                row.extend(rate(Some(positives.right)));
                row.extend(rate(Some(positives.wrong)));
                row
            })
        });
        Csv::new(header, rows)
    }

    fn figure(&self, shown: &Shown) -> Vec<Block> {
        let grid = Grid::new(self.height, self.width);
        let of = self.classes.iter().map(|c| (c.class, c.importance.as_slice()));
        let mut blocks = vec![Block::Heading(format!("Frequencies of classes, {}", shown.network))];
        blocks.extend(maps(shown.classes, "importance", grid, &self.frequencies, of));
        let x = || Axis::log("share of the plane that is kept");
        let y = |what: &str| Axis::linear(what).within(0.0, 1.02);
        let mut right = Panel::new("Images of the class, answered as it", x(), y("true positives"));
        let mut wrong = Panel::new("Other images, answered as it", x(), y("false positives"));
        let mut keys = Vec::new();
        for (i, class) in self.classes.iter().take(SHOWN).enumerate() {
            let pen = Pen::new(PALETTE[i % PALETTE.len()], 1.0, Stroke::Solid);
            let points = |of: fn(&Positives) -> f64| -> Vec<_> {
                class.reduced.iter().map(|r| (r.share, of(&r.positives))).collect()
            };
            right.layers.extend(dotted(points(|p| p.right.share), pen.width, pen, Marker::Dot));
            wrong.layers.extend(dotted(points(|p| p.wrong.share), pen.width, pen, Marker::Dot));
            keys.push(Key::new(vec![Sign::Line(pen)], class_name(shown.classes, class.class)));
        }
        blocks.push(Block::Panels(vec![right, wrong], 300.0, 1.0));
        blocks.push(Block::Legend(keys));
        blocks
    }
}
