//! A network as it is stored, and the images it is shown: `RUN|FILE` of `evaluate` and
//! `audit`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;

use crate::blueprint::guess::Guess;
use crate::blueprint::locate::{Located, locate};
use crate::cli::ShownArgs;
use crate::error::{Error, shown};
use crate::progress::say;
use crate::run::config::ModelKind;
use crate::run::{Checkpoints, RunConfig, RunDir};
use crate::weights::{self, Checkpoint, Origin, Pick, StateDict};

/// A file of weights, or the newest checkpoint of a run.
pub struct Stored {
    /// The file of the weights.
    pub place: PathBuf,
    pub dict: StateDict,
    /// The run they are from, or where a file of weights came from.
    pub from: From,
}

pub enum From {
    /// The newest checkpoint of a run of a deep network.
    Run(Box<Run>),
    File {
        /// What was taken of the file.
        origin: Box<Origin>,
        /// The network that was said (--model).
        said: Option<ModelKind>,
        /// What network the weights fit; a sentence on the nearest where none.
        guess: Result<Guess, String>,
    },
    /// A program of TorchScript with its parameters, which only libtorch reads.
    #[cfg_attr(not(feature = "torch"), expect(dead_code))]
    Program {
        origin: Box<Origin>,
        /// Of the file.
        hash: String,
    },
}

/// Reads a file of weights: the tensors of the network in it, and which that is; a sentence on the
/// nearest where none fits, and where the `config.json` beside it says that it is another one.
pub fn read(path: &Path, pick: &Pick) -> Result<(Checkpoint, Result<Guess, String>)> {
    let Checkpoint { mut dict, mut origin } = weights::open_with(path, pick)?;
    let located = if pick.is_whole() { Located::whole(&dict) } else { locate(&dict) };
    let Located { prefix, others, scheme, guess } = located;
    if !prefix.is_empty() {
        let (own, outside) = weights::under(dict, &prefix);
        dict = own;
        origin.outside.extend(outside);
        origin.stripped.push(prefix);
        origin.networks = others;
    }
    if let Some(scheme) = scheme {
        dict = scheme.translate(dict);
        origin.names = Some(scheme.of.to_owned());
    }
    if let Ok(guess) = &guess {
        let (own, outside) = guess.own(dict);
        dict = own;
        origin.outside.extend(outside);
    }
    let guess = guess.and_then(|guess| match said_beside(path) {
        Some(said) => called(&said, guess),
        None => Ok(guess),
    });
    Ok((Checkpoint { dict, origin }, guess))
}

// The guess, or its twin, whichever `said` is a name of.
fn called(said: &str, guess: Guess) -> Result<Guess, String> {
    let alike = ModelKind::value_variants().iter().filter(|kind| kind.twin() == Some(guess.kind));
    match [guess.kind].iter().chain(alike).find(|kind| is_called(said, **kind)) {
        Some(&kind) => Ok(Guess { kind, ..guess }),
        None => Err(format!(
            "config.json beside it says {}, with the names and shapes of {guess}; what has no tensors (anti-aliasing, \
             activations, strides) may differ (--model {} takes it for that)",
            shown(said),
            guess.kind
        )),
    }
}

/// Weights that a network begins with, and what they are called in errors.
#[cfg(feature = "torch")]
pub type Initial = (String, StateDict);

/// Those that `init.weights` names, if it does; what was taken of the file is said.
#[cfg(feature = "torch")]
pub fn initial(config: &crate::run::config::DeepConfig) -> Result<Option<Initial>> {
    let Some(path) = &config.init.weights else { return Ok(None) };
    let (Checkpoint { dict, origin }, _) = read(path, &Pick::default())?;
    origin.say(path);
    Ok(Some((path.display().to_string(), dict)))
}

// The architecture that timm's config.json names, in a folder of weights or beside a file.
fn said_beside(path: &Path) -> Option<String> {
    // It has some hundred bytes.
    const MOST: u64 = 1 << 20;
    let folder = if path.is_dir() { path } else { path.parent()? };
    let config = folder.join("config.json");
    if config.metadata().ok()?.len() > MOST {
        return None;
    }
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(config).ok()?).ok()?;
    Some(config.get("architecture")?.as_str()?.to_owned())
}

// Whether `said` ("tv_resnet50.a1_in1k") is a name of that network.
fn is_called(said: &str, kind: ModelKind) -> bool {
    let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
    let said = plain(said.split('.').next().unwrap_or_default());
    let said = ["tv", "gluon", "ssl", "swsl", "ig", "legacy"]
        .iter()
        .find_map(|by| said.strip_prefix(by))
        .unwrap_or(&said);
    said.strip_suffix("v1b").unwrap_or(said) == plain(&kind.to_string())
        || vit(said).as_deref() == Some(&plain(&kind.to_string()))
}

// torchvision's name, plain, for what timm calls "vitbasepatch16224" or "deitbasepatch16224".
fn vit(said: &str) -> Option<String> {
    let rest = said.strip_prefix("vit").or_else(|| said.strip_prefix("deit"))?;
    let (size, rest) =
        ["base", "large", "huge"].iter().find_map(|size| Some((size, rest.strip_prefix(size)?)))?;
    let digits = rest.strip_prefix("patch")?;
    // The side of a square and that of the images, and nothing else.
    let patch = ["14", "16", "32"].iter().find(|patch| digits.starts_with(**patch))?;
    let side = &digits[patch.len()..];
    (!side.is_empty() && side.bytes().all(|b| b.is_ascii_digit()))
        .then(|| format!("vit{}{patch}", &size[..1]))
}

impl Origin {
    /// Says what was taken of the file at `path`.
    pub(super) fn say(&self, path: &Path) {
        self.notes().iter().for_each(|note| say(format_args!("{}: {note}", path.display())));
    }
}

/// Whether that is the folder of a run, and not one with a file of weights.
pub fn is_run(path: &Path) -> bool {
    path.is_dir() && weights::in_folder(path).is_none()
}

/// A run of a deep network.
pub struct Run {
    pub dir: RunDir,
    pub config: RunConfig,
}

impl Stored {
    /// Opens the file or the run at `path`. What was said of the network counts for a
    /// `second` one only where its own cannot be told.
    pub fn open(path: &Path, args: &ShownArgs, second: bool) -> Result<Self> {
        if is_run(path) {
            let (place, run) = newest(path)?;
            let dict = weights::safetensors::read(&place)?;
            return Ok(Self { place, dict, from: From::Run(Box::new(run)) });
        }
        let (Checkpoint { dict, origin }, guess) = read(path, &args.pick.pick())?;
        origin.say(path);
        let said = args.model.filter(|_| !second || guess.is_err());
        // What was said tells apart what tensors do not.
        let guess = guess.map(|guess| match said {
            Some(kind) if kind.twin() == Some(guess.kind) => Guess { kind, ..guess },
            _ => guess,
        });
        Ok(Self {
            place: path.to_path_buf(),
            dict,
            from: From::File { origin: Box::new(origin), said, guess },
        })
    }

    /// Hash of all that it is made of.
    pub fn hash(&self) -> String {
        match &self.from {
            From::Program { hash, .. } => hash.clone(),
            From::Run(_) | From::File { .. } => self.dict.hash(),
        }
    }

    /// Whether it is a program.
    pub fn is_program(&self) -> bool {
        matches!(self.from, From::Program { .. })
    }

    /// What was taken of a file.
    pub fn origin(&self) -> Option<&Origin> {
        match &self.from {
            From::Run(_) => None,
            From::File { origin, .. } | From::Program { origin, .. } => Some(origin),
        }
    }

    /// The run it is from.
    pub fn run(&self) -> Option<&Run> {
        match &self.from {
            From::Run(run) => Some(run),
            From::File { .. } | From::Program { .. } => None,
        }
    }

    /// What network it is, and how that is known; which is nearest, where none fits.
    pub fn known(&self) -> (Option<String>, &str) {
        match &self.from {
            From::Run(run) => (Some(run.config.model.kind.to_string()), "as the run was configured"),
            From::File { said: Some(kind), guess, .. }
                if guess.as_ref().map_or(true, |g| g.kind != *kind || kind.twin().is_some()) =>
            {
                (Some(kind.to_string()), "as was said (--model)")
            }
            From::File { guess: Ok(guess), .. } => {
                let how = if guess.kind.twin().is_some() {
                    "by its names and shapes, and the config.json beside it"
                } else {
                    "by its names and shapes, in which strides, activations and anti-aliasing do not show"
                };
                (Some(guess.to_string()), how)
            }
            From::File { guess: Err(near), .. } => (None, near),
            From::Program { .. } => (None, "what a program does with its parameters is not looked into"),
        }
    }
}

impl ShownArgs {
    /// Refuses, beside a run, what a run has of its own.
    pub fn check(&self, command: &str, run: bool) -> Result<()> {
        if !run {
            return Ok(());
        }
        if self.data.selects() {
            let expected = "--split and --limit alone beside a run, which has its own data";
            return Err(Error::input(command, expected, "other options of data").into());
        }
        let own = [self.model.is_some(), self.data.data.is_some(), self.data.normalize.is_some()];
        let picked = self.pick.pick() != weights::Pick::default();
        if own.contains(&true)
            || self.outputs.is_some()
            || self.transform.is_some()
            || self.switches.any()
            || picked
        {
            let found = "--model, its switches, --key, --prefix, --data, --normalize, --transform or --outputs beside a run, \
                         which has its own";
            return Err(Error::input(command, "a run alone, or a file of weights", found).into());
        }
        Ok(())
    }
}

fn newest(root: &Path) -> Result<(PathBuf, Run)> {
    let dir = RunDir::open(root)?;
    let config = RunConfig::read(&dir.config())?;
    if config.model.kind.is_linear() {
        let expected =
            "a file of weights or a run of a deep network (of linear ones, figures show the templates)";
        return Err(Error::input(root.display(), expected, config.model.kind).into());
    }
    let checkpoints = Checkpoints::new(&dir.checkpoints());
    let Some((state, damaged)) = checkpoints.newest()? else {
        return Err(Error::input(root.display(), "a run with a checkpoint", "none").into());
    };
    damaged.iter().for_each(|e| say(format_args!("a damaged checkpoint is passed over: {e}")));
    Ok((checkpoints.weights(state.step), Run { dir, config }))
}

#[cfg(feature = "torch")]
mod loading {
    use tch::{Device, Kind};

    use super::*;
    use crate::app::images::{for_outputs, named_split, training_set};
    use crate::app::{load, prepared, transform};
    use crate::audit::net::Net;
    use crate::audit::parts::large;
    use crate::blueprint::{Architecture, Size};
    use crate::data::{self, Normalize, Outputs, Samples};
    use crate::field::ImageSet;
    use crate::model::deep::Deep;
    use crate::model::script::{self, Script};
    use crate::run::Manifest;
    use crate::weights::Format;

    /// The images for a network.
    pub struct Loaded {
        /// Resolved.
        pub config: RunConfig,
        /// The images, as pixels.
        pub set: ImageSet,
        /// How they are normalised: as those of training; of a file, of which that is
        /// not known, all of `set`, or any image of it where the statistics are constants.
        pub samples: Samples,
    }

    /// Images that are drawn.
    #[derive(Clone, Copy)]
    pub struct Sample {
        /// What they are drawn with.
        pub seed: u64,
        /// How many, of small images and of [`large`] ones.
        pub most: [usize; 2],
    }

    /// Which images.
    #[derive(Clone, Copy)]
    pub struct Which {
        /// Whether labels count.
        pub labels: bool,
        /// What may be done instead where they do not fit, for the error.
        pub instead: &'static str,
        /// A sample of them, where not all are needed.
        pub sample: Option<Sample>,
        /// Whether the layers take images with their channels last.
        pub channels_last: Option<bool>,
    }

    impl Stored {
        /// Opens the program of TorchScript at `path`: its parameters are read.
        pub fn program(path: &Path, args: &ShownArgs) -> Result<Self> {
            if args.pick.pick() != Pick::default() {
                let expected = "no key and no prefix, beside a program (--torchscript)";
                return Err(Error::input(path.display(), expected, "--key or --prefix").into());
            }
            let (dict, hash) = script::parameters(path)?;
            let origin = Box::new(Origin::new(Format::TorchScript));
            origin.say(path);
            Ok(Self { place: path.to_path_buf(), dict, from: From::Program { origin, hash } })
        }

        /// Reads the images, and makes the network for these, in single precision.
        pub fn network(&self, args: &ShownArgs, which: Which, device: Device) -> Result<(Loaded, Net)> {
            if self.is_program() {
                let (loaded, script) = self.load_program(args, which, device)?;
                return Ok((loaded, script.into()));
            }
            let (loaded, architecture) = self.load(args, which)?;
            let place = self.place.display().to_string();
            let net = Deep::with_weights(architecture, &self.dict, &place, Kind::Float, device)?;
            Ok((loaded, net.into()))
        }

        fn load_program(&self, args: &ShownArgs, which: Which, device: Device) -> Result<(Loaded, Script)> {
            let no = [
                ("--model", args.model.is_some()),
                ("a switch of the network", args.switches.any()),
                (
                    "--transform (--shorter, --size, --interpolation and --normalize say it)",
                    args.transform.is_some(),
                ),
            ];
            if let Some((found, _)) = no.iter().find(|(_, given)| *given) {
                let expected = "no option of known networks, beside a program";
                return Err(Error::input("--torchscript", expected, found).into());
            }
            let mut config = config_of_file(args)?;
            config.data.normalize.get_or_insert(Normalize::Imagenet);
            let mut set = self.images(&mut config, args, which)?;
            say(format_args!("{}: the program is run", self.place.display()));
            let shape @ [c, h, w] = set.shape();
            let script = match Script::open(&self.place, shape, device) {
                // A grey photo is one of colours, too.
                Err(Error::Input { .. }) if c == 1 => {
                    let script = Script::open(&self.place, [3, h, w], device)?;
                    set = set.repeated(3);
                    script
                }
                opened => opened?,
            };
            if which.labels {
                let outputs = args.outputs.as_deref().map(Outputs::read).transpose()?;
                set = for_outputs(set, &config.data.spec, script.outputs, outputs.as_ref(), which.instead)?;
            }
            Ok((loaded(config, set)?, script))
        }

        // Those of a file's network, in as many channels as it has.
        fn images(&self, config: &mut RunConfig, args: &ShownArgs, which: Which) -> Result<ImageSet> {
            config.run.channels_last = which.channels_last.unwrap_or(config.run.channels_last);
            config.check()?;
            let (limit, sample) = which.drawn(args.data.limit, args.data.limit, config.data.size);
            config.data.limit = limit;
            let options = data::Options { labels: which.labels, sample, ..config.data.options() };
            let set = which.fewer(load(&config.data.spec, &options)?, args);
            Ok(match self.dict.channels() {
                Some(channels) if !self.is_program() => set.repeated(channels),
                _ => set,
            })
        }

        /// Reads the images, and says which network is for these; there is none for a program.
        pub fn load(&self, args: &ShownArgs, which: Which) -> Result<(Loaded, Architecture)> {
            match &self.from {
                From::Run(run) => of_run(run, args, which),
                From::File { said, guess, .. } => self.of_file(*said, guess, args, which),
                From::Program { .. } => {
                    let expected = "a network whose layers are known";
                    Err(Error::input(self.place.display(), expected, "a program of TorchScript").into())
                }
            }
        }

        fn of_file(
            &self,
            said: Option<ModelKind>,
            guess: &Result<Guess, String>,
            args: &ShownArgs,
            which: Which,
        ) -> Result<(Loaded, Architecture)> {
            let mut config = config_of_file(args)?;
            let guess = match (said, guess) {
                (Some(kind), guess) => guess.as_ref().ok().filter(|guess| guess.kind == kind),
                (None, Ok(guess)) => Some(guess),
                (None, Err(near)) => {
                    let expected = "weights of a known network, or --model to say which network they are of";
                    return Err(Error::input(self.place.display(), expected, near).into());
                }
            };
            config.model.kind = said.unwrap_or(config.model.kind);
            guess.iter().for_each(|guess| config.model.adopt(guess));
            // What weights from elsewhere were trained with, unless told otherwise.
            config.data.normalize.get_or_insert(match config.model.kind {
                // For 2x − 1.
                ModelKind::Googlenet | ModelKind::InceptionV3 => Normalize::Half,
                _ => Normalize::Imagenet,
            });
            if let Some(said) = &args.transform {
                let (kind, side) = (config.model.kind, guess.and_then(|guess| guess.side));
                say(format_args!("{}", transform::apply(&mut config.data, said, &self.place, kind, side)?));
            }
            args.switches.apply(&mut config);
            let outputs = args.outputs.as_deref().map(Outputs::read).transpose()?;
            let mut set = self.images(&mut config, args, which)?;
            let shape @ [c, ..] = set.shape();
            if let Some(guess) = guess.filter(|guess| guess.channels != c) {
                let hint = if guess.channels == 1 { " (--grey)" } else { "" };
                let expected = format!("images of {} channels, as the network's{hint}", guess.channels);
                return Err(Error::input(&config.data.spec, expected, c).into());
            }
            if let Some(side) = guess.and_then(|guess| guess.side).filter(|side| shape[1..] != [*side; 2]) {
                let expected = format!("images of {side}x{side}, as the network's positions (--size {side})");
                let found = format!("{}x{}", shape[1], shape[2]);
                return Err(Error::input(&config.data.spec, expected, found).into());
            }
            let count = guess.map(|guess| guess.classes).or_else(|| head(&self.dict));
            let count = count.unwrap_or(set.targets.outputs().max(1));
            let architecture = config.architecture(shape, count);
            if which.labels {
                set = for_outputs(set, &config.data.spec, count, outputs.as_ref(), which.instead)?;
            }
            Ok((loaded(config, set)?, architecture))
        }
    }

    fn config_of_file(args: &ShownArgs) -> Result<RunConfig> {
        let mut config = RunConfig::default();
        config.data.split = "test".to_owned();
        args.data.apply(&mut config.data)?;
        config.data.center.get_or_insert(false);
        Ok(config)
    }

    fn loaded(config: RunConfig, set: ImageSet) -> Result<Loaded> {
        let constant =
            config.data.center == Some(false) && config.data.normalize.is_some_and(Normalize::constant);
        let some = if constant { set.thinned(1) } else { set.clone() };
        let samples = prepared(some, &config.data)?;
        if constant {
            in_range(&set, &config);
        }
        Ok(Loaded { config, set, samples })
    }

    // Constants are those of pixels from 0 to 1.
    fn in_range(set: &ImageSet, config: &RunConfig) {
        const MOST: f32 = 1.5;
        let largest = set.images.iter().copied().fold(0.0, f32::max);
        if largest > MOST {
            let (data, normalize) = (&config.data.spec, config.data.normalize());
            say(format_args!(
                "warning: {data} has values up to {largest}; --normalize {normalize} is meant for pixels from 0 to 1"
            ));
        }
    }

    // The split a run was evaluated on (or the one that is named), normalised as in training.
    fn of_run(run: &Run, args: &ShownArgs, which: Which) -> Result<(Loaded, Architecture)> {
        let mut config = run.config.clone();
        let (samples, _) = training_set(&config)?;
        let split = args.data.split.clone().or(config.eval.split.take());
        let (limit, sample) =
            which.drawn(args.data.limit, args.data.limit.or(config.eval.limit), config.data.size);
        config.eval.limit = limit;
        let set = named_split(
            &config,
            &samples,
            ("split", split.as_deref().unwrap_or("test")),
            Some("--split"),
            sample,
        )?;
        config.run.channels_last = which.channels_last.unwrap_or(config.run.channels_last);
        let architecture = config.architecture(samples.shape, samples.outputs());
        Ok((Loaded { set: which.fewer(set, args), config, samples }, architecture))
    }

    impl Which {
        // How many images, and the seed they are drawn with; the first ones without one. A
        // limit that was `said` stays.
        fn drawn(
            self,
            said: Option<usize>,
            limit: Option<usize>,
            size: Option<Size>,
        ) -> (Option<usize>, Option<u64>) {
            let few = |most: usize| limit.is_some_and(|limit| limit <= most || said.is_some());
            match self.sample {
                Some(Sample { seed, most }) => {
                    let most = most[usize::from(size.is_some_and(|size| large(size.h, size.w)))];
                    if few(most) { (limit, None) } else { (Some(most), Some(seed)) }
                }
                None => (limit, None),
            }
        }

        // Fewer of large images, where their size was not known before.
        fn fewer(self, set: ImageSet, args: &ShownArgs) -> ImageSet {
            let [_, h, w] = set.shape();
            match self.sample {
                Some(Sample { most: [_, most], .. }) if args.data.limit.is_none() && large(h, w) => {
                    set.thinned(most)
                }
                _ => set,
            }
        }
    }

    // Outputs of the last matrix of a file.
    fn head(dict: &StateDict) -> Option<usize> {
        dict.iter().rev().find_map(|t| if let [rows, _] = t.shape() { Some(*rows) } else { None })
    }

    impl Run {
        /// The weights it began with; None where they cannot be had again.
        pub fn initial(&self) -> Result<Option<StateDict>> {
            if let Some(path) = &self.config.init.weights {
                let from = || Ok::<_, anyhow::Error>(read(path, &Pick::default())?.0.dict);
                return if path.exists() { from().map(Some) } else { Ok(None) };
            }
            let data = Manifest::read(&self.dir.manifest())?.data;
            let architecture = self.config.architecture(data.shape, data.classes.len());
            let init = self.config.init();
            let (kind, device) = (Kind::Float, Device::Cpu);
            Ok(Some(Deep::new(architecture, init, self.config.run.seed, kind, device)?.state_dict()?))
        }
    }
}

#[cfg(feature = "torch")]
pub use loading::{Loaded, Sample, Which};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_timm_calls_a_network() {
        for said in ["resnet50", "tv_resnet50", "resnet50.a1_in1k", "gluon_resnet50_v1b"] {
            assert!(is_called(said, ModelKind::Resnet50), "{said}");
        }
        assert!(is_called("wide_resnet50_2.racm_in1k", ModelKind::WideResnet50_2));
        assert!(is_called("vit_base_patch16_224.augreg2_in21k_ft_in1k", ModelKind::VitB_16));
        assert!(is_called("deit_base_patch16_384", ModelKind::VitB_16));
        assert!(is_called("vit_huge_patch14_224", ModelKind::VitH_14));
        for said in [
            "vit_base_patch32_224",
            "vit_base_patch16_clip_quickgelu_224",
            "vit_base_patch16_rpn_224",
            "vit_small_patch16_224",
            "vit_base_patch16",
            "deit3_base_patch16_224",
        ] {
            assert!(!is_called(said, ModelKind::VitB_16), "{said}");
        }
        for said in ["resnetaa50", "resnetblur50.bt_in1k", "resnet50d", "resnet501", "", "seresnet50"] {
            assert!(!is_called(said, ModelKind::Resnet50), "{said}");
        }
    }

    #[test]
    fn twins_are_told_apart_by_what_is_said_of_them() {
        let guess = Guess {
            kind: ModelKind::Resnet50,
            classes: 1000,
            channels: 3,
            stem: Some(crate::blueprint::Stem::Imagenet),
            shortcut: None,
            norm: true,
            side: None,
        };
        let kind = |said: &str| called(said, guess.clone()).map(|guess| guess.kind);
        assert_eq!(kind("resnet50.a1_in1k"), Ok(ModelKind::Resnet50));
        assert_eq!(kind("resnetaa50.a1h_in1k"), Ok(ModelKind::Resnetaa50));
        assert_eq!(kind("resnetblur50"), Ok(ModelKind::Resnetblur50));
        let other = kind("resnetaa101").unwrap_err();
        assert!(other.contains("says resnetaa101") && other.contains("--model resnet50"), "{other}");
        // Only a network with the same tensors can be meant.
        let guess = Guess { kind: ModelKind::Resnet34, ..guess };
        assert!(called("resnetaa50", guess).is_err());
    }

    #[test]
    fn configs_are_read_where_they_name_an_architecture() {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("model.safetensors");
        assert_eq!(said_beside(&file), None);
        for (text, said) in [
            (r#"{"architecture": "resnetaa50", "num_classes": 1000}"#, Some("resnetaa50")),
            (r#"{"architectures": ["ResNetForImageClassification"]}"#, None),
            (r#"{"architecture": 5}"#, None),
            ("not JSON", None),
        ] {
            std::fs::write(tmp.path().join("config.json"), text).unwrap();
            assert_eq!(said_beside(&file).as_deref(), said);
            assert_eq!(said_beside(tmp.path()).as_deref(), said);
        }
    }
}
