//! How early a network takes a cue, against what the data alone say of it.

use std::collections::BTreeMap;
use std::path::Path;

use super::runs::{self, Finished, Runs};
use super::verdict::Note;
use crate::data::planted::{Design, load_with_truth};
use crate::disk;
use crate::error::{Error, Result};
use crate::plot::{
    Axis, Block, DPI, FULL, Key, Layer, Marker, PALETTE, Panel, Pen, Sign, Stroke, picture, viridis,
};
use crate::run::Table;
use crate::shortcuts;
use crate::stats::{crossing, spearman};

/// Told from here on: taken early, in the study that set it.
const HIGH: f64 = 0.65;
/// Told below, as classes without a cue are: not taken at first.
const LOW: f64 = 0.25;
/// Least rank correlation.
const ORDERED: f64 = 0.7;

pub(super) fn draw(args: &Runs) -> anyhow::Result<Note> {
    let runs = Finished::all(&args.runs)?;
    let cases = Case::all(&runs)?;
    let steps = |case: &Case| case.taken.iter().map(|(step, _)| *step).collect::<Vec<_>>();
    if let Some(other) = cases.iter().find(|case| steps(case) != steps(&cases[0])) {
        let (place, expected) =
            (format!("runs with the cue {}", other.cue), "evaluations after the same updates");
        return Err(Error::input(place, format!("{expected} as with {}", cases[0].cue), "others").into());
    }
    save(&cases, &args.out)?;
    disk::write_bytes(&args.out.with_extension("csv"), table(&cases).as_bytes())?;
    let kinds: Vec<String> = runs::kinds(&runs).iter().map(|kind| runs::called(*kind)).collect();
    let mut note = Note::new(
        12,
        "How early a network takes a cue",
        "Cues of many kinds in one class. Left: the share of the class that a linear reader of random convolutions \
         tells, known before training, against the share of images of other classes with this cue that the network \
         gets wrong because of it (less those that a network trained without the cue gets wrong), mean over the \
         training. Right: that share over training, coloured by what is told.",
    );
    let told: Vec<f64> = cases.iter().map(|case| case.told).collect();
    let taken: Vec<f64> = cases.iter().map(Case::mean).collect();
    let what = format!("rank correlation of told and taken, {} cues, {}", cases.len(), kinds.join(", "));
    note.at_least(what, spearman(&told, &taken), ORDERED);
    let halves = |low: f64, high: f64| {
        let of: Vec<&Case> = cases.iter().filter(|case| case.told >= low && case.told < high).collect();
        (of.iter().filter(|case| case.half().is_some()).count(), of.len())
    };
    for (what, (taken, of)) in [
        (format!("told to {HIGH} and more"), halves(HIGH, f64::INFINITY)),
        (format!("told to {LOW} to {HIGH}"), halves(LOW, HIGH)),
        (format!("told to less than {LOW}"), halves(f64::NEG_INFINITY, LOW)),
    ] {
        note.states(format!("cues {what}, of {of}: half taken in this training"), taken as f64);
    }
    Ok(note)
}

/// A cue, trained with and without.
#[derive(Debug)]
struct Case {
    cue: &'static str,
    /// L2 norm of its change.
    norm: f64,
    /// The share of its class that a reader tells.
    told: f64,
    /// Updates, and the share of images that are answered by the cue.
    taken: Vec<(f64, f64)>,
}

impl Case {
    fn all(runs: &[Finished]) -> anyhow::Result<Vec<Self>> {
        let mut pairs: BTreeMap<String, [Option<&Finished>; 2]> = BTreeMap::new();
        for run in runs {
            let design = Design::of(&run.config.data.spec)?;
            if !design.in_conflict {
                let expected = "a cue that is in other classes where the network is evaluated (as=cue/conflict, \
                                or as=clean/conflict without it in training)";
                return Err(Error::input(run.place(), expected, format!("`{}`", run.config.data.spec)).into());
            }
            // The same set but for what training has.
            let text = run.config.data.spec.to_string();
            let (_, arguments) = text.split_once(':').unwrap_or(("", &text));
            let key =
                arguments.split(',').filter(|part| !part.starts_with("as=")).collect::<Vec<_>>().join(",");
            let place = &mut pairs.entry(key).or_default()[usize::from(!design.in_training)];
            if let Some(other) = place.replace(run) {
                let expected =
                    format!("one run of each cue, trained with it and without; {} is another", other.place());
                return Err(Error::input(run.place(), expected, "two of the same data").into());
            }
        }
        pairs
            .into_values()
            .map(|pair| match pair {
                [Some(with), Some(without)] => Self::new(with, without),
                [one, other] => {
                    let run = one.or(other).expect("one of the two");
                    let expected =
                        "two runs of each cue, trained with it (as=cue/…) and without (as=clean/…)";
                    Err(Error::input(run.place(), expected, "this one alone").into())
                }
            })
            .collect()
    }

    fn new(with: &Finished, without: &Finished) -> anyhow::Result<Self> {
        let (set, truths) = load_with_truth(&with.config.data.spec, &with.config.data.options())?;
        let class = truths.last().and_then(|truth| truth.classes.first().copied()).unwrap_or(0);
        let told = shortcuts::told(&set, with.config.run.seed)?;
        let (a, b) = (accuracies(with)?, accuracies(without)?);
        if a.len() != b.len() || a.iter().zip(&b).any(|(a, b)| a.0 != b.0) {
            let expected = format!("evaluations after the same updates as in {}", without.place());
            let steps: Vec<String> = a.iter().map(|(step, _)| step.to_string()).collect();
            return Err(Error::input(with.place(), expected, steps.join(", ")).into());
        }
        let taken = a.iter().zip(&b).map(|(a, b)| (a.0, 1.0 - a.1 / b.1.max(f64::MIN_POSITIVE))).collect();
        let Design { cue, norm, .. } = Design::of(&with.config.data.spec)?;
        Ok(Self { cue, norm, told: told[class], taken })
    }

    fn mean(&self) -> f64 {
        self.taken.iter().map(|(_, share)| share.max(0.0)).sum::<f64>() / self.taken.len() as f64
    }

    // When it is half taken.
    fn half(&self) -> Option<f64> {
        let (steps, shares): (Vec<f64>, Vec<f64>) = self.taken.iter().copied().unzip();
        if shares.first().is_some_and(|first| *first >= 0.5) {
            return steps.first().copied();
        }
        crossing(&steps, &shares, 0.5, true)
    }
}

// Accuracy on conflicting images after each evaluation.
fn accuracies(run: &Finished) -> Result<Vec<(f64, f64)>> {
    let path = run.dir.eval();
    let none = || Error::input(path.display(), "evaluations (--eval)", "none");
    if !path.exists() {
        return Err(none());
    }
    let table = Table::read(&path)?;
    let (steps, accuracy) = (table.column("step")?, table.column("accuracy")?);
    if steps.is_empty() {
        return Err(none());
    }
    Ok(steps.iter().copied().zip(accuracy.iter().copied()).collect())
}

// A line per cue: what it is, what is told of its class, and what is taken after each evaluation.
fn table(cases: &[Case]) -> String {
    let steps = cases.first().map_or(&[][..], |case| &case.taken);
    let mut text = "cue,norm,told".to_owned();
    steps.iter().for_each(|(step, _)| text += &format!(",taken_{step}"));
    for case in cases {
        text += &format!("\n{},{},{}", case.cue, case.norm, case.told);
        case.taken.iter().for_each(|(_, share)| text += &format!(",{share}"));
    }
    text + "\n"
}

fn save(cases: &[Case], out: &Path) -> Result<()> {
    picture(&blocks(cases), FULL)?.save(out, DPI)
}

fn blocks(cases: &[Case]) -> Vec<Block> {
    let mut against = Panel::new(
        "a  Told before training, and taken",
        Axis::linear("share of the class that a reader tells").within(0.0, 1.02),
        Axis::linear("answered by the cue, mean").within(-0.05, 1.02),
    );
    let mut over = Panel::new(
        "b  Over training",
        Axis::linear("update"),
        Axis::linear("answered by the cue").within(-0.25, 1.05),
    );
    let mut cues: Vec<&str> = cases.iter().map(|case| case.cue).collect();
    cues.sort_unstable();
    cues.dedup();
    const KINDS: [Marker; 2] = [Marker::Dot, Marker::Square];
    let sign = |cue: &str| {
        let at = cues.iter().position(|other| *other == cue).unwrap_or(0);
        (KINDS[at / PALETTE.len() % KINDS.len()], PALETTE[at % PALETTE.len()])
    };
    for case in cases {
        let (marker, colour) = sign(case.cue);
        against.layers.push(Layer::Points(vec![(case.told, case.mean())], marker, colour));
        let pen = Pen::new(viridis(case.told), 1.1, Stroke::Solid);
        over.layers.push(Layer::Line(case.taken.clone(), pen));
    }
    let keys = cues.iter().map(|cue| {
        let (marker, colour) = sign(cue);
        Key::new(vec![Sign::Marker(marker, colour)], *cue)
    });
    let shades = [0.1, 0.5, 0.9].map(|told| {
        let pen = Pen::new(viridis(told), 1.1, Stroke::Solid);
        Key::new(vec![Sign::Line(pen)], format!("told {told}"))
    });
    vec![
        Block::Panels(vec![against, over], 420.0, 1.0),
        Block::Legend(keys.collect()),
        Block::Legend(shades.into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::shows;

    fn case(cue: &'static str, told: f64) -> Case {
        let taken = (1..=12).map(|i| (20.0 * f64::from(i), (told * f64::from(i) / 6.0).min(1.0) - 0.05));
        Case { cue, norm: 2.0, told, taken: taken.collect() }
    }

    #[test]
    fn cues_are_drawn_and_half_times_found() {
        let cues =
            ["ar", "bands", "blocks", "blur", "border", "cosine", "jpeg", "patch", "tint", "w", "x", "y"];
        let cases: Vec<Case> =
            cues.iter().enumerate().map(|(i, cue)| case(cue, 0.08 * (i + 1) as f64)).collect();
        shows("early", &blocks(&cases), FULL);
        // 0.5 (i/6) − 0.05 is a half at i = 6.6.
        assert!((case("ar", 0.5).half().unwrap() - 132.0).abs() < 1e-9);
        assert_eq!(case("ar", 0.1).half(), None);
        assert!(
            table(&cases).starts_with("cue,norm,told,taken_20,taken_40")
                && table(&cases).lines().count() == 13
        );
        let at_once = Case { cue: "ar", norm: 2.0, told: 1.0, taken: vec![(20.0, 0.9), (40.0, 0.8)] };
        assert_eq!(at_once.half(), Some(20.0));
    }
}
