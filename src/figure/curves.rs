//! Curves of mode strengths, measured and predicted by any number of theories,
//! over a linear or logarithmic step.

use crate::error::{Error, Result};
use crate::plot::{
    Axis, INK, Key, Layer, PALETTE, PAPER, Panel, Pen, REST, RGBColor, SUB, Sign, Stroke, ascending, mix,
    range, series,
};

/// One network: the strengths of its modes over the steps.
#[derive(Clone, Debug)]
pub struct StagePanel {
    /// Heading ("FCNN", "L = 3").
    pub title: String,
    /// Steps of gradient descent of the measurements, ascending from 0.
    pub steps: Vec<f64>,
    /// One per mode.
    pub curves: Vec<StageCurve>,
    /// Whether the steps stand on a logarithmic axis (step 0 then has no place).
    pub log_x: bool,
}

/// The strength of one mode in units of its final value, a/s.
#[derive(Clone, Debug)]
pub struct StageCurve {
    /// Name in the legend; curves of one name have one colour in all panels.
    pub label: String,
    /// a/s at each step; NaN leaves a gap.
    pub measured: Vec<f64>,
    /// Name and a/s of each theory. The first name of a figure is dashed, the
    /// second dotted.
    pub theory: Vec<(String, Vec<f64>)>,
}

/// Width of what was measured, points.
pub(super) const MEASURED: f64 = 2.2;
/// Width of theory.
pub(super) const THEORY: f64 = 0.9;
/// Width of the second theory, points: its short dashes lie over the first's.
const SECOND_THEORY: f64 = 1.1;

/// Colours of mode `i`: the wide measured line and the thin theory over it.
pub(super) fn colours(i: usize, with_theory: bool) -> (RGBColor, RGBColor) {
    let Some(&full) = PALETTE.get(i) else { return (REST, mix(REST, INK, 0.4)) };
    if with_theory { (mix(full, PAPER, 0.45), mix(full, INK, 0.35)) } else { (full, full) }
}

/// Range of a/s over all panels, with a margin. They share it, to be compared.
fn strength_range(values: impl Iterator<Item = f64>) -> Result<(f64, f64)> {
    let (low, high) = range("mode strengths", values)?.unwrap_or((0.0, 1.0));
    let margin = 0.05 * (high.max(1.0) - low.min(0.0));
    let (bottom, top) = ((low - margin).min(-0.05), (high + margin).max(1.1));
    if !(top - bottom).is_finite() {
        let found = format!("{low:e} to {high:e}");
        return Err(Error::input("mode strengths", "values that fit on one axis", found));
    }
    // Noise around 0 and 1 stays within the usual frame.
    Ok((if low > -0.04 { -0.05 } else { bottom }, if high < 1.08 { 1.1 } else { top }))
}

/// Names in the order of their first appearance.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn modes(panels: &[StagePanel]) -> Vec<&str> {
    distinct(panels.iter().flat_map(|p| &p.curves).map(|c| c.label.as_str()))
}

fn theories(panels: &[StagePanel]) -> Vec<&str> {
    let curves = panels.iter().flat_map(|p| &p.curves);
    distinct(curves.flat_map(|c| &c.theory).map(|t| t.0.as_str()))
}

fn place_of(names: &[&str], name: &str) -> usize {
    names.iter().position(|n| *n == name).unwrap_or(names.len())
}

/// Refuses series of unequal length, steps that do not ascend and infinities.
fn check(panels: &[StagePanel]) -> Result<()> {
    for panel in panels {
        let place = format!("panel {:?}", panel.title);
        ascending(&place, &panel.steps)?;
        for curve in &panel.curves {
            let place = format!("{place}, {:?}", curve.label);
            let all = std::iter::once(&curve.measured).chain(curve.theory.iter().map(|t| &t.1));
            series(&place, panel.steps.len(), all)?;
        }
    }
    Ok(())
}

fn theory_pen(curve: usize, theory: usize) -> Pen {
    let colour = colours(curve, true).1;
    match theory {
        1 => Pen::new(colour, SECOND_THEORY, Stroke::Dotted),
        _ => Pen::new(colour, THEORY, Stroke::Dashed),
    }
}

/// The panels with one strength axis for all; only the first of each row of
/// `columns` names it.
pub(super) fn panels(all: &[StagePanel], columns: usize) -> Result<Vec<Panel>> {
    check(all)?;
    let curves = all.iter().flat_map(|p| &p.curves);
    let values = curves.flat_map(|c| c.measured.iter().chain(c.theory.iter().flat_map(|t| &t.1)));
    let (low, high) = strength_range(values.copied())?;
    let (modes, theories) = (modes(all), theories(all));
    let with_theory = !theories.is_empty();
    let panels = all.iter().enumerate().map(|(i, panel)| {
        let step = "gradient-descent step";
        let last = panel.steps.last().copied().unwrap_or(1.0);
        let mut x = Axis::linear(step).within(0.0, if last > 0.0 { last } else { 1.0 });
        if panel.log_x {
            x = Axis::log(step);
            let first = panel.steps.iter().find(|s| **s > 0.0).copied().unwrap_or(1.0);
            if last > first {
                x = x.within(first, last);
            }
        }
        let y = Axis::linear(format!("mode strength a{SUB}α / s{SUB}α")).within(low, high);
        let y = if i % columns.max(1) == 0 { y } else { y.unlabelled() };
        let mut drawn = Panel::new(&panel.title, x, y);
        drawn.layers.push(Layer::Horizontal(0.5, Pen::new(REST, 0.7, Stroke::Solid)));
        let line = |values: &[f64]| panel.steps.iter().copied().zip(values.iter().copied()).collect();
        // Later modes first, so that the strongest lie on top; theory over all.
        for curve in panel.curves.iter().rev() {
            let (colour, _) = colours(place_of(&modes, &curve.label), with_theory);
            let pen = Pen::new(colour, MEASURED, Stroke::Solid);
            drawn.layers.push(Layer::Line(line(&curve.measured), pen));
        }
        for curve in panel.curves.iter().rev() {
            for (name, values) in &curve.theory {
                let pen = theory_pen(place_of(&modes, &curve.label), place_of(&theories, name));
                drawn.layers.push(Layer::Line(line(values), pen));
            }
        }
        drawn
    });
    Ok(panels.collect())
}

/// A legend of the modes, and one of the kinds of lines.
pub(super) fn legends(all: &[StagePanel]) -> [Vec<Key>; 2] {
    let (modes, theories) = (modes(all), theories(all));
    if modes.is_empty() {
        return [Vec::new(), Vec::new()];
    }
    let names = modes.iter().enumerate().map(|(i, name)| {
        let (colour, over) = colours(i, !theories.is_empty());
        let mut signs = vec![Sign::Line(Pen::new(colour, MEASURED, Stroke::Solid))];
        if !theories.is_empty() {
            signs.push(Sign::Line(Pen::new(over, THEORY, Stroke::Dashed)));
        }
        Key::new(signs, *name)
    });
    let mut kinds = vec![Key::new(vec![Sign::Line(Pen::new(REST, MEASURED, Stroke::Solid))], "measured")];
    for (i, name) in theories.iter().enumerate() {
        kinds.push(Key::new(vec![Sign::Line(Pen { colour: INK, ..theory_pen(0, i) })], *name));
    }
    [names.collect(), kinds]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A plausible run of `modes` modes with these theories.
    pub fn stage(title: &str, modes: usize, theories: &[&str], log_x: bool) -> StagePanel {
        let steps: Vec<f64> = (0..160).map(|i| f64::from(i) * 25.0).collect();
        let curve = |m: usize| {
            let rate = 0.012 / (1.0 + 0.7 * m as f64);
            let at = |shift: f64| -> Vec<f64> {
                steps.iter().map(|t| 1.0 / (1.0 + 300.0 * (-rate * shift * t).exp())).collect()
            };
            let theory = theories.iter().enumerate();
            StageCurve {
                label: format!("mode {}", m + 1),
                measured: at(1.0),
                theory: theory.map(|(i, n)| ((*n).to_owned(), at(1.03 - 0.1 * i as f64))).collect(),
            }
        };
        StagePanel { title: title.to_owned(), curves: (0..modes).map(curve).collect(), steps, log_x }
    }

    #[test]
    fn legend_names_every_mode_and_theory_once() {
        let all = [stage("a", 2, &["stationary", "flow"], true), stage("b", 3, &["flow"], false)];
        let [modes, kinds] = legends(&all);
        let texts = |keys: &[Key]| keys.iter().map(|k| k.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&modes), ["mode 1", "mode 2", "mode 3"]);
        assert_eq!(texts(&kinds), ["measured", "stationary", "flow"]);
        assert!(legends(&[]).iter().all(Vec::is_empty));
    }

    #[test]
    fn only_the_first_of_a_row_names_the_strength() {
        let all = vec![stage("a", 1, &[], false); 5];
        let labelled: Vec<bool> = panels(&all, 2).unwrap().iter().map(|p| p.y.labelled).collect();
        assert_eq!(labelled, [true, false, true, false, true]);
    }
}
