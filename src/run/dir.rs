//! Claiming, filling and opening a run directory.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ndarray::{Array1, Array2, Array3, Array4, ArrayD, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::{Error, Result};
use crate::run::arrays::{self, Npz};
use crate::run::{Look, Manifest, Metrics, RunConfig, Snapshot};
use crate::spectrum::{self, Energies};
use crate::theory::Modes;

const MANIFEST: &str = super::manifest::FILE;
const LOCK: &str = ".lock";

/// A run directory, its own for as long as this lives.
#[derive(Debug)]
pub struct RunDir {
    root: PathBuf,
    // Held by the process that writes the run; given up by any kind of death.
    _lock: Option<File>,
}

impl RunDir {
    /// Whether a run may be written to `root`, without touching anything: for
    /// saying no before the data are read.
    ///
    /// # Errors
    /// [`Error::Input`] when another run is there (without `replace`), or files
    /// that are no run (always).
    pub fn check(root: &Path, replace: bool) -> Result<()> {
        if !root.exists() {
            return Ok(());
        }
        let entries = fs::read_dir(root).map_err(Error::io(root, "read"))?;
        // A process killed before its manifest was in place has left no more than these.
        let nothing = |name: &OsStr| name == LOCK || disk::is_beside(name);
        if entries.filter_map(std::result::Result::ok).all(|e| nothing(&e.file_name())) {
            return Ok(());
        }
        let manifest = root.join(MANIFEST);
        if !manifest.exists() {
            return Err(Error::input(root.display(), "a new or empty directory", "files that are no run"));
        }
        if replace {
            return Ok(());
        }
        let found = match Manifest::read(&manifest) {
            Ok(m) => format!("another run (of {}, started {}, {:?})", m.data.spec, m.started, m.status),
            Err(_) => "another run".to_owned(),
        };
        Err(Error::input(root.display(), "a new or empty directory (--force replaces a run)", found))
    }

    /// Claims `root` for the new run that `manifest` describes. With `replace` an
    /// earlier run there is removed.
    ///
    /// # Errors
    /// As [`RunDir::check`], and [`Error::Input`] while another process writes a
    /// run there; [`Error::Io`].
    pub fn create(root: &Path, replace: bool, manifest: &Manifest) -> Result<Self> {
        Self::check(root, replace)?;
        disk::create_dir(root)?;
        let lock = lock(root)?;
        // Another process may have been here between the look and the lock.
        Self::check(root, replace)?;
        disk::sweep(root)?;
        let dir = Self { root: root.to_path_buf(), _lock: Some(lock) };
        manifest.write(&dir.manifest())?;
        dir.clear()?;
        for sub in ["arrays", "ckpt"] {
            disk::create_dir(&root.join(sub))?;
        }
        Ok(dir)
    }

    /// Claims the run at `root` to go on with it.
    ///
    /// # Errors
    /// As [`RunDir::open`], and [`Error::Input`] while another process writes it.
    pub fn resume(root: &Path) -> Result<Self> {
        let dir = Self { _lock: Some(lock(root)?), ..Self::open(root)? };
        for sub in ["arrays", "ckpt"] {
            disk::create_dir(&root.join(sub))?;
            disk::sweep(&root.join(sub))?;
        }
        disk::sweep(root)?;
        Ok(dir)
    }

    // What an earlier run has left, its manifest excepted.
    fn clear(&self) -> Result<()> {
        for name in ["arrays", "ckpt", "events"] {
            let path = self.root.join(name);
            if path.exists() {
                fs::remove_dir_all(&path).map_err(Error::io(&path, "remove"))?;
            }
        }
        for path in [self.metrics(), self.eval(), self.steps(), self.summary(), self.config()] {
            disk::remove(&path)?;
        }
        for entry in fs::read_dir(&self.root).map_err(Error::io(&self.root, "read"))? {
            let name = entry.map_err(Error::io(&self.root, "read"))?.file_name();
            let of_a_split = |name: &str| name.starts_with("eval-") && name.ends_with(".csv");
            if name.to_str().is_some_and(of_a_split) {
                disk::remove(&self.root.join(name))?;
            }
        }
        Ok(())
    }

    /// An existing run, to be read.
    ///
    /// # Errors
    /// [`Error::Input`] when there is none, or one of a newer layout.
    pub fn open(root: &Path) -> Result<Self> {
        let dir = Self { root: root.to_path_buf(), _lock: None };
        if !dir.manifest().exists() {
            let found = if root.exists() { "no manifest.json in it" } else { "nothing" };
            return Err(Error::input(root.display(), "a run directory", found));
        }
        Manifest::read(&dir.manifest())?;
        Ok(dir)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `config.toml`.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// `manifest.json`.
    pub fn manifest(&self) -> PathBuf {
        self.root.join(MANIFEST)
    }

    /// `metrics.csv`.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.csv")
    }

    /// `eval.csv`: step, epoch, loss, accuracy, ema_loss, ema_accuracy on
    /// samples held out.
    pub fn eval(&self) -> PathBuf {
        self.root.join("eval.csv")
    }

    /// `eval-SPLIT.csv`: the same on a further split (`eval.beside`).
    pub fn eval_beside(&self, split: &str) -> PathBuf {
        self.root.join(format!("eval-{split}.csv"))
    }

    /// `steps.csv`: step, epoch, loss, accuracy, eta of every update.
    pub fn steps(&self) -> PathBuf {
        self.root.join("steps.csv")
    }

    /// The folder of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("ckpt")
    }

    /// `summary.json`.
    pub fn summary(&self) -> PathBuf {
        self.root.join("summary.json")
    }

    fn modes(&self) -> PathBuf {
        self.root.join("arrays/modes.npz")
    }

    /// Reads what a figure needs of a run, finished or not.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Input`] naming the file.
    pub fn read(&self) -> Result<(RunConfig, Metrics, Array1<f64>)> {
        let metrics = Metrics::read(&self.metrics())?;
        let path = self.modes();
        let s: Array1<f64> = arrays::read(&path, "s")?
            .into_dimensionality()
            .map_err(|e| Error::input(format_args!("{}, array `s`", path.display()), "one axis", e))?;
        if s.len() != metrics.a.len() {
            let found = format!("{} and {}", s.len(), metrics.a.len());
            return Err(Error::input(path.display(), "as many modes as metrics.csv has columns", found));
        }
        Ok((RunConfig::read(&self.config())?, metrics, s))
    }

    /// An array of `arrays/modes.npz`, of those in double precision.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Input`] naming file and array.
    pub fn modes_array(&self, name: &str) -> Result<ArrayD<f64>> {
        arrays::read(&self.modes(), name)
    }

    /// `[c, h, w]` of the images.
    ///
    /// # Errors
    /// As [`RunDir::modes_array`].
    pub fn shape(&self) -> Result<[usize; 3]> {
        let v = self.modes_array("v")?;
        match *v.shape() {
            [_, c, h, w] => Ok([c, h, w]),
            _ => {
                let place = format!("{}, array `v`", self.modes().display());
                Err(Error::input(place, "axes [m, c, h, w]", format_args!("{:?}", v.shape())))
            }
        }
    }

    /// Steps of the snapshots that are there, ascending.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn snapshots(&self) -> Result<Vec<u64>> {
        let place = self.root.join("arrays");
        let entries = fs::read_dir(&place).map_err(Error::io(&place, "read"))?;
        let mut steps: Vec<u64> = entries
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_prefix("spectra-")?.strip_suffix(".npz")?.parse().ok())
            .collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// An array of the snapshot at `step`.
    ///
    /// # Errors
    /// As [`RunDir::modes_array`].
    pub fn spectra_array(&self, step: u64, name: &str) -> Result<ArrayD<f64>> {
        arrays::read(&self.spectra(step), name)
    }

    /// As [`RunDir::spectra_array`]; None where that was not measured at `step`.
    ///
    /// # Errors
    /// As [`RunDir::modes_array`].
    pub fn spectra_array_if_there(&self, step: u64, name: &str) -> Result<Option<ArrayD<f64>>> {
        arrays::read_if_there(&self.spectra(step), name)
    }

    fn layers_file(&self) -> PathBuf {
        self.root.join("arrays/layers.json")
    }

    /// Names of the layers that the spectra are of; None where there are none.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Input`].
    pub fn layers(&self) -> Result<Option<Layers>> {
        let path = self.layers_file();
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
        let wrong = |e| Error::input(path.display(), "names of `kernels` and `activations`", e);
        serde_json::from_str(&text).map(Some).map_err(wrong)
    }

    /// Writes `arrays/layers.json`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_layers(&self, layers: &Layers) -> Result<()> {
        let text = serde_json::to_string_pretty(layers).expect("names have a JSON form");
        disk::write_bytes(&self.layers_file(), text.as_bytes())
    }

    /// Writes `arrays/modes.npz`: s, lambda, rho, participation `[m]`, u `[K, m]`,
    /// v `[m, c, h, w]`, dominant `[m, 2]` (row, column of the largest |v̂|), energies
    /// `[m, h, w/2+1]` (|v̂|² per half-plane entry, unitary DFT, summed over
    /// channels) and data_energies `[c, h, w/2+1]` (mean over samples).
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_modes(&self, modes: &Modes, data_energies: &Array3<f64>) -> Result<()> {
        let [c, h, w] = modes.shape;
        let column = |f: &dyn Fn(&crate::theory::Mode) -> f64| Array1::from_iter(modes.list.iter().map(f));
        let v = modes.v_rows().into_shape_with_order((modes.len(), c, h, w)).expect("rows are images");
        let energies: Vec<_> = modes.list.iter().map(|m| m.energies.values()).collect();
        let dominant = Array2::from_shape_fn((modes.len(), 2), |(a, axis)| {
            let f = modes.list[a].dominant;
            i64::from(if axis == 0 { f.row } else { f.col })
        });
        Npz::default()
            .with("s", column(&|m| m.s).view())
            .with("lambda", column(&|m| m.lambda).view())
            .with("rho", column(&|m| m.rho).view())
            .with("participation", column(&|m| m.participation).view())
            .with("u", modes.u().view())
            .with("v", v.view())
            .with("dominant", dominant.view())
            .with("energies", stack(&energies).view())
            .with("data_energies", data_energies.view())
            .write(&self.modes())
    }

    fn forecast_file(&self) -> PathBuf {
        self.root.join("arrays/forecast.npz")
    }

    /// Writes `arrays/forecast.npz`: what was expected of the modes `[m]` before training,
    /// by name: F_α of each reader, `kernel` (τ_α of the kernel flow) and `kernel_rate`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_forecast(&self, scores: Vec<(&'static str, Vec<f64>)>) -> Result<()> {
        let npz = scores
            .into_iter()
            .fold(Npz::default(), |npz, (name, values)| npz.with(name, Array1::from(values).view()));
        npz.write(&self.forecast_file())
    }

    /// What `name` has said of the modes `[m]`; None where it was not asked.
    ///
    /// # Errors
    /// As [`RunDir::modes_array`].
    pub fn forecast(&self, name: &str) -> Result<Option<ArrayD<f64>>> {
        let path = self.forecast_file();
        if path.exists() { arrays::read_if_there(&path, name) } else { Ok(None) }
    }

    /// Writes `arrays/spectra-XXXXXXXX.npz`: images `[m, c, h, w]`, the templates
    /// u_αᵀE; templates `[m, h, w/2+1]`, their energies summed over channels;
    /// participation `[m]` of the same and, under `participation_<theory>`, what
    /// each theory says of it (NaN where it says nothing); and for a
    /// convolutional network kernels `[M, c, h, w/2+1]`, the energies of the
    /// kernels zero-padded to the image grid, with kernels_2, …
    /// `[M, M, h, w/2+1]` for its later layers.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_spectra(
        &self,
        modes: &Modes,
        snapshot: &Snapshot,
        templates: &Templates,
        predicted: &[(&str, Vec<f64>)],
    ) -> Result<()> {
        let [_, h, w] = modes.shape;
        let values: Vec<_> = templates.energies.iter().map(Energies::values).collect();
        let participation = Array1::from_iter(templates.energies.iter().map(|e| e.participation()));
        let mut npz = Npz::default()
            .with("images", templates.images.view())
            .with("templates", stack(&values).view())
            .with("participation", participation.view());
        for (theory, participation) in predicted {
            let participation = ndarray::ArrayView1::from(participation);
            npz = npz.with(&format!("participation_{theory}"), participation);
        }
        for (name, kernels) in snapshot.weights.iter().filter(|(name, _)| name.starts_with("kernels")) {
            if let Ok(kernels) = kernels.view().into_dimensionality() {
                npz = npz.with(name, spectrum::kernel_energies(kernels, h, w)?.view());
            }
        }
        npz.write(&self.spectra(snapshot.step))
    }

    /// Writes what a probe has seen, see [`Look::arrays`].
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_look(&self, modes: &Modes, look: &Look) -> Result<()> {
        look.arrays(modes)?.write(&self.spectra(look.step))
    }

    fn spectra(&self, step: u64) -> PathBuf {
        self.root.join(format!("arrays/spectra-{step:08}.npz"))
    }

    /// Writes `ckpt/step-XXXXXXXX/weights.npz`: the folder appears whole.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_checkpoint(&self, snapshot: &Snapshot) -> Result<()> {
        let parent = self.root.join("ckpt");
        let place = parent.join(format!("step-{:08}", snapshot.step));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".step-");
        #[cfg(unix)]
        builder.permissions(disk::readable(0o777));
        let beside = builder.tempdir_in(&parent).map_err(Error::io(&parent, "create a folder in"))?;
        let npz = snapshot.weights.iter().fold(Npz::default(), |npz, (name, w)| npz.with(name, w.view()));
        npz.write(&beside.path().join("weights.npz"))?;
        fs::rename(beside.path(), &place).map_err(Error::io(&place, "create"))
    }
}

/// Names of a deep network's layers, in the order of the arrays in its spectra.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Of kernel_centroid and kernel_participation.
    pub kernels: Vec<String>,
    /// Of activation_centroid.
    pub activations: Vec<String>,
}

// The lock of the one process that writes the run.
fn lock(root: &Path) -> Result<File> {
    let path = root.join(LOCK);
    let lock = File::options().create(true).append(true).open(&path).map_err(Error::io(&path, "create"))?;
    // Who asks whether it is locked holds it for a moment.
    for _ in 0..LOOKS {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            _ => return Ok(lock),
        }
    }
    let expected = "a directory that no other process writes to";
    Err(Error::input(root.display(), expected, "a run that is being written"))
}

/// Times that a lock is tried.
const LOOKS: u32 = 5;

/// Whether a process on this machine writes the run at `root`.
pub fn is_locked(root: &Path) -> bool {
    let Ok(lock) = File::options().read(true).append(true).open(root.join(LOCK)) else { return false };
    // Shared: who else looks is no writer.
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// The images that a network uses for the modes.
#[derive(Clone, Debug)]
pub struct Templates {
    /// u_αᵀE `[m, c, h, w]`.
    pub images: Array4<f64>,
    /// Their energies, summed over channels.
    pub energies: Vec<Energies>,
}

impl Templates {
    /// Of the network in `snapshot`.
    ///
    /// # Errors
    /// [`Error::Input`] for a map of another number of pixels.
    pub fn new(modes: &Modes, snapshot: &Snapshot) -> Result<Self> {
        Self::of_map(modes, &snapshot.map)
    }

    /// Of a network whose end-to-end map, or mean Jacobian, is `map` `[K, d]`.
    ///
    /// # Errors
    /// As [`Templates::new`].
    pub fn of_map(modes: &Modes, map: &Array2<f64>) -> Result<Self> {
        let [c, h, w] = modes.shape;
        let images = modes.u().t().dot(map);
        let images = images
            .into_shape_with_order((modes.len(), c, h, w))
            .map_err(|e| Error::input("end-to-end map", "one column per pixel of the images", e))?;
        let energies = images.outer_iter().map(Energies::of_image).collect::<Result<_>>()?;
        Ok(Self { images, energies })
    }
}

fn stack(planes: &[ArrayView2<f64>]) -> Array3<f64> {
    ndarray::stack(Axis(0), planes).expect("planes of one grid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::manifest::DataRecord;
    use crate::theory::tests_support::cosine_samples;

    fn manifest() -> Manifest {
        Manifest::begin("x".into(), "CPU".into(), 1, 0, DataRecord::default())
    }

    #[test]
    fn another_run_is_kept_unless_replacing_is_asked_for() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("runs/a");
        RunDir::check(&root, false).unwrap();
        assert!(!root.exists());
        let dir = RunDir::create(&root, false, &manifest()).unwrap();
        fs::write(dir.metrics(), "old").unwrap();
        let metrics = dir.metrics();
        for replace in [false, true] {
            // While it is being written nobody else gets it.
            let error = RunDir::create(&root, replace, &manifest()).unwrap_err().to_string();
            assert!(error.contains("another run") || error.contains("being written"), "{error}");
        }
        drop(dir);
        let error = RunDir::create(&root, false, &manifest()).unwrap_err().to_string();
        assert!(error.contains("another run") && error.contains("--force"), "{error}");
        assert_eq!(fs::read_to_string(&metrics).unwrap(), "old");
        RunDir::create(&root, true, &manifest()).unwrap();
        assert!(!metrics.exists());
    }

    #[test]
    fn a_folder_of_something_else_is_never_touched() {
        let tmp = tempfile::tempdir().unwrap();
        fs::write(tmp.path().join("thesis.tex"), "x").unwrap();
        for replace in [false, true] {
            let error = RunDir::create(tmp.path(), replace, &manifest()).unwrap_err().to_string();
            assert!(error.contains("files that are no run"), "{error}");
        }
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 1);
        assert!(RunDir::open(tmp.path()).unwrap_err().to_string().contains("no manifest.json"));
        fs::write(tmp.path().join(MANIFEST), "").unwrap();
        assert!(RunDir::open(tmp.path()).unwrap_err().to_string().contains("the manifest of a run"));
    }

    #[test]
    fn a_process_killed_before_its_manifest_was_in_place_is_in_nobodys_way() {
        let tmp = tempfile::tempdir().unwrap();
        for name in [LOCK, ".domfreq-abc.tmp"] {
            fs::write(tmp.path().join(name), "").unwrap();
            RunDir::check(tmp.path(), false).unwrap();
        }
        let dir = RunDir::create(tmp.path(), false, &manifest()).unwrap();
        assert!(dir.manifest().exists() && !tmp.path().join(".domfreq-abc.tmp").exists());
    }

    #[test]
    fn layers_read_back_and_absence_is_no_error() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = RunDir::create(&tmp.path().join("r"), false, &manifest()).unwrap();
        assert_eq!(dir.layers().unwrap(), None);
        let layers = Layers { kernels: vec!["conv1".into(), "fc".into()], activations: vec!["conv1".into()] };
        dir.write_layers(&layers).unwrap();
        assert_eq!(dir.layers().unwrap(), Some(layers));
        fs::write(dir.layers_file(), "{}").unwrap();
        assert!(dir.layers().unwrap_err().to_string().contains("layers.json"));
    }

    #[test]
    fn arrays_have_the_shapes_they_promise() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = RunDir::create(&tmp.path().join("r"), false, &manifest()).unwrap();
        let modes = Modes::new(&cosine_samples((6, 8), &[(1, 2, 2.0, 0.3), (-2, 1, 1.0, 1.1)])).unwrap();
        dir.write_modes(&modes, &Array3::zeros((1, 6, 5))).unwrap();
        assert_eq!(arrays::read(&dir.modes(), "v").unwrap().shape(), [2, 1, 6, 8]);
        assert_eq!(arrays::read(&dir.modes(), "energies").unwrap().shape(), [2, 6, 5]);

        let kernels = Array4::<f64>::ones((3, 1, 2, 2)).into_dyn();
        // The map that uses each mode with its own image.
        let map = modes.u().dot(&modes.v_rows());
        let snapshot = Snapshot { step: 40, map, weights: vec![("kernels".into(), kernels)] };
        let templates = Templates::new(&modes, &snapshot).unwrap();
        dir.write_spectra(&modes, &snapshot, &templates, &[("mode", vec![1.0, f64::NAN])]).unwrap();
        let path = dir.root().join("arrays/spectra-00000040.npz");
        assert_eq!(arrays::read(&path, "kernels").unwrap().shape(), [3, 1, 6, 5]);
        assert_eq!(arrays::read(&path, "images").unwrap().shape(), [2, 1, 6, 8]);
        assert!(arrays::read(&path, "participation_mode").unwrap()[[1]].is_nan());
        assert!(dir.spectra_array_if_there(40, "images").unwrap().is_some());
        assert!(dir.spectra_array_if_there(40, "jacobian").unwrap().is_none());
        let participation = arrays::read(&path, "participation").unwrap();
        assert!(participation.iter().all(|p| (p - 2.0).abs() < 1e-6));
        dir.write_checkpoint(&snapshot).unwrap();
        let weights = dir.root().join("ckpt/step-00000040/weights.npz");
        assert_eq!(arrays::read(&weights, "kernels").unwrap().shape(), [3, 1, 2, 2]);
        assert_eq!(fs::read_dir(dir.root().join("ckpt")).unwrap().count(), 1);
    }
}
