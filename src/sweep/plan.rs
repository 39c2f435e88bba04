//! From a sweep file to numbered configurations, and the folder they are in.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::grid::{Grid, Point, Vars};
use crate::disk;
use crate::error::{Error, Result};
use crate::run::RunConfig;

/// Version of the layout of a sweep's folder.
pub const SCHEMA: u32 = 1;

const PLAN: &str = "plan.json";
const FILE: &str = "sweep.toml";
/// Configurations that are written at a time.
const WRITERS: usize = 16;

/// `plan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of the layout.
    pub schema: u32,
    /// What the sweep is called.
    pub name: String,
    /// Version of domfreq that planned it.
    pub domfreq: String,
    /// Values of the variables in the sweep file.
    #[serde(default, skip_serializing_if = "Vars::is_empty")]
    pub vars: Vars,
    /// Keys that vary, in the order of the sweep file.
    pub keys: Vec<String>,
    /// The runs, in the order of their numbers.
    pub runs: Vec<Planned>,
}

/// A run of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// Counted from 1.
    pub number: usize,
    /// Hash of its configuration: the name of its folder.
    pub name: String,
    /// Its values of the keys that vary, in their order.
    pub values: Vec<toml::Value>,
}

impl Planned {
    /// File name of its configuration and log, without an ending: `00001-NAME`.
    pub fn file(&self) -> String {
        format!("{:05}-{}", self.number, self.name)
    }
}

/// A planned sweep in its folder.
#[derive(Clone, Debug)]
pub struct Sweep {
    root: PathBuf,
    /// What it has.
    pub plan: Plan,
}

impl Sweep {
    /// Plans the sweep file `file`, with its variables, in `root`, or plans it again: configurations that are new are
    /// written, runs that the file no longer has stay where they are.
    ///
    /// # Errors
    /// As [`Grid::read`] and [`Grid::points`]; [`Error::Input`] for a key or a value that no
    /// configuration has, naming its run, for two runs with one configuration, and for a folder
    /// of something else or of a newer layout; [`Error::Io`].
    pub fn plan(file: &Path, root: &Path, vars: &Vars) -> Result<Self> {
        let grid = Grid::read(file, vars)?;
        let base = RunConfig::read_or_default(grid.config.as_deref())?;
        let place = file.display().to_string();
        let (points, keys) = (grid.points()?, grid.keys());
        let mut runs = Vec::with_capacity(points.len());
        let mut texts = Vec::with_capacity(points.len());
        let mut numbers: HashMap<String, usize> = HashMap::new();
        for (i, point) in points.iter().enumerate() {
            let number = i + 1;
            let text = configured(&base, &grid, point).map_err(|e| of_run(e, &place, point))?;
            let name = format!("{:016x}", xxh3_128(text.as_bytes()) as u64);
            if let Some(other) = numbers.insert(name.clone(), number) {
                let found = format!("{} as run {other}", said(point));
                return Err(Error::input(&place, "runs that differ", found));
            }
            let values = point.iter().map(|(_, value)| value.clone()).collect();
            runs.push(Planned { number, name, values });
            texts.push(text);
        }
        let plan = Plan {
            schema: SCHEMA,
            name: grid.name,
            domfreq: env!("CARGO_PKG_VERSION").to_owned(),
            vars: vars.clone(),
            keys,
            runs,
        };
        let sweep = Self { root: root.to_path_buf(), plan };
        sweep.check_folder()?;
        for folder in ["configs", "runs", "logs", "failed"] {
            disk::create_dir(&root.join(folder))?;
        }
        let kept = sweep.plan.runs.iter().map(|run| sweep.config(run)).collect::<HashSet<PathBuf>>();
        let write = |(run, text): (&Planned, &String)| {
            let path = sweep.config(run);
            let there = fs::read(&path).is_ok_and(|there| there == text.as_bytes());
            if there { Ok(()) } else { disk::write_bytes(&path, text.as_bytes()) }
        };
        // Each waits for the disk, which does many at once as fast as one.
        let writers = rayon::ThreadPoolBuilder::new().num_threads(WRITERS).build();
        let writers = writers.map_err(|e| Error::io(root, "write")(std::io::Error::other(e)))?;
        writers.install(|| sweep.plan.runs.par_iter().zip(&texts).try_for_each(write))?;
        disk::write_bytes(&root.join(FILE), &fs::read(file).map_err(Error::io(file, "read"))?)?;
        let text = serde_json::to_string_pretty(&sweep.plan).expect("a plan is JSON");
        disk::write_bytes(&root.join(PLAN), text.as_bytes())?;
        // Configurations of an earlier plan have other numbers.
        let configs = root.join("configs");
        for entry in fs::read_dir(&configs).map_err(Error::io(&configs, "read"))? {
            let path = entry.map_err(Error::io(&configs, "read"))?.path();
            if path.extension().is_some_and(|e| e == "toml") && !kept.contains(&path) {
                disk::remove(&path)?;
            }
        }
        Ok(sweep)
    }

    /// Whether there is a planned sweep in the folder `root`.
    pub fn is_at(root: &Path) -> bool {
        root.join(PLAN).exists()
    }

    /// The sweep in the folder `root`.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none, or one of another version; [`Error::Io`].
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join(PLAN);
        if !path.exists() {
            let found = if root.is_dir() { "a folder without plan.json" } else { "none" };
            return Err(Error::input(
                root.display(),
                "a sweep file, or the folder of a planned sweep",
                found,
            ));
        }
        let text = fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
        let wrong = |found: String| {
            Error::input(
                path.display(),
                format!("a plan of version {SCHEMA}, as `domfreq sweep plan` writes it"),
                found,
            )
        };
        let whole: serde_json::Value = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        let schema = whole.get("schema").and_then(serde_json::Value::as_u64);
        if schema != Some(u64::from(SCHEMA)) {
            return Err(wrong(schema.map_or_else(|| "no version".to_owned(), |v| format!("version {v}"))));
        }
        let plan: Plan = serde_json::from_value(whole).map_err(|e| wrong(e.to_string()))?;
        let safe = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_hexdigit());
        if let Some(run) =
            plan.runs.iter().find(|run| !safe(&run.name) || run.values.len() != plan.keys.len())
        {
            return Err(wrong(format!("run {} `{}` with {} values", run.number, run.name, run.values.len())));
        }
        Ok(Self { root: root.to_path_buf(), plan })
    }

    // What is there may be planned again, and nothing else.
    fn check_folder(&self) -> Result<()> {
        if self.root.join(PLAN).exists() {
            return Self::open(&self.root).map(|_| ());
        }
        let Ok(mut entries) = fs::read_dir(&self.root) else { return Ok(()) };
        let other = entries.find_map(|entry| {
            let name = entry.ok()?.file_name();
            let own = ["configs", "runs", "logs", "failed", "submits", FILE].iter().any(|own| name == *own);
            (!own && !disk::is_beside(&name)).then_some(name)
        });
        match other {
            Some(name) => {
                let found = format!("`{}` in it", name.to_string_lossy());
                Err(Error::input(self.root.display(), "a new folder, or that of a sweep", found))
            }
            None => Ok(()),
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The configuration of a run.
    pub fn config(&self, run: &Planned) -> PathBuf {
        self.root.join("configs").join(run.file() + ".toml")
    }

    /// The run directory of a run.
    pub fn dir(&self, run: &Planned) -> PathBuf {
        self.root.join("runs").join(&run.name)
    }

    /// What a run said.
    pub fn log(&self, run: &Planned) -> PathBuf {
        self.root.join("logs").join(run.name.clone() + ".log")
    }

    /// Why a run failed last.
    pub fn failure(&self, run: &Planned) -> PathBuf {
        self.root.join("failed").join(run.name.clone() + ".txt")
    }

    /// The runs with these numbers, `3`, `5-8`, `-10`, `20-`, or names; all where `numbers` is
    /// empty.
    ///
    /// # Errors
    /// [`Error::Input`] for what is no number and no name of a run.
    pub fn chosen(&self, numbers: &[String]) -> Result<Vec<&Planned>> {
        if numbers.is_empty() {
            return Ok(self.plan.runs.iter().collect());
        }
        let last = self.plan.runs.len();
        let mut wanted = vec![false; last];
        for text in numbers {
            if let Some(at) = self.plan.runs.iter().position(|run| run.name == *text) {
                wanted[at] = true;
                continue;
            }
            let number = |part: &str, open: usize| {
                let number = if part.is_empty() { Ok(open) } else { part.trim().parse::<usize>() };
                number.ok().filter(|n| (1..=last).contains(n))
            };
            let ends = match text.split_once('-') {
                Some((from, to)) if text.len() > 1 => number(from, 1).zip(number(to, last)),
                _ => number(text, 0).map(|n| (n, n)),
            };
            let Some((from, to)) = ends.filter(|(from, to)| from <= to) else {
                let expected = format!("numbers of runs, 1 to {last}, such as 3 or 5-8, or their names");
                return Err(Error::input("--only", expected, format_args!("`{text}`")));
            };
            wanted[from - 1..to].fill(true);
        }
        Ok(self.plan.runs.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(run, _)| run).collect())
    }
}

// The resolved configuration of a point.
fn configured(base: &RunConfig, grid: &Grid, point: &Point) -> Result<String> {
    let mut config = base.clone();
    for (key, value) in grid.set.iter().chain(point) {
        config.set(&format!("{key}={value}"))?;
    }
    let text = if config.model.kind.is_linear() {
        toml::to_string(&config.linear()?)
    } else {
        toml::to_string(&config.deep()?)
    };
    Ok(text.expect("every configuration has a TOML form"))
}

// What varies in a run, in words.
fn said(point: &Point) -> String {
    let all: Vec<String> = point.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if all.is_empty() { "the one run".to_owned() } else { all.join(" ") }
}

fn of_run(error: Error, file: &str, point: &Point) -> Error {
    match error {
        Error::Input { place, expected, found } => {
            let place = place.trim_start_matches("--set ").to_owned();
            let whole = if point.is_empty() {
                format!("{file}, {place}")
            } else {
                format!("{file}, {place} (of {})", said(point))
            };
            Error::Input { place: whole, expected, found }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("speed.toml");
        fs::write(&path, text).unwrap();
        path
    }

    const TWO: &str =
        "[set]\n\"train.steps\" = 5\n[grid]\n\"model.kind\" = [\"fcnn\", \"lcnn\"]\n\"run.seed\" = [0, 1]";

    #[test]
    fn plans_have_a_resolved_configuration_for_each_run() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("out");
        let sweep = Sweep::plan(&file(tmp.path(), TWO), &root, &Vars::new()).unwrap();
        assert_eq!((sweep.plan.name.as_str(), sweep.plan.runs.len()), ("speed", 4));
        for run in &sweep.plan.runs {
            let config = RunConfig::read(&sweep.config(run)).unwrap();
            assert_eq!((config.train.steps, config.run.seed), (Some(5), (run.number as u64 + 1) % 2));
            assert_eq!(run.values[0].as_str(), Some(config.model.kind.to_string().as_str()));
        }
        assert_eq!(Sweep::open(&root).unwrap().plan, sweep.plan);
    }

    #[test]
    fn a_larger_plan_keeps_the_names_of_the_runs_it_had() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("out");
        let first = Sweep::plan(&file(tmp.path(), TWO), &root, &Vars::new()).unwrap();
        let more =
            Sweep::plan(&file(tmp.path(), &TWO.replace("[0, 1]", "[7, 0, 1]")), &root, &Vars::new()).unwrap();
        assert_eq!(more.plan.runs.len(), 6);
        let name = |sweep: &Sweep, number: usize| sweep.plan.runs[number - 1].name.clone();
        assert_eq!([name(&first, 1), name(&first, 4)], [name(&more, 2), name(&more, 6)]);
        // Of the first plan's configurations nothing is left under old numbers.
        assert_eq!(fs::read_dir(root.join("configs")).unwrap().count(), 6);
    }

    #[test]
    fn runs_are_chosen_by_number() {
        let tmp = tempfile::tempdir().unwrap();
        let sweep = Sweep::plan(&file(tmp.path(), TWO), &tmp.path().join("out"), &Vars::new()).unwrap();
        let of = |text: &[&str]| -> Result<Vec<usize>> {
            let numbers: Vec<String> = text.iter().map(|t| (*t).to_owned()).collect();
            Ok(sweep.chosen(&numbers)?.iter().map(|run| run.number).collect())
        };
        assert_eq!(of(&[]).unwrap(), [1, 2, 3, 4]);
        assert_eq!(of(&["4", "1-2"]).unwrap(), [1, 2, 4]);
        assert_eq!(of(&[&sweep.plan.runs[2].name, "1"]).unwrap(), [1, 3]);
        assert_eq!((of(&["3-"]).unwrap(), of(&["-2"]).unwrap()), (vec![3, 4], vec![1, 2]));
        for bad in ["0", "5", "2-1", "x", "-", ""] {
            let text = of(&[bad]).unwrap_err().to_string();
            assert!(text.contains("--only") && text.contains("1 to 4"), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_planned_is_named() {
        let tmp = tempfile::tempdir().unwrap();
        let refusal = |text: &str| {
            Sweep::plan(&file(tmp.path(), text), &tmp.path().join("new"), &Vars::new())
                .unwrap_err()
                .to_string()
        };
        for (text, parts) in [
            (
                "[grid]\n\"train.stepz\" = [1]",
                &["speed.toml", "train.stepz", "nearest: `steps`", "stepz=1"][..],
            ),
            ("[grid]\n\"train.steps\" = [1, \"x\"]", &["train.steps", "steps=\"x\""]),
            ("[set]\n\"init.scale\" = -1.0", &["init.scale", "speed.toml"]),
            ("[grid]\n\"init.scale\" = [1e-3, 0.001]", &["each value once"]),
            ("[grid]\n\"model.kernel\" = [\"3\", \"3x3\"]", &["runs that differ", "kernel=\"3x3\" as run 1"]),
            ("config = \"absent.toml\"", &["absent.toml"]),
        ] {
            let said = refusal(text);
            assert!(
                parts.iter().all(|part| said.contains(part)) && said.lines().count() == 1,
                "{text}: {said}"
            );
        }
        assert!(!tmp.path().join("new").exists());
        fs::create_dir(tmp.path().join("other")).unwrap();
        fs::write(tmp.path().join("other/thesis.txt"), "").unwrap();
        let error = Sweep::plan(&file(tmp.path(), TWO), &tmp.path().join("other"), &Vars::new())
            .unwrap_err()
            .to_string();
        assert!(error.contains("thesis.txt"), "{error}");
        assert!(
            Sweep::open(&tmp.path().join("other")).unwrap_err().to_string().contains("without plan.json")
        );
    }

    #[test]
    fn plans_of_other_versions_and_broken_ones_are_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("out");
        Sweep::plan(&file(tmp.path(), TWO), &root, &Vars::new()).unwrap();
        let text = fs::read_to_string(root.join(PLAN)).unwrap();
        for (from, to, part) in [
            ("\"schema\": 1", "\"schema\": 2", "version 2"),
            ("\"schema\": 1", "\"scheme\": 1", "no version"),
            ("{", "", "plan.json"),
            ("\"number\": 1", "\"number\": -1", "plan.json"),
        ] {
            fs::write(root.join(PLAN), text.replacen(from, to, 1)).unwrap();
            let said = Sweep::open(&root).unwrap_err().to_string();
            assert!(said.contains(part) && said.lines().count() == 1, "{said}");
        }
        let evil = text.replacen(
            &Sweep::plan(&file(tmp.path(), TWO), &tmp.path().join("b"), &Vars::new()).unwrap().plan.runs[0]
                .name,
            "../x",
            1,
        );
        fs::write(root.join(PLAN), evil).unwrap();
        assert!(Sweep::open(&root).is_err());
    }
}
