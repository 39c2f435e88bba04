//! Discovery of the modes in stages: their strengths over the steps, measured and
//! predicted, with half-times; and the closed form where it holds.

use std::path::{Path, PathBuf};

use super::curves::{self, StageCurve, StagePanel, colours};
use super::runs::{Runs, expanded, subtitle, title};
use super::verdict::Note;
use crate::error::{Error, Result};
use crate::plot::{
    Block, DPI, FULL, INK, Key, Layer, Marker, PALETTE, Pen, Picture, SINGLE, Sign, Stroke, picture,
};
use crate::run::config::ModelKind;
use crate::run::{RunConfig, RunDir, Summary};
use crate::stats::crossing;

/// Distance allowed between closed form and training, in units of s.
const CLOSE: f64 = 0.005;
/// Of the axes, pixels.
const HEIGHT: f64 = 372.0;

pub(super) fn draw(args: &Runs) -> anyhow::Result<Note> {
    let roots = expanded(&args.runs)?;
    let networks = roots.iter().map(|root| network(root)).collect::<anyhow::Result<Vec<_>>>()?;
    save(&networks, &args.out)?;
    let mut note = Note::new(
        1,
        "Discovery in stages",
        "Strength a of each mode in units of its final value s, over the steps of gradient descent: \
         measured (solid) and predicted (dashed), with half-times. Linear networks learn the modes of \
         a data set one after the other, the strongest first.",
    );
    for (root, network) in roots.iter().zip(&networks) {
        // A run that was stopped has no summary, and can be drawn nevertheless.
        let Ok(summary) = Summary::read(&RunDir::open(root)?.summary()) else { continue };
        let alone = summary.theories.first().is_some_and(|t| t == "closed");
        if alone {
            let worst =
                summary.modes.iter().filter_map(|m| m.predicted[0].max_error).fold(f64::NAN, f64::max);
            note.at_most(format!("{}: max |a − closed form|/s", network.panel.title), worst, CLOSE);
        }
        let times: Vec<f64> = network.marks.iter().filter_map(|m| m.half_time).collect();
        let ordered = times.len().min(1) + times.windows(2).filter(|w| w[0] < w[1]).count();
        let what =
            format!("{}: modes discovered in the order of strength, of {}", network.panel.title, times.len());
        // Modes that share frequencies or have nearly the same strength may change places.
        if alone {
            note.at_least(what, ordered as f64, times.len() as f64);
        } else {
            note.states(what, ordered as f64);
        }
    }
    // The claim of the figure, in the time of the flow: √(n/2) for cosines.
    let first = |root: &PathBuf| -> Option<(ModelKind, f64)> {
        let dir = RunDir::open(root).ok()?;
        let (config, summary) = (RunConfig::read(&dir.config()).ok()?, Summary::read(&dir.summary()).ok()?);
        Some((config.model.kind, summary.modes[0].measured.t50? * summary.eta))
    };
    let times: Vec<_> = roots.iter().filter_map(first).collect();
    if let [(ModelKind::Fcnn, fcnn), (ModelKind::Lcnn, lcnn)] = times[..] {
        note.states("half-time of mode 1, FCNN / LCNN at the same step size", fcnn / lcnn);
    }
    Ok(note)
}

fn network(root: &Path) -> anyhow::Result<Network> {
    let (config, metrics, s) = RunDir::open(root)?.read()?;
    let relative = |a: &[f64], s: f64| -> Vec<f64> { a.iter().map(|v| v / s).collect() };
    let curve = |(i, &s): (usize, &f64)| StageCurve {
        label: format!("mode {}", i + 1),
        measured: relative(&metrics.a[i], s),
        theory: metrics
            .theories
            .first()
            .map(|t| ("theory".to_owned(), relative(&t.a[i], s)))
            .into_iter()
            .collect(),
    };
    let curves: Vec<_> = s.iter().enumerate().map(curve).collect();
    let mark = |(curve, s): (&StageCurve, &f64)| Mark {
        note: format!("s = {s:.3}"),
        half_time: crossing(&metrics.steps, &curve.measured, 0.5, true),
        theory_half_time: curve.theory.first().and_then(|t| crossing(&metrics.steps, &t.1, 0.5, true)),
    };
    let marks = curves.iter().zip(&s).map(mark).collect();
    let panel = StagePanel { title: title(&config), steps: metrics.steps, curves, log_x: false };
    Ok(Network { subtitle: subtitle(&config), panel, marks })
}

/// One network on one data set.
#[derive(Clone)]
struct Network {
    /// A second, quieter line under the heading; may be empty.
    subtitle: String,
    panel: StagePanel,
    /// Of each curve.
    marks: Vec<Mark>,
}

/// What there is to say of a curve.
#[derive(Clone)]
struct Mark {
    /// Remark behind its name ("s = 2.11"); may be empty.
    note: String,
    /// Step at which the measured a reached s/2, if it did.
    half_time: Option<f64>,
    /// Step at which the theory says so.
    theory_half_time: Option<f64>,
}

/// Draws the networks side by side into one PNG at `out`.
///
/// The measured curve is solid and wide, the theory dashed on top of it. A dot
/// on the curve marks the measured half-time and a tick on the axis repeats it;
/// a ring marks the theory's. The legend stands below the axes; remarks are in it if
/// they are the same for all networks, and below their headings otherwise.
///
/// # Errors
/// [`Error::Input`] for panels without curves, series of unequal length, steps
/// that do not ascend and infinite values; [`Error::Io`] if `out` cannot be
/// written. A file that is already there survives both.
fn save(networks: &[Network], out: &Path) -> Result<()> {
    page(networks)?.save(out, DPI)
}

fn check(networks: &[Network]) -> Result<()> {
    if networks.is_empty() {
        return Err(Error::input("figure of learning stages", "at least one panel", "none"));
    }
    for Network { panel, marks, .. } in networks {
        let place = format!("panel {:?}", panel.title);
        if panel.curves.is_empty() || panel.steps.is_empty() {
            return Err(Error::input(place, "at least one curve and one step", "none"));
        }
        for (curve, mark) in panel.curves.iter().zip(marks) {
            for time in mark.half_time.iter().chain(&mark.theory_half_time) {
                if !time.is_finite() || *time < 0.0 {
                    let place = format!("{place}, {:?}, half-time", curve.label);
                    return Err(Error::input(place, "a finite step from 0", time));
                }
            }
        }
    }
    Ok(())
}

/// Names and remarks of all curves.
fn names(network: &Network) -> Vec<(&str, &str)> {
    let curves = network.panel.curves.iter().zip(&network.marks);
    curves.map(|(curve, mark)| (curve.label.as_str(), mark.note.as_str())).collect()
}

/// Explains lines and marks, as far as they occur.
fn kinds(networks: &[Network], mut lines: Vec<Key>) -> Vec<Key> {
    let mut add = |occurs: fn(&Mark) -> bool, marker, text: &str| {
        if networks.iter().flat_map(|n| &n.marks).any(occurs) {
            lines.push(Key::new(vec![Sign::Marker(marker, INK)], text));
        }
    };
    add(|m| m.half_time.is_some(), Marker::Dot, "half-time (a = s/2)");
    add(|m| m.theory_half_time.is_some(), Marker::Ring, "half-time of the theory");
    lines
}

fn page(networks: &[Network]) -> Result<Picture> {
    check(networks)?;
    let columns = match networks.len() {
        1 => 1,
        2 | 4 => 2,
        _ => 3,
    };
    let panels: Vec<StagePanel> = networks.iter().map(|n| n.panel.clone()).collect();
    let [modes, lines] = curves::legends(&panels);
    let with_theory = panels.iter().flat_map(|p| &p.curves).any(|c| !c.theory.is_empty());
    let shared = networks.iter().all(|n| names(n) == names(&networks[0]));
    let mut drawn = curves::panels(&panels, columns)?;
    for (panel, network) in drawn.iter_mut().zip(networks) {
        panel.subtitle.clone_from(&network.subtitle);
        if !shared {
            // With no-break spaces: a line ends between two of them.
            let notes: Vec<_> = network.marks.iter().map(|m| m.note.replace(' ', "\u{a0}")).collect();
            panel.subtitle += &format!("; {}", notes.join(", "));
        }
        let (low, high) = panel.y.range.unwrap_or_default();
        // Later modes first, so that the strongest lie on top.
        for (curve, mark) in network.panel.curves.iter().zip(&network.marks).rev() {
            let place = modes.iter().position(|k| k.text == curve.label).unwrap_or(modes.len());
            let colour = colours(place, with_theory).1;
            if let Some(t) = mark.half_time {
                let tick = vec![(t, low), (t, low + 0.035 * (high - low))];
                panel.layers.push(Layer::Line(tick, Pen::new(colour, 1.1, Stroke::Solid)));
                panel.layers.push(Layer::Points(vec![(t, 0.5)], Marker::Dot, colour));
            }
            if let Some(t) = mark.theory_half_time {
                panel.layers.push(Layer::Points(vec![(t, 0.5)], Marker::Ring, colour));
            }
        }
    }
    let mut blocks = Block::rows(drawn, columns, HEIGHT, 1.0);
    // Modes past the palette are all of one grey.
    let mut keys: Vec<Key> = modes.into_iter().take(PALETTE.len()).collect();
    if shared {
        keys.iter_mut().zip(&networks[0].marks).for_each(|(key, mark)| key.note.clone_from(&mark.note));
    }
    blocks.push(Block::Legend(keys));
    blocks.push(Block::Legend(kinds(networks, lines)));
    picture(&blocks, if columns == 1 { SINGLE } else { FULL })
}

#[cfg(test)]
mod tests {
    use super::curves::MEASURED;
    use super::*;
    use crate::plot::{REST, RGBColor, pt};

    fn curve(label: &str, measured: Vec<f64>) -> (StageCurve, Mark) {
        let mark = Mark { note: "s = 1".to_owned(), half_time: None, theory_half_time: None };
        (StageCurve { label: label.to_owned(), measured, theory: Vec::new() }, mark)
    }

    fn theory(values: Vec<f64>) -> Vec<(String, Vec<f64>)> {
        vec![("theory".to_owned(), values)]
    }

    fn panel(all: Vec<(StageCurve, Mark)>) -> Network {
        let steps = (0..all[0].0.measured.len()).map(|i| i as f64).collect();
        let (curves, marks) = all.into_iter().unzip();
        let panel = StagePanel { title: "net".to_owned(), steps, curves, log_x: false };
        Network { subtitle: String::new(), panel, marks }
    }

    fn logistic(rate: f64) -> Vec<f64> {
        (0..200).map(|i| 1.0 / (1.0 + 999.0 * (-rate * f64::from(i)).exp())).collect()
    }

    /// Where the first axes are: left, top, right, bottom.
    fn first_axes(picture: &Picture) -> (usize, usize, usize, usize) {
        let ink = |x, y| picture.pixel(x, y) == [INK.0, INK.1, INK.2];
        let run = |x| (0..picture.height).filter(|&y| ink(x, y)).count();
        let left = (0..picture.width).find(|&x| run(x) >= HEIGHT as usize).unwrap();
        let line = (0..picture.height).find(|&y| ink(left, y) && ink(left + 90, y)).unwrap();
        let right = (left..picture.width).find(|&x| !ink(x, line)).unwrap();
        (left + 1, line + 1 - HEIGHT as usize, right, line + 1)
    }

    fn count(picture: &Picture, area: (usize, usize, usize, usize), colour: RGBColor) -> usize {
        let wanted = [colour.0, colour.1, colour.2];
        (area.1..area.3).map(|y| (area.0..area.2).filter(|&x| picture.pixel(x, y) == wanted).count()).sum()
    }

    #[test]
    fn curve_runs_at_its_height() {
        // Constant 1 on an axis from −0.05 to 1.1, two measurements.
        let picture = page(&[panel(vec![curve("mode 1", vec![1.0, 1.0])])]).unwrap();
        let (left, top, right, bottom) = first_axes(&picture);
        let x = (left + right) / 2;
        let full = PALETTE[0];
        let rows: Vec<usize> =
            (top..bottom).filter(|&y| picture.pixel(x, y) == [full.0, full.1, full.2]).collect();
        let wanted = top as f64 + HEIGHT * (0.1 / 1.15);
        let middle = rows.iter().sum::<usize>() as f64 / rows.len() as f64 + 0.5;
        assert!((middle - wanted).abs() < 1.0, "{middle} {wanted}");
        assert!((rows.len() as f64 - pt(MEASURED)).abs() < 2.0, "{}", rows.len());
    }

    #[test]
    fn measured_and_theory_are_both_seen_where_they_coincide() {
        let mut same = curve("mode 1", logistic(0.08));
        same.0.theory = theory(same.0.measured.clone());
        let picture = page(&[panel(vec![same])]).unwrap();
        let area = first_axes(&picture);
        let (wide, thin) = colours(0, true);
        let (measured, theory) = (count(&picture, area, wide), count(&picture, area, thin));
        assert!(measured > 1000 && theory > 200, "{measured} {theory}");
    }

    #[test]
    fn legend_is_covered_by_nothing() {
        // The same names, times and extremes, calm data and wild: below the axes the two
        // figures agree to the last pixel.
        let names = ["mode 1", "mode 2", "mode 3"];
        let figure = |data: &dyn Fn(usize) -> Vec<f64>| {
            let between = |i| [vec![-40.0, 40.0], data(i)].concat();
            let curves = || (0..3).map(|i| curve(names[i], between(i))).collect();
            page(&[panel(curves()), panel(curves())]).unwrap()
        };
        let calm = figure(&|_| vec![0.0; 200]);
        let wild = figure(&|i| (0..200).map(|t| 40.0 * (0.3 * (t + i) as f64).sin()).collect());
        assert_eq!((calm.width, calm.height), (wild.width, wild.height));
        let bottom = first_axes(&calm).3 + 8;
        let below = 3 * calm.width * bottom;
        assert_eq!(calm.rgb[below..], wild.rgb[below..]);
        assert_ne!(calm.rgb[..below], wild.rgb[..below]);
        for colour in PALETTE.into_iter().take(3) {
            let all = (0, bottom, calm.width, calm.height);
            assert!(count(&calm, all, colour) > 50, "{colour:?} is in the legend");
        }
    }

    #[test]
    fn key_and_legend_stay_on_the_page() {
        let mut wide = panel((0..10).map(|i| curve(&"long name ".repeat(i), logistic(0.05))).collect());
        for (c, m) in wide.panel.curves.iter_mut().zip(&mut wide.marks) {
            m.note = "a very long note ".repeat(20);
            c.theory = theory(c.measured.clone());
            (m.half_time, m.theory_half_time) = (Some(90.0), Some(91.0));
        }
        wide.panel.title = "title ".repeat(60);
        wide.subtitle = "subtitle ".repeat(60);
        let mut other = wide.clone();
        other.marks[0].note = String::new();
        for panels in 1..=8 {
            let mut all = vec![wide.clone(); panels];
            if panels == 8 {
                all[1] = other.clone();
            }
            let picture = page(&all).unwrap();
            for y in 0..picture.height {
                for x in
                    [0, 1, 2, 3, picture.width - 4, picture.width - 3, picture.width - 2, picture.width - 1]
                {
                    assert_eq!(picture.pixel(x, y), [255; 3], "{panels} panels, column {x}, row {y}");
                }
            }
            for row in [0, 1, picture.height - 2, picture.height - 1] {
                assert!((0..picture.width).all(|x| picture.pixel(x, row) == [255; 3]), "{panels}, {row}");
            }
        }
    }

    #[test]
    fn key_names_what_there_is() {
        let texts = |c: (StageCurve, Mark)| {
            let network = panel(vec![c]);
            let [_, lines] = curves::legends(std::slice::from_ref(&network.panel));
            kinds(&[network], lines).into_iter().map(|k| k.text).collect::<Vec<_>>()
        };
        assert_eq!(texts(curve("m", vec![0.0, 1.0])), ["measured"]);
        let mut full = curve("m", vec![0.0, 1.0]);
        full.1.half_time = Some(0.5);
        assert_eq!(texts(full.clone()), ["measured", "half-time (a = s/2)"]);
        full.0.theory = theory(vec![0.0, 1.0]);
        full.1.theory_half_time = Some(0.4);
        assert_eq!(texts(full).len(), 4);
    }

    #[test]
    fn half_time_is_marked_on_curve_and_axis() {
        let mut marked = curve("mode 1", (0..=100).map(|i| f64::from(i) / 100.0).collect());
        let before = page(&[panel(vec![marked.clone()])]).unwrap();
        marked.1.half_time = Some(50.0);
        let after = page(&[panel(vec![marked])]).unwrap();
        let (left, top, right, bottom) = first_axes(&after);
        let changed: Vec<_> = (top..bottom)
            .flat_map(|y| (left..right).map(move |x| (x, y)))
            .filter(|&(x, y)| before.pixel(x, y) != after.pixel(x, y))
            .collect();
        let middle = (left + right) as f64 / 2.0;
        let half = top as f64 + HEIGHT * (0.6 / 1.15);
        assert!(!changed.is_empty());
        for (x, y) in changed {
            let near = |v: usize, to: f64| (v as f64 - to).abs() < 12.0;
            assert!(near(x, middle) && (near(y, half) || y > bottom - 16), "{x} {y}");
        }
        assert_eq!(after.pixel(middle as usize, bottom - 6), [PALETTE[0].0, PALETTE[0].1, PALETTE[0].2]);
    }

    #[test]
    fn gaps_single_points_and_many_modes_draw() {
        let nan = f64::NAN;
        for measured in [vec![0.3], vec![nan], vec![nan; 5], vec![0.1, nan, 0.5, nan, nan, 0.9]] {
            let mut c = curve("m", measured.clone());
            c.0.theory = theory(measured);
            assert!(page(&[panel(vec![c])]).is_ok());
        }
        let lone = page(&[panel(vec![curve("m", vec![nan, 0.5, nan])])]).unwrap();
        assert!(count(&lone, first_axes(&lone), PALETTE[0]) > 10, "a lone point is a dot");
        let many = (0..14).map(|i| curve(&format!("m{i}"), logistic(0.02 + 0.01 * f64::from(i)))).collect();
        let figure = page(&[panel(many)]).unwrap();
        assert!(count(&figure, first_axes(&figure), REST) > 100, "modes past the palette are grey");
        // Long series, values that overshoot, values hard to hold on an axis.
        let long = (0..200_000).map(|i| (f64::from(i) * 1e-3).sin() * 3.0).collect();
        assert!(page(&[panel(vec![curve("m", long)])]).is_ok());
        assert!(page(&[panel(vec![curve("m", vec![-1e300, 1e300])])]).is_ok());
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error_and_spares_the_file() {
        let good = || panel(vec![curve("mode 1", vec![0.0, 0.5, 1.0])]);
        let with = |change: &dyn Fn(&mut Network)| {
            let mut p = good();
            change(&mut p);
            vec![p]
        };
        let cases: Vec<(Vec<Network>, &str)> = vec![
            (vec![], "at least one panel"),
            (with(&|p| p.panel.curves.clear()), "at least one curve"),
            (with(&|p| p.panel.curves[0].measured[1] = f64::INFINITY), "finite"),
            (with(&|p| p.panel.curves[0].theory = theory(vec![0.0, f64::NEG_INFINITY, 1.0])), "finite"),
            (with(&|p| p.panel.curves[0].theory = theory(vec![0.0])), "3 values"),
            (with(&|p| p.panel.steps[2] = f64::NAN), "finite"),
            (with(&|p| p.panel.steps[2] = f64::INFINITY), "finite"),
            (with(&|p| p.panel.steps[1] = 5.0), "ascending"),
            (with(&|p| p.marks[0].half_time = Some(f64::INFINITY)), "finite"),
            (with(&|p| p.panel.curves[0].measured = vec![-f64::MAX, 0.0, f64::MAX]), "one axis"),
        ];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("figure.png");
        std::fs::write(&path, "before").unwrap();
        for (panels, word) in cases {
            let error = save(&panels, &path).unwrap_err();
            assert!(matches!(error, Error::Input { .. }) && error.to_string().contains(word), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), b"before");
        }
        save(&[good()], &path).unwrap();
        assert_eq!(&std::fs::read(&path).unwrap()[1..4], b"PNG");
    }
}
