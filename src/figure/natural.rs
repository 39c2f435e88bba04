//! Modes of natural images, what two networks make of them, and when.

use std::path::Path;

use ndarray::Array2;

use super::curves;
pub use super::curves::{StageCurve, StagePanel};
use crate::error::{Error, Result};
use crate::plot::{Bar, Block, DPI, FULL, Key, Look, SUB, Tile, Tiles, picture, power_of_ten};

/// The figure.
#[derive(Clone, Debug)]
pub struct Natural {
    /// One row of pictures each; the first six are shown.
    pub modes: Vec<NaturalMode>,
    /// Mode strengths over the steps, up to three side by side.
    pub panels: Vec<StagePanel>,
}

/// A mode and the networks' templates of it. An image is `[row, column]`,
/// averaged over channels; a spectrum holds energies of the full plane with
/// frequency zero in the middle.
#[derive(Clone, Debug)]
pub struct NaturalMode {
    /// Name of the row ("mode 1").
    pub label: String,
    /// v.
    pub image: Array2<f64>,
    /// Energies of v.
    pub spectrum: Array2<f64>,
    /// Template of the FCNN and its spectrum.
    pub fcnn: Option<(Array2<f64>, Array2<f64>)>,
    /// Template of the LCNN and its spectrum.
    pub lcnn: Option<(Array2<f64>, Array2<f64>)>,
    /// Participation ratio of the three spectra, printed under them.
    pub participation: [Option<f64>; 3],
}

const MOST_ROWS: usize = 6;
const DECADES: i32 = 4;

/// Draws a table of modes and templates and, below it, the curves of the modes.
///
/// Images are blue where negative and red where positive, spectra logarithmic;
/// each is scaled by its own largest value.
///
/// # Errors
/// [`Error::Input`] for no mode, empty images, values that are not finite,
/// negative energies and curves that cannot be drawn; [`Error::Io`] if `out`
/// cannot be written. A file that is already there survives both.
pub fn draw(data: &Natural, out: &Path) -> Result<()> {
    picture(&blocks(data)?, FULL)?.save(out, DPI)
}

/// An image and its spectrum, with the participation ratio under it.
pub(super) fn pair(image: &Array2<f64>, spectrum: &Array2<f64>, ratio: Option<f64>) -> [Option<Tile>; 2] {
    let caption = ratio.filter(|r| r.is_finite()).map_or_else(String::new, |r| format!("PR = {r:.1}"));
    [
        Some(Tile { image: image.clone(), look: Look::Signed, caption: String::new() }),
        Some(Tile { image: spectrum.clone(), look: Look::Decades(DECADES), caption }),
    ]
}

fn row(mode: &NaturalMode, networks: [bool; 2]) -> Result<(String, Vec<Option<Tile>>)> {
    if let Some(bad) = mode.participation.iter().flatten().find(|r| r.is_infinite()) {
        let place = format!("figure of natural images, {:?}", mode.label);
        return Err(Error::input(place, "a finite participation ratio", bad));
    }
    let mut tiles = pair(&mode.image, &mode.spectrum, mode.participation[0]).to_vec();
    for (i, network) in [&mode.fcnn, &mode.lcnn].into_iter().enumerate().filter(|(i, _)| networks[*i]) {
        match network {
            Some((image, spectrum)) => tiles.extend(pair(image, spectrum, mode.participation[i + 1])),
            None => tiles.extend([None, None]),
        }
    }
    Ok((mode.label.clone(), tiles))
}

/// What the colours of [`pair`] say.
pub(super) fn bars() -> Block {
    let powers = (0..=DECADES).map(|k| {
        let power = power_of_ten(k - DECADES);
        let text = match k {
            0 => format!("≤{power}"),
            DECADES => "1".to_owned(),
            _ => power,
        };
        (f64::from(k) / f64::from(DECADES), text)
    });
    let signs = [(0.0, "−1".to_owned()), (0.5, "0".to_owned()), (1.0, "1".to_owned())];
    let (image, energy) = ("pixel / largest |pixel| of the image", "energy / largest of the spectrum");
    Block::Bars(vec![
        Bar { label: image.to_owned(), marks: signs.to_vec(), look: Look::Signed },
        Bar { label: energy.to_owned(), marks: powers.collect(), look: Look::Decades(DECADES) },
    ])
}

fn blocks(data: &Natural) -> Result<Vec<Block>> {
    if data.modes.is_empty() {
        return Err(Error::input("figure of natural images", "at least one mode", "none"));
    }
    let shown = &data.modes[..data.modes.len().min(MOST_ROWS)];
    // A network that is not there gets no columns.
    let networks = [shown.iter().any(|m| m.fcnn.is_some()), shown.iter().any(|m| m.lcnn.is_some())];
    let mut groups = vec![("mode of the data".to_owned(), 2)];
    let mut columns = vec![format!("v{SUB}α"), format!("|v̂{SUB}α|²")];
    for (name, _) in ["FCNN", "LCNN"].into_iter().zip(networks).filter(|n| n.1) {
        groups.push((name.to_owned(), 2));
        columns.extend(["template".to_owned(), "its spectrum".to_owned()]);
    }
    let rows: Result<Vec<_>> = shown.iter().map(|m| row(m, networks)).collect();
    // Six rows and the curves still fit one page of paper.
    let side = if shown.len() > 4 { 172.0 } else { 205.0 };
    let mut blocks = vec![Block::Tiles(Tiles { groups, columns, rows: rows?, side })];

    blocks.push(bars());
    let mut notes = vec!["spectra: frequency zero in the middle".to_owned()];
    if shown.iter().any(|m| m.participation.iter().any(Option::is_some)) {
        notes.insert(0, "PR: participation ratio of the spectrum above".to_owned());
    }
    if shown.len() < data.modes.len() {
        notes.push(format!("the first {MOST_ROWS} of {} modes", data.modes.len()));
    }
    let quiet = |note: String| Key { signs: Vec::new(), text: String::new(), note };
    blocks.push(Block::Legend(notes.into_iter().map(quiet).collect()));

    let per_row = if data.panels.len() == 4 { 2 } else { data.panels.len().clamp(1, 3) };
    let share = if data.panels.len() == 1 { 0.66 } else { 1.0 };
    let mut drawn = curves::panels(&data.panels, per_row)?.into_iter().peekable();
    while drawn.peek().is_some() {
        blocks.push(Block::Panels(drawn.by_ref().take(per_row).collect(), 330.0, share));
    }
    blocks.extend(curves::legends(&data.panels).map(Block::Legend));
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::super::curves::tests::stage;
    use super::*;
    use crate::plot::testing::{counts, refuses, shows};
    use crate::plot::{blue_white_red, viridis};

    fn mode(i: usize) -> NaturalMode {
        let n = 32;
        let wave = |sharp: f64| {
            Array2::from_shape_fn((n, n), |(r, c)| {
                let phase = (r as f64 * (i % 3) as f64 + c as f64 * (1 + i / 2) as f64) * 0.196;
                phase.cos() + sharp * (2.7 * phase).sin() + 0.2 * ((r * 7 + c * 13) as f64).sin()
            })
        };
        let spectrum = |width: f64| {
            Array2::from_shape_fn((n, n), |(r, c)| {
                let (y, x) = (r as f64 - 16.0, c as f64 - 16.0);
                let at = |s: f64| (x - s * (1 + i / 2) as f64).powi(2) + (y - s * (i % 3) as f64).powi(2);
                (-at(1.0) / width).exp() + (-at(-1.0) / width).exp() + 1e-4 / (1.0 + x * x + y * y)
            })
        };
        NaturalMode {
            label: format!("mode {}", i + 1),
            image: wave(0.6),
            spectrum: spectrum(6.0),
            fcnn: Some((wave(0.5), spectrum(5.0))),
            lcnn: (i != 4).then(|| (wave(0.0), spectrum(1.0))),
            participation: [Some(14.3), Some(12.25), (i != 4).then_some(2.04)],
        }
    }

    fn data() -> Natural {
        let theories = ["stationary modes", "gradient flow"];
        let (fcnn, lcnn) = (stage("FCNN", 6, &theories, true), stage("LCNN", 6, &theories, true));
        Natural { modes: (0..6).map(mode).collect(), panels: vec![fcnn, lcnn] }
    }

    #[test]
    fn table_and_curves_are_there() {
        let picture = shows("natural", &blocks(&data()).unwrap(), FULL);
        assert_eq!(picture.width, 1500);
        assert!(picture.height < 2600, "{}: fits a page", picture.height);
        assert!(counts(&picture, blue_white_red(1.0)) > 200 && counts(&picture, viridis(1.0)) > 200);
        for curve in 0..6 {
            assert!(counts(&picture, super::super::stages::colours(curve, true).0) > 300, "curve {curve}");
        }
    }

    #[test]
    fn odd_data_draw() {
        let with = |change: &dyn Fn(&mut Natural)| {
            let mut data = data();
            data.modes.truncate(2);
            change(&mut data);
            picture(&blocks(&data).unwrap(), FULL).unwrap()
        };
        with(&|d| d.panels.clear());
        with(&|d| d.panels.truncate(1));
        with(&|d| d.panels = vec![stage("x", 1, &[], false); 7]);
        with(&|d| d.panels[0].curves.clear());
        with(&|d| d.panels[0].curves[0].measured.fill(f64::NAN));
        with(&|d| d.modes[0].image.fill(0.0));
        with(&|d| d.modes[0].spectrum.fill(0.0));
        with(&|d| d.modes[0].image = Array2::from_elem((1, 900), 1e308));
        with(&|d| d.modes[0].participation = [None, Some(f64::NAN), None]);
        let narrow = with(&|d| d.modes.iter_mut().for_each(|m| (m.fcnn, m.lcnn) = (None, None)));
        assert!(counts(&narrow, viridis(1.0)) > 10);
        let one = Natural {
            modes: vec![mode(0); 9],
            panels: vec![StagePanel {
                title: String::new(),
                steps: vec![0.0],
                log_x: true,
                curves: vec![StageCurve { label: "m".to_owned(), measured: vec![0.1], theory: vec![] }],
            }],
        };
        picture(&blocks(&one).unwrap(), FULL).unwrap();
    }

    #[test]
    fn bad_data_are_refused_and_leave_no_file() {
        let with = |change: &dyn Fn(&mut Natural)| {
            let mut data = data();
            change(&mut data);
            data
        };
        let cases = [
            (with(&|d| d.modes.clear()), "at least one mode"),
            (with(&|d| d.modes[1].image = Array2::zeros((0, 4))), "an image"),
            (with(&|d| d.modes[1].image[[1, 1]] = f64::NAN), "finite pixels"),
            (with(&|d| d.modes[1].spectrum[[1, 1]] = -1.0), "energies from 0"),
            (with(&|d| d.modes[1].participation[2] = Some(f64::INFINITY)), "finite participation"),
            (with(&|d| d.panels[1].steps[3] = 0.0), "ascending"),
            (with(&|d| d.panels[1].curves[0].measured.truncate(4)), "160 values"),
            (with(&|d| d.panels[1].curves[2].theory[1].1[7] = f64::INFINITY), "finite"),
        ];
        refuses(&cases, draw);
    }
}
