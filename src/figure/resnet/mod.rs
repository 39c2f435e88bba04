//! A deep network on images: when it discovers the modes of its data, in which
//! order, and with which frequencies.

mod draw;

use std::path::{Path, PathBuf};

use anyhow::Result;
use ndarray::{Array2, ArrayD};

use self::draw::{Discovery, Jacobian, Resnet, Score, Series, Template, TemplateRow, Templates};
use super::curves::{StageCurve, StagePanel};
use super::templates::{full, grey};
use super::verdict::Note;
use crate::data::Spec;
use crate::error::Error;
use crate::plot::tick_labels;
use crate::readers::FORECAST;
use crate::run::manifest::Status;
use crate::run::summary::shares;
use crate::run::{Manifest, Metrics, RunDir, Table};
use crate::seed;
use crate::spectrum::{Energies, Grid};
use crate::stats::{discovery_time, quantile, spearman, spearman_interval};

/// Rows and times of the table of templates.
const SHOWN: usize = 3;
const TIMES: usize = 5;

/// A run, which may still be going on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run directory
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The PNG to write
    #[arg(long, value_name = "PNG")]
    pub out: PathBuf,
}

pub(super) fn draw(args: &Args) -> Result<Note> {
    let run = Run::read(&args.run)?;
    let (scores, times, found) = (run.scores(), run.discovery_times(), run.discovered());
    let layers = run.layers()?;
    let accuracy = run.accuracy()?;
    let relative = |i: usize| run.metrics.a[i].iter().map(|a| a / run.s[i]).collect();
    let curve =
        |i| StageCurve { label: format!("mode {}", i + 1), measured: relative(i), theory: Vec::new() };
    let modes = run.s.len();
    let figure = Resnet {
        title: run.title(),
        strengths: StagePanel {
            title: String::new(),
            steps: run.metrics.steps.clone(),
            curves: (0..modes).map(curve).collect(),
            log_x: early(&run.metrics.steps, &times),
        },
        discoveries: run
            .rho
            .iter()
            .zip(times.iter().zip(&found))
            .map(|(rho, (tau, found))| Discovery { rho: *rho, tau: *tau, found: *found })
            .collect(),
        spearman: spearman(&run.rho, &run.early()),
        scores: scores.clone(),
        participation: (0..modes)
            .filter(|_| !run.probes.is_empty())
            .map(|i| run.participation_of(i))
            .collect(),
        jacobian: run.jacobian(),
        layers: layers.clone(),
        accuracy: accuracy.clone(),
        templates: run.templates()?,
    };
    draw::draw(&figure, &args.out)?;

    let mut note = Note::new(
        7,
        "A deep network",
        "A deep nonlinear network on images: strengths of the modes over training (a), when each is discovered \
         (b: τ, exp of the area above a/s in logarithmic time), and how well scores of the data alone foretell the order (c; F: what a linear reader of random convolutions \
         has of a mode). With which frequencies: \
         participation ratio of the templates u_αᵀE of the mean Jacobian E, beside that of the mode's image \
         (d, h), radial profile of the mean squared Jacobian (e) and centroids of the kernels (f). Accuracy (g) is \
         that of the training samples that are probed, and of samples held out.",
    );
    let count = found.iter().filter(|found| **found).count();
    note.states(format!("modes of which the network has known half, of {modes}"), count as f64);
    if count > 0 {
        for score in &scores {
            let mut what =
                format!("{}: Spearman's correlation with early discovery, {modes} modes", score.name);
            if let Some((low, high)) = score.interval {
                what += &format!(", 95 % of bootstraps {low:.2} to {high:.2}");
            }
            note.states(what, score.correlation);
        }
    }
    let known = |(tau, found): (&Option<f64>, &bool)| tau.filter(|_| *found);
    let used = run.used_at(&times.iter().zip(&found).map(known).collect::<Vec<_>>());
    if !used.is_empty() {
        let what =
            "participation ratio of the template at discovery, relative to the mode image's: median of";
        note.states(format!("{what} {} modes", used.len()), quantile(&used, 0.5));
    }
    if let Some(first) = layers.first() {
        let mut ends = vec![0, first.steps.len() - 1];
        ends.dedup();
        for at in ends {
            let what = format!("{}: centroid of its kernels (cycles/pixel) at step", first.name);
            note.states(format!("{what} {}", first.steps[at]), first.values[at]);
        }
    }
    for series in &accuracy {
        let measured = series.steps.iter().zip(&series.values).rfind(|(_, v)| !v.is_nan());
        if let Some((step, accuracy)) = measured {
            note.states(format!("accuracy, {}, step {step}", series.name), *accuracy);
        }
    }
    Ok(note)
}

/// Whether half of the discovery times (or of the measured steps, before there are any)
/// fall into the first eighth of the run.
fn early(steps: &[f64], times: &[Option<f64>]) -> bool {
    let found: Vec<f64> = times.iter().flatten().copied().collect();
    let middle = quantile(if found.is_empty() { steps } else { &found }, 0.5);
    steps.last().is_some_and(|last| middle < last / 8.0)
}

/// A run as far as it has come: it need not have finished.
struct Run {
    dir: RunDir,
    manifest: Manifest,
    metrics: Metrics,
    s: Vec<f64>,
    rho: Vec<f64>,
    lambda: Vec<f64>,
    participation: Vec<f64>,
    /// Reader scores, where the run has them.
    reader: Option<Vec<f64>>,
    /// `[c, h, w]`.
    shape: [usize; 3],
    /// Steps with spectra of any kind.
    snapshots: Vec<u64>,
    probes: Vec<Probe>,
}

/// A step at which the Jacobian was measured.
struct Probe {
    step: u64,
    /// Of each mode's template.
    participation: Vec<f64>,
    jacobian: Energies,
}

impl Run {
    fn read(root: &Path) -> Result<Self> {
        let dir = RunDir::open(root)?;
        let manifest = Manifest::read(&dir.manifest())?;
        let metrics = Metrics::read(&dir.metrics())?;
        let modes = metrics.a.len();
        let column = |name: &str| {
            values(dir.modes_array(name)?, modes, &format!("{}, array `{name}` of modes", root.display()))
        };
        let [s, rho, lambda, participation] =
            [column("s")?, column("rho")?, column("lambda")?, column("participation")?];
        let place = format!("{}, reader scores", root.display());
        let reader = dir.forecast(FORECAST.name)?.map(|f| values(f, modes, &place)).transpose()?;
        let shape = dir.shape()?;
        let last = metrics.steps.last().copied().unwrap_or(0.0);
        let mut snapshots = dir.snapshots()?;
        // Spectra come before the row of their step.
        snapshots.retain(|step| *step as f64 <= last);
        let grid = Grid::new(shape[1], shape[2]);
        let mut probes = Vec::new();
        for &step in &snapshots {
            let Some(jacobian) = dir.spectra_array_if_there(step, "jacobian")? else { continue };
            let place = at_step(&dir, step, "participation");
            probes.push(Probe {
                step,
                participation: values(dir.spectra_array(step, "participation")?, modes, &place)?,
                jacobian: Energies::new(grid, jacobian.into_dimensionality()?)?,
            });
        }
        Ok(Self { dir, manifest, metrics, s, rho, lambda, participation, reader, shape, snapshots, probes })
    }

    fn title(&self) -> String {
        let spec = &self.manifest.data.spec;
        let data = spec.parse::<Spec>().map_or_else(|_| spec.clone(), |s| s.short());
        let last = self.metrics.steps.last().copied().unwrap_or(0.0);
        let steps = tick_labels(&[last]).concat();
        let end = match self.manifest.status {
            Status::Finished => format!("{steps} steps"),
            Status::Running => format!("{steps} steps so far"),
            Status::Failed => format!("failed after {steps} steps"),
            Status::Stopped => format!("stopped after {steps} steps"),
        };
        format!("Deep network on {data}: {} modes, {end}", self.s.len())
    }

    fn discovery_times(&self) -> Vec<Option<f64>> {
        let shares = self.metrics.a.iter().zip(&self.s).map(|(a, s)| shares(a, *s));
        shares.map(|shares| discovery_time(&self.metrics.steps, &shares)).collect()
    }

    /// Whether half of a mode has ever been known.
    fn discovered(&self) -> Vec<bool> {
        let half = |(a, s): (&Vec<f64>, &f64)| a.iter().any(|a| *a >= 0.5 * s);
        self.metrics.a.iter().zip(&self.s).map(half).collect()
    }

    /// The higher, the earlier a mode is discovered; NaN where nothing was measured.
    fn early(&self) -> Vec<f64> {
        self.discovery_times().iter().map(|t| -t.unwrap_or(f64::NAN)).collect()
    }

    fn scores(&self) -> Vec<Score> {
        let of = |f: &dyn Fn(usize) -> f64| (0..self.s.len()).map(f).collect::<Vec<_>>();
        let reader = self.reader.clone().map(|f| ("F", f));
        let scores = [
            ("s", self.s.clone()),
            ("s·ρ", of(&|i| self.s[i] * self.rho[i])),
            ("s/√λ", of(&|i| self.s[i] / self.lambda[i].sqrt())),
            ("−PR of v", of(&|i| -self.participation[i])),
            ("ρ", self.rho.clone()),
        ];
        let early = self.early();
        let score = |(name, values): (&str, Vec<f64>)| {
            // One purpose for all: they are compared over the same resamples.
            let mut rng = seed::rng(0, "figure resnet/bootstrap", 0);
            Score {
                name: name.to_owned(),
                correlation: spearman(&values, &early),
                interval: spearman_interval(&values, &early, 0.95, &mut rng),
            }
        };
        reader.into_iter().chain(scores).map(score).collect()
    }

    fn probe_steps(&self) -> Vec<f64> {
        self.probes.iter().map(|p| p.step as f64).collect()
    }

    fn participation_of(&self, mode: usize) -> (Series, f64) {
        let values = self.probes.iter().map(|p| p.participation[mode]).collect();
        (
            Series { name: format!("mode {}", mode + 1), steps: self.probe_steps(), values },
            self.participation[mode],
        )
    }

    /// Participation ratio of each template at discovery over that of its mode:
    /// where the Jacobian was first measured from then on.
    fn used_at(&self, times: &[Option<f64>]) -> Vec<f64> {
        let used = |(i, t): (usize, &Option<f64>)| {
            let probe = t.and_then(|t| self.probes.iter().find(|p| p.step as f64 >= t))?;
            Some(probe.participation[i] / self.participation[i]).filter(|r| r.is_finite())
        };
        times.iter().enumerate().filter_map(used).collect()
    }

    fn jacobian(&self) -> Option<Jacobian> {
        let profiles: Vec<_> = self.probes.iter().map(|p| p.jacobian.radial_profile(None)).collect();
        let radius = profiles.first()?.radius.clone();
        let mean: Vec<_> = profiles.iter().map(|p| p.mean()).collect();
        Some(Jacobian {
            steps: self.probe_steps(),
            energy: Array2::from_shape_fn((radius.len(), mean.len()), |(r, c)| mean[c][r]),
            radius,
            centroid: self.probes.iter().map(|p| p.jacobian.centroid()).collect(),
        })
    }

    /// Centroids of the kernels, a series per layer.
    fn layers(&self) -> Result<Vec<Series>> {
        let Some(names) = self.dir.layers()? else { return Ok(Vec::new()) };
        let new = |name| Series { name, steps: Vec::new(), values: Vec::new() };
        let mut layers: Vec<Series> = names.kernels.into_iter().map(new).collect();
        let count = layers.len();
        for &step in &self.snapshots {
            let Some(centroid) = self.dir.spectra_array_if_there(step, "kernel_centroid")? else { continue };
            let place = at_step(&self.dir, step, "kernel_centroid");
            for (layer, v) in layers.iter_mut().zip(values(centroid, count, &place)?) {
                layer.steps.push(step as f64);
                layer.values.push(v);
            }
        }
        layers.retain(|l| !l.steps.is_empty());
        Ok(layers)
    }

    /// Of the probed training samples and, where that was measured, of those held out.
    fn accuracy(&self) -> Result<Vec<Series>> {
        let series = |name: &str, steps: &[f64], values: &[f64]| Series {
            name: name.to_owned(),
            steps: steps.to_vec(),
            values: values.to_vec(),
        };
        let mut all = vec![series("probed training samples", &self.metrics.steps, &self.metrics.accuracy)];
        if self.dir.eval().exists() {
            let table = Table::read(&self.dir.eval())?;
            for (name, column) in [("test", "accuracy"), ("test, averaged weights", "ema_accuracy")] {
                all.push(series(name, table.column("step")?, table.column(column)?));
            }
        }
        all.retain(|s| s.values.iter().any(|v| !v.is_nan()));
        Ok(all)
    }

    fn templates(&self) -> Result<Option<Templates>> {
        let Some(end) = self.probes.len().checked_sub(1) else { return Ok(None) };
        let mut shown: Vec<usize> = (0..TIMES).map(|i| i * end / (TIMES - 1)).collect();
        shown.dedup();
        let count = self.s.len().min(SHOWN);
        let [c, h, w] = self.shape;
        let of = |images: ArrayD<f64>, energies: ArrayD<f64>, pr: &[f64], place: &str| -> Result<Vec<_>> {
            let images = shaped(images, &[self.s.len(), c, h, w], place)?;
            let energies = shaped(energies, &[self.s.len(), h, w / 2 + 1], place)?;
            let template = |i: usize| {
                let (image, spectrum) = (grey(&images, i)?, full(&energies, i, w)?);
                Ok(Template { image, spectrum, participation: pr[i] })
            };
            (0..count).map(template).collect()
        };
        let dir = &self.dir;
        let place = format!("{}, `v` and `energies` of modes", dir.root().display());
        let modes = of(dir.modes_array("v")?, dir.modes_array("energies")?, &self.participation, &place)?;
        let row = |(i, mode)| TemplateRow { label: format!("mode {}", i + 1), mode, templates: Vec::new() };
        let mut rows: Vec<TemplateRow> = modes.into_iter().enumerate().map(row).collect();
        for probe in shown.iter().map(|i| &self.probes[*i]) {
            let array = |name: &str| dir.spectra_array(probe.step, name);
            let place = at_step(dir, probe.step, "templates");
            let templates = of(array("images")?, array("templates")?, &probe.participation, &place)?;
            rows.iter_mut().zip(templates).for_each(|(row, t)| row.templates.push(t));
        }
        let steps = shown.iter().map(|i| self.probes[*i].step as f64).collect();
        Ok(Some(Templates { steps, rows }))
    }
}

fn at_step(dir: &RunDir, step: u64, array: &str) -> String {
    format!("{}, spectra of step {step}, array `{array}`", dir.root().display())
}

fn shaped(array: ArrayD<f64>, shape: &[usize], place: &str) -> Result<ArrayD<f64>> {
    if array.shape() != shape {
        let found = format!("shape {:?}", array.shape());
        return Err(Error::input(place, format_args!("shape {shape:?}"), found).into());
    }
    Ok(array)
}

// An array of one axis.
fn values(array: ArrayD<f64>, count: usize, place: &str) -> Result<Vec<f64>> {
    Ok(shaped(array, &[count], place)?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use ndarray::{Array1, Array2, Array3, Array4, Axis, s};
    use rand::Rng;

    use super::*;
    use crate::run::arrays::Npz;
    use crate::run::manifest::DataRecord;
    use crate::run::metrics::Writer;
    use crate::run::{Layers, Row, TableWriter};

    const MODES: usize = 9;
    const SIDE: usize = 32;
    const LAST: u64 = 11_700;

    /// A run as a ResNet might leave it: mode by mode in the order of s·ρ, the last
    /// one not yet discovered.
    struct Synthetic {
        tmp: tempfile::TempDir,
        dir: RunDir,
        v: Array4<f64>,
        s: Vec<f64>,
        rho: Vec<f64>,
        participation: Vec<f64>,
        half_times: Vec<f64>,
        steps: Vec<u64>,
    }

    // A sum of cosines with amplitudes that fall off with a power of the frequency.
    fn image(seed: u64, power: f64) -> Array3<f64> {
        let mut rng = seed::rng(seed, "test/resnet image", 0);
        let mut image = Array3::zeros((3, SIDE, SIDE));
        for (ky, kx) in (-9i32..=9).flat_map(|ky| (0i32..=9).map(move |kx| (f64::from(ky), f64::from(kx)))) {
            let amplitude = rng.random::<f64>() / (1.0 + ky.hypot(kx).powf(power));
            let (phase, colour) = (rng.random::<f64>(), rng.random::<f64>());
            for ((c, y, x), v) in image.indexed_iter_mut() {
                let turn = (ky * y as f64 + kx * x as f64) / SIDE as f64 + phase + 0.2 * colour * c as f64;
                *v += amplitude * (TAU * turn).cos();
            }
        }
        let norm = image.iter().map(|v| v * v).sum::<f64>().sqrt();
        image / norm
    }

    fn stack(images: &[Array3<f64>]) -> Array4<f64> {
        ndarray::stack(Axis(0), &images.iter().map(|i| i.view()).collect::<Vec<_>>()).unwrap()
    }

    fn energies(images: &Array4<f64>) -> (Array3<f64>, Vec<Energies>) {
        let all: Vec<_> = images.outer_iter().map(|i| Energies::of_image(i).unwrap()).collect();
        let planes: Vec<_> = all.iter().map(Energies::values).collect();
        (ndarray::stack(Axis(0), &planes).unwrap(), all)
    }

    impl Synthetic {
        fn new() -> Self {
            let tmp = tempfile::tempdir().unwrap();
            let data = DataRecord { spec: "parquet:data/cifar10".into(), ..DataRecord::default() };
            let manifest = Manifest::begin("x".into(), "CPU".into(), 1, 0, data);
            let dir = RunDir::create(&tmp.path().join("run"), false, &manifest).unwrap();
            let images: Vec<_> =
                (0..MODES).map(|i| image(i as u64, 1.0 + 0.31 * (4 * i % 9) as f64)).collect();
            let v = stack(&images);
            let (planes, all) = energies(&v);
            let rho: Vec<f64> = all.iter().map(|e| ((SIDE * SIDE) as f64 * e.max_entry()).sqrt()).collect();
            let participation: Vec<f64> = all.iter().map(Energies::participation).collect();
            let s: Vec<f64> = (0..MODES).map(|i| 0.5 * 0.8f64.powi(i as i32)).collect();
            let product = |i: usize| s[i] * rho[i];
            let mut order: Vec<usize> = (0..MODES).collect();
            order.sort_by(|a, b| product(*b).total_cmp(&product(*a)));
            let mut half_times = vec![0.0; MODES];
            for (place, &mode) in order.iter().enumerate() {
                half_times[mode] = 25.0 * 2.3f64.powi(place as i32);
            }
            half_times[order[MODES - 1]] = 3e4;
            let column = |values: &[f64]| Array1::from(values.to_vec());
            let lambda: Vec<f64> = (0..MODES).map(|i| 0.3 / (1.0 + i as f64)).collect();
            Npz::default()
                .with("s", column(&s).view())
                .with("rho", column(&rho).view())
                .with("lambda", column(&lambda).view())
                .with("participation", column(&participation).view())
                .with("v", v.view())
                .with("energies", planes.view())
                .write(&dir.root().join("arrays/modes.npz"))
                .unwrap();
            let mut steps: Vec<u64> = (0..34).map(|k| 1.32f64.powi(k) as u64).chain([0, LAST]).collect();
            steps.sort_unstable();
            steps.dedup();
            Self { tmp, dir, v, s, rho, participation, half_times, steps }
        }

        // a/s of a mode.
        fn strength(&self, mode: usize, step: f64) -> f64 {
            1.0 - 1.0 / (1.0 + (step / self.half_times[mode]).powi(2))
        }

        fn metrics(&self) {
            let mut w = Writer::create(&self.dir.metrics(), MODES, &[]).unwrap();
            for &step in &self.steps {
                let t = step as f64;
                let a: Vec<f64> = (0..MODES).map(|i| self.s[i] * self.strength(i, t)).collect();
                let accuracy = 0.1 + 0.88 * t / (t + 700.0);
                let row = Row { step, epoch: t / 390.0, loss: 1.0 - accuracy, accuracy: Some(accuracy), a };
                w.append(&row, &[]).unwrap();
            }
            let names = ["step", "epoch", "loss", "accuracy", "ema_loss", "ema_accuracy"];
            let mut w = TableWriter::create(&self.dir.eval(), &names).unwrap();
            for epoch in 1..=30u32 {
                let t = f64::from(epoch) * 390.0;
                let accuracy = 0.1 + 0.81 * t / (t + 700.0);
                let ema = (epoch > 3).then_some(accuracy + 0.02);
                w.append(&[Some(t), Some(f64::from(epoch)), None, Some(accuracy), None, ema]).unwrap();
            }
        }

        fn spectra(&self) {
            let names: Vec<String> = std::iter::once("conv1".to_owned())
                .chain((1..=4).flat_map(|l| (0..2).map(move |b| (l, b))).flat_map(|(l, b)| {
                    let down = (b == 0 && l > 1).then(|| format!("layer{l}.0.downsample.0"));
                    (1..=2).map(move |c| format!("layer{l}.{b}.conv{c}")).chain(down)
                }))
                .collect();
            let layers = Layers { kernels: names.clone(), activations: vec!["conv1".into()] };
            self.dir.write_layers(&layers).unwrap();
            for (row, &step) in self.steps.iter().enumerate() {
                let t = step as f64;
                let learned = t / (t + 900.0);
                let centroid = names.iter().enumerate().map(|(l, name)| match name.contains("downsample") {
                    true => 0.383,
                    false => 0.38 - learned * (0.16 - 0.012 * l as f64),
                });
                let mut npz = Npz::default().with("kernel_centroid", Array1::from_iter(centroid).view());
                if row % 3 != 2 {
                    let share = |i: usize| {
                        if t >= self.half_times[i] { 0.5 } else { 3.0 - 2.5 * t / self.half_times[i] }
                    };
                    let used = (0..MODES).map(|i| self.participation[i] * share(i));
                    let images: Vec<_> = (0..MODES)
                        .map(|i| {
                            let part = self.strength(i, t);
                            &self.v.index_axis(Axis(0), i) * part + image(100 + i as u64, 0.0) * (1.1 - part)
                        })
                        .collect();
                    let images = stack(&images);
                    let grid = Grid::new(SIDE, SIDE);
                    let jacobian = Array2::from_shape_fn(grid.half_shape(), |(r, c)| {
                        let radius = SIDE as f64 * grid.radius(grid.frequency(r, c));
                        (0.3 + learned) / (1.0 + radius.powf(0.8 + 1.8 * learned))
                    });
                    npz = npz
                        .with("images", images.view())
                        .with("templates", energies(&images).0.view())
                        .with("participation", Array1::from_iter(used).view())
                        .with("jacobian", jacobian.view());
                }
                npz.write(&self.place(step)).unwrap();
            }
        }

        fn place(&self, step: u64) -> PathBuf {
            self.dir.root().join(format!("arrays/spectra-{step:08}.npz"))
        }

        fn args(&self, out: &Path) -> Args {
            Args { run: self.dir.root().to_path_buf(), out: out.to_path_buf() }
        }

        // Draws as the command does; the verdicts beside the picture.
        fn draw(&self) -> (PathBuf, serde_json::Value) {
            let out = self.tmp.path().join("resnet.png");
            draw(&self.args(&out)).unwrap().write(&out).unwrap();
            let text = std::fs::read_to_string(out.with_extension("json")).unwrap();
            (out, serde_json::from_str(&text).unwrap())
        }
    }

    fn verdict(note: &serde_json::Value, words: &str) -> f64 {
        let all = note["verdicts"].as_array().unwrap();
        let found = all.iter().find(|v| v["what"].as_str().unwrap().contains(words));
        let found = found.unwrap_or_else(|| panic!("no {words} in {note}"));
        assert!(found["bar"] == "" && found["pass"].is_null(), "{found}");
        found["value"].as_f64().unwrap()
    }

    #[test]
    fn a_run_that_still_goes_on_has_its_numbers_and_its_picture() {
        let run = Synthetic::new();
        run.metrics();
        run.spectra();
        let (picture, note) = run.draw();
        if let Some(dir) = std::env::var_os("DOMFREQ_FIGURES") {
            std::fs::copy(&picture, Path::new(&dir).join("resnet-run.png")).unwrap();
        }
        let picture = std::fs::metadata(&picture).unwrap();
        assert!(picture.len() > 50_000, "{}", picture.len());

        assert_eq!(verdict(&note, "modes of which the network has known half, of 9"), 8.0);
        assert!(
            (verdict(&note, "s·ρ: Spearman's correlation with early discovery, 9 modes") - 1.0).abs() < 1e-12
        );
        let early: Vec<f64> = run.half_times.iter().map(|t| -t).collect();
        for (name, score) in [("ρ: Spear", run.rho.clone()), ("s: Spear", run.s.clone())] {
            let all = note["verdicts"].as_array().unwrap();
            let found = all.iter().find(|v| v["what"].as_str().unwrap().starts_with(name)).unwrap();
            assert!((found["value"].as_f64().unwrap() - spearman(&score, &early)).abs() < 1e-12, "{name}");
            assert!(found["what"].as_str().unwrap().contains("95 % of bootstraps"), "{found}");
        }
        assert!((verdict(&note, "relative to the mode image's: median of 8 modes") - 0.5).abs() < 1e-12);
        assert_eq!(verdict(&note, "conv1: centroid of its kernels (cycles/pixel) at step 0"), 0.38);
        let end = 0.38 - 0.16 * 11_700.0 / 12_600.0;
        assert!((verdict(&note, "at step 11700") - end).abs() < 1e-12);
        assert!(
            (verdict(&note, "probed training samples, step 11700") - (0.1 + 0.88 * 117.0 / 124.0)).abs()
                < 1e-12
        );
        let test = 0.1 + 0.81 * 117.0 / 124.0;
        assert!((verdict(&note, "test, step 11700") - test).abs() < 1e-12);
        assert!((verdict(&note, "averaged weights, step 11700") - test - 0.02).abs() < 1e-12);
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        let mut run = Synthetic::new();
        run.steps.truncate(1);
        run.metrics();
        std::fs::remove_file(run.dir.eval()).unwrap();
        let (_, note) = run.draw();
        assert_eq!(verdict(&note, "has known half"), 0.0);
        assert_eq!(note["verdicts"].as_array().unwrap().len(), 2, "{note}");
        assert_eq!(verdict(&note, "probed training samples, step 0"), 0.1);
        // Spectra of a later step belong to no row yet.
        run.steps = vec![0, 5];
        run.spectra();
        assert_eq!(Run::read(run.dir.root()).unwrap().snapshots, [0]);
        run.draw();
    }

    #[test]
    fn arrays_of_another_run_are_named() {
        let run = Synthetic::new();
        run.metrics();
        run.spectra();
        let (step, out) = (run.steps[4], run.tmp.path().join("x.png"));
        let spoil = |name: &str| {
            let keep = |other: &str| (other != name).then(|| run.dir.spectra_array(step, other).unwrap());
            let names = ["kernel_centroid", "images", "templates", "participation", "jacobian"];
            let short = run.dir.spectra_array(step, name).unwrap();
            let short = short.slice_axis(Axis(0), (0..2).into()).to_owned();
            let npz = names.iter().fold(Npz::default(), |npz, other| {
                npz.with(other, keep(other).unwrap_or_else(|| short.clone()).view())
            });
            let whole = std::fs::read(run.place(step)).unwrap();
            npz.write(&run.place(step)).unwrap();
            let error = draw(&run.args(&out)).unwrap_err().to_string();
            std::fs::write(run.place(step), whole).unwrap();
            error
        };
        for name in ["kernel_centroid", "participation"] {
            let error = spoil(name);
            assert!(error.contains(name) && error.contains(&format!("step {step}")), "{error}");
        }
        assert!(spoil("jacobian").contains("half plane"));
        assert!(!out.exists());
        let modes = run.dir.modes_array("s").unwrap().slice(s![..3]).to_owned();
        Npz::default().with("s", modes.view()).write(&run.dir.root().join("arrays/modes.npz")).unwrap();
        assert!(draw(&run.args(&out)).unwrap_err().to_string().contains("array `s`"));
    }
}
