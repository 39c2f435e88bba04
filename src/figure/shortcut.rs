//! Whether a network takes a cue instead of the content, over the amplitude of the cue and
//! the number of frequencies that it is spread over.

use std::collections::BTreeSet;
use std::path::Path;

use ndarray::{Array2, ArrayView3};

use super::conflicting::{self, Conflicting, accuracy, accuracy_on, has_theory};
use super::curves::{MEASURED, THEORY};
use super::runs::{self, Finished, Runs};
use super::verdict::Note;
use crate::data::Normalize;
use crate::data::shortcut::Design;
use crate::error::{Error, Result};
use crate::plot::{
    Axis, Block, DPI, FULL, Heat, INK, Key, Layer, Marker, PALETTE, PAPER, Panel, Pen, REST, Sign, Stroke,
    mix, picture,
};
use crate::run::config::ModelKind;
use crate::theory::shares::{GaussianStart, shares};

/// Columns whose boundary is to be where it is predicted, to a step of the grid.
const FOUND: f64 = 0.9;
/// a/s of a run that has learned the mode.
const LEARNED: f64 = 0.5;

pub(super) fn draw(args: &Runs) -> anyhow::Result<Note> {
    let runs = Finished::all(&args.runs)?;
    let seen = runs.iter().map(Seen::new).collect::<anyhow::Result<Vec<_>>>()?;
    let content = seen[0].design.content;
    if let Some(other) = seen.iter().find(|s| s.design.content != content) {
        let expected = format!("contents of {content} frequencies, as in the first run");
        return Err(Error::input(other.run.place(), expected, other.design.content).into());
    }
    let kinds = runs::kinds(&runs);
    let planes = kinds.iter().map(|kind| Plane::new(*kind, &seen)).collect::<Result<Vec<_>>>()?;
    let below = over_training(&seen, &planes)?;
    let clean: Vec<_> = below
        .iter()
        .filter_map(|course| Some((format!("{}, {}", course.title, course.subtitle), course.clean.last()?.1)))
        .collect();
    save(&planes, below, &args.out)?;

    let mut note = Note::new(
        10,
        "Which cue a network takes",
        "Images of two classes whose content (a few low frequencies) and cue (of amplitude A relative to the \
         content, spread over 1 to many frequencies) both tell the class. Colours: how much of the trained network's \
         answer is the cue's, or, of deep networks, the share of images with the other class's cue that they answer by \
         it. Dots: where half is; dashed: where it is expected before training, by the theory from the spectra alone or, of \
         deep networks, by a linear reader of random convolutions. A fully connected \
         network takes the part of more energy, a convolutional one that of the strongest frequency. Below, the two \
         parts over training where both differ most, with theory (dashed); of deep networks the answers to images \
         with the other class's cue, and the share of right ones to images without a cue.",
    );
    let (mut judged, mut read) = (Vec::new(), Vec::new());
    for plane in &planes {
        for (m, found) in plane.cues.iter().zip(&plane.boundary) {
            let what = format!("{}: amplitude at which the cue takes over, {m} frequencies", plane.name());
            note.states(what, found.unwrap_or(f64::NAN));
        }
        if plane.kind.is_linear() { judged.extend(plane.off()) } else { read.extend(plane.off()) }
    }
    for (of, right) in clean {
        note.states(format!("{of}: share of right answers without a cue, at the end"), right);
    }
    let near = judged.iter().filter(|off| **off <= 1.0).count() as f64 / judged.len() as f64;
    let what = format!(
        "share of {} columns whose boundary is within a step of the grid of the prediction",
        judged.len()
    );
    note.at_least(what, near, FOUND);
    note.states(
        "largest distance of a boundary from its prediction, steps of the grid",
        judged.iter().copied().fold(f64::NAN, f64::max),
    );
    if !read.is_empty() {
        let near = read.iter().filter(|off| **off <= 1.0).count() as f64 / read.len() as f64;
        note.states(
            format!("deep networks: share of {} columns within a step of the reader's boundary", read.len()),
            near,
        );
    }
    Ok(note)
}

/// A run and what it shows.
struct Seen<'a> {
    run: &'a Finished,
    design: Design,
    /// How much of the answer is the cue's, 0 to 1.
    share: f64,
    /// Of deep networks: what a reader makes of it.
    expected: f64,
}

impl<'a> Seen<'a> {
    fn new(run: &'a Finished) -> anyhow::Result<Self> {
        let design = Design::of(&run.config.data.spec)?;
        let (place, linear) = (run.place(), run.config.model.kind.is_linear());
        if design.classes != 2 {
            return Err(Error::input(place, "two classes", design.classes).into());
        }
        if run.dir.shape()? != design.shape() {
            let expected = format!("images {:?} as `shortcut` makes them", design.shape());
            return Err(Error::input(place, expected, format!("{:?}", run.dir.shape()?)).into());
        }
        let split = conflicting::split(run);
        let agrees = [&run.config.data.split, &split].map(|split| design.agrees(split));
        if agrees != [Some(true), Some(false)] {
            let expected = "cues that agree in the split of training, and conflict in that of evaluation";
            return Err(Error::input(place, expected, format!("`{}`, {split}", run.config.data.spec)).into());
        }
        let mut seen = Self { run, design, share: f64::NAN, expected: f64::NAN };
        if linear {
            conflicting::one_mode(run)?;
            let parts = seen.parts()?;
            let [content, cue] = parts.last().map_or([f64::NAN; 2], |(_, parts)| *parts);
            if (content + cue).is_nan() || content + cue < LEARNED {
                let found = format!("a/s = {:.2} in the last snapshot", content + cue);
                return Err(Error::input(place, "a run that has learned the mode", found).into());
            }
            seen.share = cue / (content + cue);
        } else {
            seen.share = 1.0 - accuracy(run)?.last().map_or(f64::NAN, |(_, accuracy)| *accuracy);
            seen.expected = 1.0 - Conflicting::new(run)?.by_reader()?;
        }
        Ok(seen)
    }

    // Of a linear network: step, and what content and cue have of a/s.
    fn parts(&self) -> anyhow::Result<Vec<(f64, [f64; 2])>> {
        let parts = self.design.parts(self.run.config.data.seed);
        let mode = &self.run.summary.modes[0];
        let difference = |all: &ndarray::Array3<f64>| {
            let [a, b] = [0, 1].map(|k| all.index_axis(ndarray::Axis(0), k));
            (&a - &b).insert_axis(ndarray::Axis(0))
        };
        let (content, cue) = (difference(&parts.content), difference(&parts.cue));
        let v = self.run.dir.modes_array("v")?;
        let v: ArrayView3<f64> = v.index_axis(ndarray::Axis(0), 0).into_dimensionality()?;
        let norm = |x: &ndarray::Array3<f64>| x.iter().map(|x| x * x).sum::<f64>();
        // v is the normalised sum of both, or its negative.
        let scale = (&v * &content).sum().signum() / (norm(&content) + norm(&cue)).sqrt();
        let steps = self.run.dir.snapshots()?;
        let at = |step: u64| -> anyhow::Result<(f64, [f64; 2])> {
            let template = self.run.dir.spectra_array(step, "images")?;
            let template: ArrayView3<f64> = template.index_axis(ndarray::Axis(0), 0).into_dimensionality()?;
            let part = |x: &ndarray::Array3<f64>| mode.lambda / mode.s * scale * (&template * x).sum();
            Ok((step as f64, [part(&content), part(&cue)]))
        };
        steps.into_iter().map(at).collect()
    }
}

/// All runs of one network.
struct Plane {
    kind: ModelKind,
    /// Frequencies of the cue, ascending.
    cues: Vec<usize>,
    /// Its amplitudes, ascending.
    amplitudes: Vec<f64>,
    /// `[amplitude, cue]`: how much of the answer is the cue's; NaN where there is no run.
    shares: Array2<f64>,
    /// The amplitude at which half is the cue's, per column; None where it is not on the grid.
    boundary: Vec<Option<f64>>,
    /// Where it is expected; empty without a theory.
    expected: Vec<f64>,
}

impl Plane {
    fn new(kind: ModelKind, all: &[Seen]) -> Result<Self> {
        let seen: Vec<&Seen> = all.iter().filter(|s| s.run.is(kind)).collect();
        let cues: BTreeSet<usize> = seen.iter().map(|s| s.design.cue).collect();
        let cues: Vec<usize> = cues.into_iter().collect();
        let mut amplitudes: Vec<f64> = seen.iter().map(|s| s.design.amplitude).collect();
        amplitudes.sort_by(f64::total_cmp);
        amplitudes.dedup();
        let mut shares = Array2::from_elem((amplitudes.len(), cues.len()), f64::NAN);
        let mut by_reader = shares.clone();
        for s in &seen {
            if alike(s.run) != alike(seen[0].run) {
                let expected =
                    format!("scale, kernels and preparation of images as in {}", seen[0].run.place());
                return Err(Error::input(s.run.place(), expected, "others"));
            }
            let row = amplitudes.iter().position(|a| *a == s.design.amplitude).expect("one of them");
            let column = cues.iter().position(|c| *c == s.design.cue).expect("one of them");
            if !shares[[row, column]].is_nan() {
                return Err(Error::input(s.run.place(), "one run of each network and cue", "another"));
            }
            (shares[[row, column]], by_reader[[row, column]]) = (s.share, s.expected);
        }
        let crossings = |all: &Array2<f64>| -> Vec<Option<f64>> {
            all.columns().into_iter().map(|c| crossing(&amplitudes, &c.to_vec())).collect()
        };
        let boundary = crossings(&shares);
        let expected = match kind {
            ModelKind::Fcnn => vec![1.0; cues.len()],
            ModelKind::Lcnn if has_theory(seen[0].run) => {
                let boundary = |cue: &usize| expected_boundary(seen[0], *cue);
                cues.iter().map(boundary).collect::<Result<_>>()?
            }
            kind if kind.is_linear() => Vec::new(),
            _ => crossings(&by_reader).into_iter().map(|a| a.unwrap_or(f64::NAN)).collect(),
        };
        Ok(Self { kind, cues, amplitudes, shares, boundary, expected })
    }

    fn name(&self) -> String {
        runs::called(self.kind)
    }

    // How far each boundary is from where it is expected, in steps of the grid; infinite
    // where it is not on the grid.
    fn off(&self) -> Vec<f64> {
        let steps: Vec<f64> = self.amplitudes.windows(2).map(|w| (w[1] / w[0]).ln()).collect();
        let step = steps.iter().sum::<f64>() / steps.len() as f64;
        let off = |(found, expected): (&Option<f64>, &f64)| {
            let off = (found.unwrap_or(f64::NAN) / expected).ln().abs() / step;
            if off.is_nan() { f64::INFINITY } else { off }
        };
        self.boundary.iter().zip(&self.expected).map(off).collect()
    }
}

// Where the shares, over ascending amplitudes, first pass one half: linear between the two
// amplitudes around it, on a logarithmic scale.
fn crossing(amplitudes: &[f64], shares: &[f64]) -> Option<f64> {
    let at = shares.windows(2).position(|w| w[0] <= 0.5 && w[1] > 0.5)?;
    let (low, high) = (amplitudes[at].ln(), amplitudes[at + 1].ln());
    Some((low + (high - low) * (0.5 - shares[at]) / (shares[at + 1] - shares[at])).exp())
}

// Energies of the entries of v: two per frequency of two classes, of content and cue.
fn energies(content: usize, cue: usize, amplitude: f64) -> Vec<f64> {
    let square = amplitude.powi(2);
    let entry = |part: f64, number: usize| vec![part / (1.0 + square) / (4 * number) as f64; 4 * number];
    [entry(1.0, content), entry(square, cue)].concat()
}

fn start(seen: &Seen) -> GaussianStart {
    let [_, h, w] = seen.design.shape();
    GaussianStart { n: h * w, kernels: seen.run.config.model.channels, epsilon: seen.run.config.init.scale }
}

// What has to be the same in all runs of a plane.
fn alike(run: &Finished) -> impl PartialEq {
    let (model, data) = (&run.config.model, &run.config.data);
    let kernels = (model.channels, model.layers, model.kernel, model.padding());
    (kernels, run.config.init.scale.to_bits(), data.normalize(), data.center())
}

// What content and cue are expected to have of `a`, as shares.
fn expected_parts(seen: &Seen, cue: usize, amplitude: f64, a: f64) -> [f64; 2] {
    let design = &seen.design;
    if seen.run.is(ModelKind::Fcnn) {
        let square = amplitude.powi(2);
        return [1.0 / (1.0 + square), square / (1.0 + square)];
    }
    let lambda = seen.run.summary.modes[0].lambda;
    let all = shares(&energies(design.content, cue, amplitude), lambda, a, start(seen));
    let content: f64 = all[..4 * design.content].iter().sum();
    [content, 1.0 - content]
}

// The amplitude at which half of the learned mode is expected to be the cue's. Strength and
// variance of the mode are those of `seen`: the same for all amplitudes, as images are divided
// by the standard deviation of all.
fn expected_boundary(seen: &Seen, cue: usize) -> Result<f64> {
    if seen.run.config.data.normalize() != Normalize::Global {
        let found = seen.run.config.data.normalize();
        return Err(Error::input(seen.run.place(), "data.normalize = \"global\"", found));
    }
    let (mut low, mut high) = (1e-3f64.ln(), 1e3f64.ln());
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        let [_, share] = expected_parts(seen, cue, middle.exp(), seen.run.summary.modes[0].s);
        if share > 0.5 { high = middle } else { low = middle }
    }
    Ok((0.5 * (low + high)).exp())
}

/// Content and cue over the steps.
type Parts = Vec<(f64, [f64; 2])>;

/// One network over training.
struct Course {
    title: String,
    subtitle: String,
    x: &'static str,
    y: &'static str,
    measured: Parts,
    theory: Parts,
    // Steps, and the share of right answers on images without a cue; empty where there is none.
    clean: Vec<(f64, f64)>,
}

// The runs of all networks on the cue on which the linear networks differ most.
fn over_training(seen: &[Seen], planes: &[Plane]) -> anyhow::Result<Vec<Course>> {
    let linear: Vec<&Plane> = planes.iter().filter(|p| p.kind.is_linear()).collect();
    let share = |plane: &Plane, cue: usize, amplitude: f64| {
        let row = plane.amplitudes.iter().position(|a| *a == amplitude)?;
        let column = plane.cues.iter().position(|c| *c == cue)?;
        Some(plane.shares[[row, column]]).filter(|s| s.is_finite())
    };
    let differ = |s: &Seen| {
        let all: Option<Vec<f64>> =
            linear.iter().map(|p| share(p, s.design.cue, s.design.amplitude)).collect();
        let all = all.unwrap_or_default();
        let ends = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(*x), h.max(*x)));
        ends.1 - ends.0
    };
    let Some(chosen) = seen.iter().max_by(|a, b| differ(a).total_cmp(&differ(b))) else {
        return Ok(Vec::new());
    };
    let (cue, amplitude) = (chosen.design.cue, chosen.design.amplitude);
    let subtitle = format!("A = {}, {cue} frequencies", short(amplitude));
    let mut courses = Vec::new();
    for plane in planes {
        let here = |s: &&Seen| s.run.is(plane.kind) && s.design.cue == cue && s.design.amplitude == amplitude;
        let Some(s) = seen.iter().find(here) else { continue };
        let (title, subtitle) = (plane.name(), subtitle.clone());
        courses.push(if plane.kind.is_linear() {
            let measured = s.parts()?;
            let split = |(step, [content, cue]): &(f64, [f64; 2])| {
                let a = content + cue;
                let expected = expected_parts(s, s.design.cue, amplitude, a * s.run.summary.modes[0].s);
                (*step, expected.map(|share| share * a))
            };
            let theory = if plane.expected.is_empty() {
                Vec::new()
            } else {
                measured.iter().filter(|(_, [a, b])| a + b > 1e-3).map(split).collect()
            };
            let (x, y) = ("gradient-descent step", "part of a/s");
            Course { title, subtitle, x, y, measured, theory, clean: Vec::new() }
        } else {
            let measured =
                accuracy(s.run)?.into_iter().map(|(step, right)| (step, [right, 1.0 - right])).collect();
            let (x, y, clean) = ("update", "share of answers", accuracy_on(s.run, CLEAN)?);
            Course { title, subtitle, x, y, measured, theory: Vec::new(), clean }
        });
    }
    Ok(courses)
}

fn save(planes: &[Plane], courses: Vec<Course>, out: &Path) -> Result<()> {
    picture(&blocks(planes, courses)?, FULL)?.save(out, DPI)
}

/// The split whose images have no cue.
const CLEAN: &str = "validation";

/// Content and cue.
const COLOURS: [usize; 2] = [0, 1];
/// Right answers without a cue.
const RIGHT: usize = 2;

fn blocks(planes: &[Plane], courses: Vec<Course>) -> Result<Vec<Block>> {
    let letters = "abcdefghijklmnopqrstuvwxyz";
    let mut letters = letters.chars();
    let mut titled = |title: &str| format!("({}) {title}", letters.next().unwrap_or('z'));
    let mut above = Vec::new();
    for (i, plane) in planes.iter().enumerate() {
        if plane.amplitudes.len() < 2 {
            let expected = "cues of at least two amplitudes";
            return Err(Error::input(
                format!("figure shortcut, {}", plane.name()),
                expected,
                plane.amplitudes.len(),
            ));
        }
        let named = plane.cues.iter().map(|m| (*m as f64, m.to_string())).collect();
        let ticks = plane.amplitudes.iter().map(|a| (*a, short(*a))).collect();
        let x = Axis::log("frequencies of the cue").named(named);
        let y = Axis::log("amplitude of the cue, A").named(ticks);
        let mut panel = Panel::new(titled(&plane.name()), x, y);
        panel.subtitle = "answers by the cue".to_owned();
        let places: Vec<f64> = plane.cues.iter().map(|m| *m as f64).collect();
        panel.layers.push(Layer::Heat(Heat {
            x: places.clone(),
            y: plane.amplitudes.clone(),
            values: plane.shares.clone(),
            limits: (0.0, 1.0),
            log: false,
            bar: (i + 1 == planes.len()).then(|| "share of the cue".to_owned()),
        }));
        if !plane.expected.is_empty() {
            let line: Vec<_> = places.iter().copied().zip(plane.expected.iter().copied()).collect();
            panel.layers.push(Layer::Line(line.clone(), Pen::new(PAPER, 3.0, Stroke::Solid)));
            panel.layers.push(Layer::Line(line, Pen::new(INK, 1.4, Stroke::Dashed)));
        }
        let found = places.iter().zip(&plane.boundary).map(|(m, a)| (*m, a.unwrap_or(f64::NAN)));
        panel.layers.push(Layer::Points(found.collect(), Marker::Dot, PALETTE[COLOURS[1]]));
        above.push(panel);
    }
    let mut blocks = vec![Block::Panels(above, 330.0, 1.0)];
    let theory = Pen::new(INK, 1.4, Stroke::Dashed);
    blocks.push(Block::Legend(vec![
        Key::new(
            vec![Sign::Marker(Marker::Dot, PALETTE[COLOURS[1]])],
            "half of the answer is the cue's, measured",
        ),
        Key::new(vec![Sign::Line(theory)], "expected before training"),
    ]));
    if courses.is_empty() {
        return Ok(blocks);
    }
    let with_theory = courses.iter().any(|c| !c.theory.is_empty());
    let with_clean = courses.iter().any(|c| !c.clean.is_empty());
    let panels = courses.into_iter().map(|course| {
        let mut panel = Panel::new(
            titled(&format!("{} over training", course.title)),
            Axis::linear(course.x),
            Axis::linear(course.y).within(-0.05, 1.1),
        );
        panel.subtitle = course.subtitle;
        let line =
            |all: &Parts, part: usize| all.iter().map(|(step, p)| (*step, p[part])).collect::<Vec<_>>();
        for (part, colour) in COLOURS.into_iter().enumerate() {
            let pen = Pen::new(mix(PALETTE[colour], PAPER, 0.35), MEASURED, Stroke::Solid);
            panel.layers.push(Layer::Line(line(&course.measured, part), pen));
        }
        if !course.clean.is_empty() {
            let pen = Pen::new(mix(PALETTE[RIGHT], PAPER, 0.35), MEASURED, Stroke::Solid);
            panel.layers.push(Layer::Line(course.clean.clone(), pen));
        }
        for (part, colour) in COLOURS.into_iter().enumerate().filter(|_| !course.theory.is_empty()) {
            let pen = Pen::new(mix(PALETTE[colour], INK, 0.35), THEORY, Stroke::Dashed);
            panel.layers.push(Layer::Line(line(&course.theory, part), pen));
        }
        panel
    });
    blocks.push(Block::Panels(panels.collect(), 260.0, 1.0));
    let of = |colour: usize, text: &str| {
        Key::new(vec![Sign::Line(Pen::new(mix(PALETTE[colour], PAPER, 0.35), MEASURED, Stroke::Solid))], text)
    };
    let mut keys = vec![of(COLOURS[0], "content"), of(COLOURS[1], "cue")];
    if with_clean {
        keys.push(of(RIGHT, "right answers without a cue"));
    }
    keys.push(Key::new(vec![Sign::Line(Pen::new(REST, MEASURED, Stroke::Solid))], "measured"));
    if with_theory {
        keys.push(Key::new(
            vec![Sign::Line(Pen::new(INK, THEORY, Stroke::Dashed))],
            "theory, given their sum",
        ));
    }
    blocks.push(Block::Legend(keys));
    Ok(blocks)
}

// Two digits are enough for a tick.
fn short(a: f64) -> String {
    let text = format!("{a:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{counts, refuses, shows};

    fn plane(kind: ModelKind, boundary: f64) -> Plane {
        let amplitudes = vec![0.25, 0.5, 1.0, 2.0, 4.0];
        let shares = Array2::from_shape_fn((5, 3), |(a, _)| {
            let x: f64 = amplitudes[a] / boundary;
            x.powi(4) / (1.0 + x.powi(4))
        });
        let found = shares.columns().into_iter().map(|c| crossing(&amplitudes, &c.to_vec())).collect();
        Plane { kind, cues: vec![1, 4, 16], amplitudes, shares, boundary: found, expected: vec![boundary; 3] }
    }

    fn course() -> Course {
        let measured = (0..20).map(|i| (f64::from(i), [0.03 * f64::from(i), 0.01 * f64::from(i)])).collect();
        Course {
            title: "FCNN".into(),
            subtitle: String::new(),
            x: "step",
            y: "part",
            measured,
            theory: vec![(1.0, [0.1, 0.2]), (9.0, [0.3, 0.2])],
            clean: vec![(0.0, 0.5), (19.0, 0.9)],
        }
    }

    #[test]
    fn crossings_by_hand() {
        // From .25 to .75 between 1 and 4: half-way on the logarithmic scale.
        let found = crossing(&[0.5, 1.0, 4.0], &[0.1, 0.25, 0.75]).unwrap();
        assert!((found - 2.0).abs() < 1e-12, "{found}");
        assert_eq!(crossing(&[0.5, 1.0], &[0.6, 0.9]), None);
        assert_eq!(crossing(&[0.5, 1.0], &[0.6, f64::NAN]), None);
        let off = plane(ModelKind::Lcnn, 1.3).off();
        assert!(off.len() == 3 && off.iter().all(|o| *o < 0.1), "{off:?}");
        let mut missing = plane(ModelKind::Lcnn, 1.3);
        missing.boundary[1] = None;
        assert_eq!(missing.off()[1], f64::INFINITY);
    }

    #[test]
    fn energies_sum_to_one_and_have_the_amplitude_between_them() {
        let all = energies(2, 3, 2.0);
        assert_eq!(all.len(), 20);
        assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((all[8..].iter().sum::<f64>() - 0.8).abs() < 1e-12);
    }

    #[test]
    fn planes_and_courses_are_drawn() {
        let planes = [plane(ModelKind::Fcnn, 1.0), plane(ModelKind::Lcnn, 1.7)];
        let picture = shows("shortcut", &blocks(&planes, vec![course()]).unwrap(), FULL);
        // The boundaries.
        assert!(counts(&picture, PALETTE[1]) > 100);
        assert!(counts(&picture, mix(PALETTE[RIGHT], PAPER, 0.35)) > 100);
        let mut narrow = plane(ModelKind::Fcnn, 1.0);
        narrow.amplitudes.truncate(1);
        refuses(&[([narrow], "two amplitudes")], |planes, out| save(planes, Vec::new(), out));
    }
}
