//! Whether a network answers by shape or by texture, over the width of the textures'
//! spectra, with their phases kept and drawn anew.

use std::path::Path;

use ndarray::{Array2, s};
use rustfft::num_complex::Complex;

use super::conflicting::{self, Conflicting};
use super::curves::{MEASURED, THEORY, colours};
use super::runs::{self, Finished, Runs};
use super::verdict::Note;
use crate::data::conflict::Design;
use crate::error::{Error, Result};
use crate::plot::{
    Axis as Scale, Block, DPI, FULL, INK, Key, Layer, MARKERS, PALETTE, Panel, Pen, REST, Sign, Stroke,
    picture,
};
use crate::run::config::ModelKind;
use crate::spectrum;
use crate::theory::shares::{GaussianStart, shares};

pub(super) fn draw(args: &Runs) -> anyhow::Result<Note> {
    let runs = Finished::all(&args.runs)?;
    let mut points = Vec::new();
    for run in &runs {
        let design = Design::of(&run.config.data.spec)?;
        let data = &run.config.data;
        let expected = match &design {
            Design { classes: 3.., .. } => "two classes (what is not shape is texture)",
            Design { shape_is_label: false, .. } => "label=shape",
            Design { agree: [1.0, 0.0], .. }
                if data.split == "train" && conflicting::split(run) != "train" =>
            {
                ""
            }
            _ => "agree=1/0, trained on the split \"train\" and evaluated on another",
        };
        if !expected.is_empty() {
            let found = format!("`{}`, {} and {}", data.spec, data.split, conflicting::split(run));
            return Err(Error::input(run.place(), expected, found).into());
        }
        if run.config.model.kind.is_linear() {
            conflicting::one_mode(run)?;
        }
        points.push(Point::new(run, &design)?);
    }
    points.sort_by(|a, b| a.width.total_cmp(&b.width));
    let kinds = runs::kinds(&runs);
    save(&points, &kinds, &args.out)?;

    let mut note = Note::new(
        11,
        "Shape or texture",
        "Networks trained on images whose shape and texture tell the class alike, and asked about images with the \
         shape of one class and the texture of the other. Shape bias: of deep networks the share that they answer by the \
         shape (Geirhos et al. 2019); of linear ones the area under the ROC curve of their answers (1: ordered by the \
         shapes, 0: by the textures), as images without conflicts fix no threshold between these. Over the width of the \
         textures' spectra: linear networks at half-time of the mode (or at the end, where it is not reached), the others \
         after training (solid), and what was expected before: by the spectrum of the mode or by a linear reader of random \
         convolutions (dashed). With phases drawn anew for each image a texture has no mean, and linear networks \
         cannot read it. Below: over training, for the narrowest and the widest spectra.",
    );
    for kind in &kinds {
        for kept in [true, false] {
            let of: Vec<&Point> = points.iter().filter(|p| p.kind == *kind && p.kept == kept).collect();
            let (Some(first), Some(last)) = (of.first(), of.last()) else { continue };
            let phases = if kept { "kept" } else { "scrambled" };
            let what = format!("{}, phases {phases}: shape bias", runs::called(*kind));
            note.states(format!("{what}, textures of {} octaves", first.width), first.bias);
            note.states(format!("{what}, textures of {} octaves", last.width), last.bias);
            let off = of.iter().map(|p| (p.bias - p.expected).abs()).sum::<f64>() / of.len() as f64;
            if kind.is_linear() {
                note.at_most(format!("{what}: mean distance from what was expected"), off, CLOSE);
            } else {
                note.states(format!("{what}: mean distance from what was expected"), off);
            }
        }
    }
    Ok(note)
}

/// Mean distance of shape biases of linear networks from those expected.
const CLOSE: f64 = 0.1;

/// A run.
struct Point {
    kind: ModelKind,
    /// Octaves.
    width: f64,
    kept: bool,
    bias: f64,
    expected: f64,
    /// Share of the training, and the bias there.
    course: Vec<(f64, f64)>,
}

impl Point {
    fn new(run: &Finished, design: &Design) -> anyhow::Result<Self> {
        let kind = run.config.model.kind;
        let conflicting = Conflicting::new(run)?;
        let (bias, expected, course) = if kind.is_linear() {
            let mut course = Vec::new();
            for step in run.dir.snapshots()? {
                let (u, templates) = conflicting::templates(run, step)?;
                course.push((step as f64, conflicting.by_templates(u.view(), templates.view())));
            }
            let mode = &run.summary.modes[0];
            let end = course.last().map_or(f64::NAN, |(step, _)| *step);
            let half = mode.measured.t50.unwrap_or(end);
            let found = course.iter().min_by(|a, b| (a.0 - half).abs().total_cmp(&(b.0 - half).abs()));
            let bias = found.map_or(f64::NAN, |(_, bias)| *bias);
            let (u, _) = conflicting::templates(run, 0)?;
            let expected = conflicting.by_templates(u.view(), expected_templates(run)?.view());
            (bias, expected, course)
        } else {
            let course = conflicting::accuracy(run)?;
            (course.last().map_or(f64::NAN, |(_, bias)| *bias), conflicting.by_reader()?, course)
        };
        let end = course.last().map_or(1.0, |(step, _)| step.max(1.0));
        let course = course.into_iter().map(|(step, bias)| (step / end, bias)).collect();
        Ok(Self { kind, width: design.width, kept: design.kept, bias, expected, course })
    }
}

// The templates expected of modes that are half learned: v of a fully connected network; of a
// convolution each frequency of v weighted by its share over its energy. `[m, d]`.
fn expected_templates(run: &Finished) -> anyhow::Result<Array2<f64>> {
    let v = conflicting::v(run)?;
    let (m, rows, w) = v.dim();
    if run.is(ModelKind::Fcnn) {
        return Ok(v.to_shape((m, rows * w))?.into_owned());
    }
    let [c, h, _] = run.dir.shape()?;
    if c != 1 || !conflicting::has_theory(run) {
        let expected = "grey images, and one layer of full circular kernels begun with Gaussian weights";
        return Err(Error::input(run.place(), expected, runs::title(&run.config)).into());
    }
    let model = &run.config.model;
    let start = GaussianStart { n: h * w, kernels: model.channels, epsilon: run.config.init.scale };
    let mut all = Array2::zeros((m, h * w));
    for (a, mut out) in all.outer_iter_mut().enumerate() {
        let mode = &run.summary.modes[a];
        let mut half = spectrum::rfft2(v.slice(s![a, .., ..]));
        // Every entry of the full plane: those of inner columns stand for two.
        let twice = |column: usize| if column == 0 || 2 * column == w { 1 } else { 2 };
        let places: Vec<(usize, usize)> = half.indexed_iter().map(|(at, _)| at).collect();
        let energies: Vec<f64> =
            places.iter().flat_map(|at| vec![half[*at].norm_sqr(); twice(at.1)]).collect();
        let found = shares(&energies, mode.lambda, 0.5 * mode.s, start);
        let mut entry = 0;
        for at in places {
            let (share, energy) = (found[entry], energies[entry]);
            entry += twice(at.1);
            half[at] *= Complex::from(if energy > 0.0 { share / energy } else { 0.0 });
        }
        out.assign(&spectrum::irfft2(half.view(), w).to_shape(h * w)?);
    }
    Ok(all)
}

fn save(points: &[Point], kinds: &[ModelKind], out: &Path) -> Result<()> {
    picture(&blocks(points, kinds)?, FULL)?.save(out, DPI)
}

fn blocks(points: &[Point], kinds: &[ModelKind]) -> Result<Vec<Block>> {
    let (mut widths, mut courses) = (Vec::new(), Vec::new());
    let letter = |i: usize| char::from(b'a' + (i % 26) as u8);
    for (i, kind) in kinds.iter().enumerate() {
        let title = format!("({}) {}", letter(i), runs::called(*kind));
        let mut panel = Panel::new(title, Scale::linear("width of the spectra (octaves)"), bias_axis());
        let title = format!("({}) {}, over training", letter(kinds.len() + i), runs::called(*kind));
        let mut course = Panel::new(title, Scale::linear("share of the training"), bias_axis());
        course.subtitle = "textures with kept phases".to_owned();
        for (colour, kept) in [true, false].into_iter().enumerate() {
            let of: Vec<&Point> = points.iter().filter(|p| p.kind == *kind && p.kept == kept).collect();
            let (wide, thin) = colours(colour, true);
            let measured: Vec<_> = of.iter().map(|p| (p.width, p.bias)).collect();
            panel.layers.push(Layer::Line(measured.clone(), Pen::new(wide, MEASURED, Stroke::Solid)));
            panel.layers.push(Layer::Points(measured, MARKERS[colour], thin));
            let expected = of.iter().map(|p| (p.width, p.expected)).collect();
            panel.layers.push(Layer::Line(expected, Pen::new(thin, THEORY, Stroke::Dashed)));
            let ends = of.first().into_iter().zip([ENDS]).chain(of.last().into_iter().zip([ENDS + 1]));
            for (point, colour) in ends.filter(|_| kept) {
                let pen = Pen::new(PALETTE[colour], MEASURED, Stroke::Solid);
                course.layers.push(Layer::Line(point.course.clone(), pen));
            }
        }
        widths.push(panel);
        courses.push(course);
    }
    let phases = ["kept", "drawn anew"].iter().enumerate().map(|(i, what)| {
        let (wide, thin) = colours(i, true);
        let line = Sign::Line(Pen::new(wide, MEASURED, Stroke::Solid));
        Key::new(vec![line, Sign::Marker(MARKERS[i], thin)], format!("phases {what}"))
    });
    let mut keys: Vec<Key> = phases.collect();
    keys.push(Key::new(vec![Sign::Line(Pen::new(REST, MEASURED, Stroke::Solid))], "measured"));
    keys.push(Key::new(vec![Sign::Line(Pen::new(INK, THEORY, Stroke::Dashed))], "expected before training"));
    let of_course = ["narrowest spectra", "widest spectra"].iter().enumerate().map(|(i, what)| {
        Key::new(vec![Sign::Line(Pen::new(PALETTE[ENDS + i], MEASURED, Stroke::Solid))], *what)
    });
    Ok(vec![
        Block::Panels(widths, 280.0, 1.0),
        Block::Legend(keys),
        Block::Panels(courses, 240.0, 1.0),
        Block::Legend(of_course.collect()),
    ])
}

/// Colours of the narrowest and the widest spectra.
const ENDS: usize = 2;

fn bias_axis() -> Scale {
    Scale::linear("shape bias").within(-0.05, 1.05)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{counts, shows};

    #[test]
    fn panels_are_drawn() {
        let point = |kind, width: f64, kept| Point {
            kind,
            width,
            kept,
            bias: 0.1 + 0.2 * width,
            expected: 0.2 * width,
            course: vec![(0.0, 0.5), (1.0, 0.1 + 0.2 * width)],
        };
        let kinds = [ModelKind::Fcnn, ModelKind::Lcnn];
        let points: Vec<Point> = kinds
            .into_iter()
            .flat_map(|kind| [0.0, 1.0, 4.0].map(|width| [true, false].map(|kept| point(kind, width, kept))))
            .flatten()
            .collect();
        let picture = shows("texture", &blocks(&points, &kinds).unwrap(), FULL);
        for i in 0..2 {
            assert!(counts(&picture, colours(i, true).0) > 100);
        }
    }
}
