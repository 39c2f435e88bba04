//! Natural images: modes, what networks use for them, and when.

use std::path::Path;

use ndarray::Array2;

use super::curves::{self, StagePanel};
use super::runs::{Finished, Runs, title};
use super::templates::{bars, full, grey, pair};
use super::verdict::Note;
use crate::error::{Error, Result};
use crate::plot::{Block, DPI, FULL, Key, SUB, Tile, Tiles, picture};
use crate::run::config::ModelKind;
use crate::stats::spearman;

/// Rows of pictures and curves.
const SHOWN: usize = 6;

pub(super) fn draw(args: &Runs) -> anyhow::Result<Note> {
    let runs = Finished::all(&args.runs)?;
    let of = |kind| runs.iter().find(|r| r.is(kind));
    let (Some(fcnn), Some(lcnn)) = (of(ModelKind::Fcnn), of(ModelKind::Lcnn)) else {
        return Err(Error::input("figure natural", "a run of each network", "one network only").into());
    };
    let count = fcnn.summary.modes.len().min(lcnn.summary.modes.len()).min(SHOWN);
    let [_, _, width] = fcnn.dir.shape()?;
    let (images, energies) = (fcnn.dir.modes_array("v")?, fcnn.dir.modes_array("energies")?);
    let templates = [AtDiscovery::read(fcnn, count)?, AtDiscovery::read(lcnn, count)?];
    let mut modes = Vec::new();
    for i in 0..count {
        let tile = |t: &AtDiscovery| t.tiles[i].clone();
        let participation =
            |run: &Finished| run.summary.modes[i].measured.template.as_ref().map(|t| t.participation);
        modes.push(NaturalMode {
            label: format!("mode {}", i + 1),
            image: grey(&images, i)?,
            spectrum: full(&energies, i, width)?,
            fcnn: tile(&templates[0]),
            lcnn: tile(&templates[1]),
            participation: [
                Some(fcnn.summary.modes[i].participation),
                participation(fcnn),
                participation(lcnn),
            ],
        });
    }
    let panels =
        [fcnn, lcnn].map(|r| r.panel(format!("{}, {}", title(&r.config), r.data()), SHOWN, true)).into();
    save(&Natural { modes, panels }, &args.out)?;

    let mut note = Note::new(
        4,
        "Natural images",
        "Modes of natural images (v, and its spectrum), and the templates uᵀE that a fully connected and a \
         convolutional network have for each at its half-time: the network's image of the mode, with fewer \
         frequencies where it convolves. Below, the strengths over training with each theory's prediction.",
    );
    for run in [fcnn, lcnn] {
        for (t, theory) in run.summary.theories.iter().enumerate() {
            let name = run.name();
            let learned: Vec<_> = run
                .summary
                .modes
                .iter()
                .filter_map(|m| m.measured.t50.zip(m.predicted[t].discovery.t50))
                .collect();
            let worst =
                run.summary.modes.iter().filter_map(|m| m.predicted[t].max_error).fold(f64::NAN, f64::max);
            if theory == "flow" {
                note.at_most(format!("{name}: max |a − flow|/s"), worst, 0.01);
            } else {
                note.states(format!("{name}: max |a − {theory}|/s"), worst);
                let (measured, predicted): (Vec<f64>, Vec<f64>) = learned.into_iter().unzip();
                let what = format!(
                    "{name}: rank correlation of half-times with {theory} theory, {} modes",
                    measured.len()
                );
                let rank = spearman(&measured, &predicted);
                // Of two or three modes any order may come by chance.
                if measured.len() >= 4 { note.at_least(what, rank, 0.95) } else { note.states(what, rank) }
            }
        }
    }
    Ok(note)
}

/// Templates at discovery, with their spectra.
struct AtDiscovery {
    tiles: Vec<Option<(Array2<f64>, Array2<f64>)>>,
}

impl AtDiscovery {
    fn read(run: &Finished, count: usize) -> anyhow::Result<Self> {
        let [_, _, width] = run.dir.shape()?;
        let snapshots = run.dir.snapshots()?;
        let tile = |i: usize| -> anyhow::Result<_> {
            // The snapshot of the discovery is the first one at or after the half-time.
            let Some(t) = run.summary.modes[i].measured.t50 else { return Ok(None) };
            let Some(step) = snapshots.iter().find(|s| **s as f64 >= t) else { return Ok(None) };
            let images = run.dir.spectra_array(*step, "images")?;
            let energies = run.dir.spectra_array(*step, "templates")?;
            Ok(Some((grey(&images, i)?, full(&energies, i, width)?)))
        };
        Ok(Self { tiles: (0..count).map(tile).collect::<anyhow::Result<_>>()? })
    }
}

/// The figure.
#[derive(Clone, Debug)]
struct Natural {
    /// One row of pictures each; the first six are shown.
    modes: Vec<NaturalMode>,
    /// Mode strengths over the steps, up to three side by side.
    panels: Vec<StagePanel>,
}

/// A mode and the networks' templates of it. An image is `[row, column]`,
/// averaged over channels; a spectrum holds energies of the full plane with
/// frequency zero in the middle.
#[derive(Clone, Debug)]
struct NaturalMode {
    /// Name of the row ("mode 1").
    label: String,
    /// v.
    image: Array2<f64>,
    /// Energies of v.
    spectrum: Array2<f64>,
    /// Template of the FCNN and its spectrum.
    fcnn: Option<(Array2<f64>, Array2<f64>)>,
    /// Template of the LCNN and its spectrum.
    lcnn: Option<(Array2<f64>, Array2<f64>)>,
    /// Participation ratio of the three spectra, printed under them.
    participation: [Option<f64>; 3],
}

const MOST_ROWS: usize = 6;

/// Draws a table of modes and templates and, below it, the curves of the modes.
///
/// Images are blue where negative and red where positive, spectra logarithmic;
/// each is scaled by its own largest value.
///
/// # Errors
/// [`Error::Input`] for no mode, empty images, values that are not finite,
/// negative energies and curves that cannot be drawn; [`Error::Io`] if `out`
/// cannot be written. A file that is already there survives both.
fn save(data: &Natural, out: &Path) -> Result<()> {
    picture(&blocks(data)?, FULL)?.save(out, DPI)
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
    blocks.extend(Block::rows(curves::panels(&data.panels, per_row)?, per_row, 330.0, share));
    blocks.extend(curves::legends(&data.panels).map(Block::Legend));
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::curves::StageCurve;
    use super::curves::tests::stage;
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
            assert!(counts(&picture, curves::colours(curve, true).0) > 300, "curve {curve}");
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
        refuses(&cases, save);
    }
}
