//! The configuration of a run: every key, its default and its checks.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::blueprint::Architecture;
use crate::blueprint::guess::Guess;
use crate::data::{AxisOrder, Exif, Interpolation, Normalize, Options, Spec};
use crate::error::{Error, Result, nearest};
use crate::theory::linear::{Layout, Padding};

mod deep;
mod resolved;

pub use crate::blueprint::{Kernel, ModelKind, Shortcut, Size, Stem};
pub use deep::{
    AugmentConfig, CheckpointConfig, EvalConfig, LossKind, OptimConfig, OptimKind, ProbeConfig, ScheduleKind,
    When,
};
pub use resolved::{DeepConfig, DeepTrain, Init, Length, LinearConfig, LinearTrain};

/// Everything that decides a run's result, and the device it is computed on, with the
/// sections `[init]` and `[train]` as the user says them ([`RunConfig`]) or with their
/// defaults ([`LinearConfig`], [`DeepConfig`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config<I, T> {
    /// The data set and its preparation.
    pub data: DataConfig,
    /// The network.
    pub model: ModelConfig,
    /// Its initial weights.
    pub init: I,
    /// Gradient descent.
    pub train: T,
    /// What is measured of a linear network, and when.
    pub measure: MeasureConfig,
    /// How a deep network descends.
    pub optim: OptimConfig,
    /// What is done to its training images at random.
    pub augment: AugmentConfig,
    /// Images not trained on.
    pub eval: EvalConfig,
    /// When a deep network is looked into.
    pub probe: ProbeConfig,
    /// What a killed run of a deep network goes on from.
    pub checkpoint: CheckpointConfig,
    /// Seed, device, precision.
    pub run: MachineConfig,
}

/// What was said: keys that depend on others have no default yet.
pub type RunConfig = Config<InitConfig, TrainConfig>;

/// `[data]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Source, as `--data` takes it.
    pub spec: Spec,
    /// Part of a set stored in parts.
    pub split: String,
    /// At most this many samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// At most this many samples of each class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_per_class: Option<usize>,
    /// Mean of the channels.
    pub grey: bool,
    /// Resize to this size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Resize to this shorter side, and cut `size` out of the middle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shorter: Option<usize>,
    /// How images are resized.
    pub interpolation: Interpolation,
    /// What is done with photos whose camera was turned.
    pub exif: Exif,
    /// The order of axes of arrays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<AxisOrder>,
    /// What the numbers of arrays are divided by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divide_by: Option<f64>,
    /// Column, array or file of the labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Classes kept, all where empty.
    pub classes: Vec<String>,
    /// What x is divided by; without it the source's own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalize: Option<Normalize>,
    /// Whether x and y are centred; without it the source's own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub center: Option<bool>,
    /// Leave out images that do not decode.
    pub skip_bad: bool,
    /// Seed of generated data.
    pub seed: u64,
}

impl Default for DataConfig {
    fn default() -> Self {
        let o = Options::default();
        Self {
            spec: "cosines".parse().expect("a source that needs no path"),
            split: o.split,
            limit: None,
            limit_per_class: None,
            grey: false,
            size: None,
            shorter: None,
            interpolation: o.interpolation,
            exif: o.exif,
            layout: None,
            divide_by: None,
            labels: None,
            classes: Vec::new(),
            normalize: None,
            center: None,
            skip_bad: false,
            seed: o.seed,
        }
    }
}

impl DataConfig {
    /// The loader's options.
    pub fn options(&self) -> Options {
        Options {
            split: self.split.clone(),
            limit: self.limit,
            sample: None,
            limit_per_class: self.limit_per_class,
            grey: self.grey,
            size: self.size.map(|s| (s.h, s.w)),
            shorter: self.shorter,
            interpolation: self.interpolation,
            exif: self.exif,
            layout: self.layout,
            divide_by: self.divide_by,
            labels_at: self.labels.clone(),
            reduce: None,
            classes: self.classes.clone(),
            skip_bad: self.skip_bad,
            labels: true,
            seed: self.seed,
        }
    }

    /// What x is divided by. Images are centred and divided by one standard deviation;
    /// `cosines` and `spread` are left as they are, since only uncentred are their
    /// classes their modes.
    pub fn normalize(&self) -> Normalize {
        let usual = if self.spec.kind().classes_are_modes { Normalize::None } else { Normalize::Global };
        self.normalize.unwrap_or(usual)
    }

    /// Whether x and y are centred.
    pub fn center(&self) -> bool {
        self.center.unwrap_or(!self.spec.kind().classes_are_modes)
    }
}

/// `[model]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Which network.
    pub kind: ModelKind,
    /// Hidden units of the FCNN.
    pub hidden: usize,
    /// Kernels M of each layer of the LCNN and the CNN.
    pub channels: usize,
    /// Convolution layers L of the LCNN and the CNN, 1 to 16. The more layers, the
    /// longer small initial weights stay small: `init.scale` has to grow with them.
    pub layers: usize,
    /// Kernel size of the LCNN and the CNN, in every layer: `full`, `5` or `5x3`.
    pub kernel: Kernel,
    /// What kernels meet beyond the edges: `circular`, the other side of the image;
    /// `zero`, zeros. Without it circular for the LCNN, zeros for all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<Padding>,
    /// Whether a deep network has nonlinearities: without, ReLU is left out, and
    /// max pooling is average pooling.
    pub nonlinear: bool,
    /// Whether a deep network has batch norm after its convolutions.
    pub norm: bool,
    /// Shortcuts of CIFAR ResNets where the size changes.
    pub shortcut: Shortcut,
    /// First layers of ResNets 18 to 152, wide ones and ResNeXts; without it `cifar`
    /// for images below 64 pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stem: Option<Stem>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            kind: ModelKind::Lcnn,
            hidden: 64,
            channels: 1,
            layers: 1,
            kernel: Kernel::Full,
            padding: None,
            nonlinear: true,
            norm: true,
            shortcut: Shortcut::A,
            stem: None,
        }
    }
}

impl ModelConfig {
    /// Takes what a file of weights says.
    pub fn adopt(&mut self, guess: &Guess) {
        self.kind = guess.kind;
        self.norm = guess.norm;
        self.stem = guess.stem;
        self.shortcut = guess.shortcut.unwrap_or(self.shortcut);
    }

    /// What kernels meet beyond the edges.
    pub fn padding(&self) -> Padding {
        let usual = if self.kind == ModelKind::Lcnn { Padding::Circular } else { Padding::Zero };
        self.padding.unwrap_or(usual)
    }
}

// More are of no use here, and each adds M² kernels.
const MOST_LAYERS: usize = 16;

/// `[init]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InitConfig {
    /// How weights begin; `gaussian` for linear networks without it, `pytorch` for
    /// deep ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<InitKind>,
    /// Weights of a deep network to begin with: a file with its names, as [`crate::weights::open`] reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Standard deviation ε of every weight (`gaussian`).
    pub scale: f64,
    /// a_α(0)/s_α (`matched`).
    pub start: f64,
}

impl Default for InitConfig {
    fn default() -> Self {
        Self { kind: None, weights: None, scale: 1e-3, start: 1e-3 }
    }
}

/// Kinds of initial weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum InitKind {
    /// Independent normal weights.
    Gaussian,
    /// Balanced and aligned with the modes: the start the closed form assumes.
    Matched,
    /// Uniform within ±1/√fan_in, as PyTorch's layers begin.
    Pytorch,
    /// Convolutions normal with variance 2/fan_out, their biases zero, as torchvision's
    /// ResNets and VGGs begin; dense layers as with `pytorch`.
    Kaiming,
}

/// `[train]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Where gradients of a linear network come from.
    pub space: SpaceKind,
    /// Number of updates; 2,000 for linear networks without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Number of passes over the data, of deep networks; 10 without it and steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<f64>,
    /// Step size η. Without it, for linear networks 1/(200 max g s), 2 g s being a
    /// mode's rate in a network of one hidden layer, or a tenth of the largest
    /// stable step at the start where weights are large; for deep networks 0.1
    /// (`sgd`) or 0.001 (`adamw`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<f64>,
    /// Momentum μ in [0, 1); without it 0 for linear networks, 0.9 for deep ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// Samples per update; without it all for linear networks, 128 for deep ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self { space: SpaceKind::Moment, steps: None, epochs: None, eta: None, momentum: None, batch: None }
    }
}

/// The two equivalent ways to train a linear network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SpaceKind {
    /// From second moments: the cost of a step does not depend on the number of samples.
    Moment,
    /// From samples, through the layers.
    Sample,
}

/// `[measure]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeasureConfig {
    /// A row of metrics every so many updates.
    pub every: u64,
    /// Number of times the spectra are taken, evenly over the run; they are also
    /// taken where a mode has reached half its strength.
    pub snapshots: u64,
    /// Theories whose predictions stand beside the measurement.
    pub theory: Vec<TheoryKind>,
}

impl Default for MeasureConfig {
    fn default() -> Self {
        Self { every: 1, snapshots: 50, theory: vec![TheoryKind::Auto] }
    }
}

impl TheoryKind {
    /// As it stands in configurations and in the columns of metrics.
    pub fn name(self) -> &'static str {
        match self {
            TheoryKind::Auto => "auto",
            TheoryKind::None => "none",
            TheoryKind::Closed => "closed",
            TheoryKind::Mode => "mode",
            TheoryKind::Stationary => "stationary",
            TheoryKind::Flow => "flow",
            TheoryKind::Reader => "reader",
            TheoryKind::Kernel => "kernel",
        }
    }

    /// Whether it is of linear networks or of deep ones; None for both.
    fn is_of_linear(self) -> Option<bool> {
        match self {
            TheoryKind::Auto | TheoryKind::None => None,
            TheoryKind::Closed | TheoryKind::Mode | TheoryKind::Stationary | TheoryKind::Flow => Some(true),
            TheoryKind::Reader | TheoryKind::Kernel => Some(false),
        }
    }
}

/// What is computed before training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TheoryKind {
    /// The simplest whose assumptions hold.
    Auto,
    /// Nothing.
    None,
    /// Logistic curves, from a matched start.
    Closed,
    /// Each mode alone, from the actual weights.
    Mode,
    /// Each frequency alone, from the actual weights.
    Stationary,
    /// The gradient flow, integrated.
    Flow,
    /// Scores of readers, of deep networks: the order alone.
    Reader,
    /// The flow of the tangent kernel, of deep networks: the order and ratios of times.
    Kernel,
}

/// `[run]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MachineConfig {
    /// Seed of the weights and of the order of minibatches.
    pub seed: u64,
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// Precision of weights and moments.
    pub dtype: Dtype,
    /// Threads, 0 for as many as were given.
    pub threads: usize,
    /// Store images with their channels innermost (deep networks): faster.
    pub channels_last: bool,
    /// Let CUDA multiply in TF32: faster, 10 bits of mantissa.
    pub tf32: bool,
    /// Let CUDA take only ways that give the same bits each time; otherwise the fastest.
    pub deterministic: bool,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            device: "auto".to_owned(),
            dtype: Dtype::F32,
            threads: 0,
            channels_last: true,
            tf32: false,
            deterministic: true,
        }
    }
}

/// The largest number of single precision; libtorch's wrapper panics at larger ones.
const MOST: f64 = f32::MAX as f64;

fn positive(key: &str, v: f64) -> Result<()> {
    if v > 0.0 && v <= MOST { Ok(()) } else { Err(Error::input(key, "a positive number up to 3e38", v)) }
}

/// Floating-point precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Single.
    F32,
    /// Double.
    F64,
    /// Weights in single precision, convolutions and matrix products of deep
    /// networks in bfloat16.
    Bf16,
}

impl RunConfig {
    /// [`RunConfig::read`] of the file that is named, the defaults where none is.
    ///
    /// # Errors
    /// As [`RunConfig::read`].
    pub fn read_or_default(path: Option<&Path>) -> Result<Self> {
        path.map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// Reads a configuration file; keys that it does not give have their defaults.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] with line and column for an unknown
    /// key (and the nearest known one), a wrong type or a value out of range.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// [`RunConfig::read`] of a text; `place` names it in errors.
    ///
    /// # Errors
    /// As [`RunConfig::read`].
    pub fn parse(text: &str, place: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| explain(&e, text, place))
    }

    /// Sets a key, as `--set` says it: `optim.clip=1.0`. What is no TOML value is a string.
    /// Of `train.steps` and `train.epochs` the one that was set last counts.
    /// ```
    /// let mut config = domfreq::run::RunConfig::parse("[model]\nkind = \"resnet8\"", "here")?;
    /// config.set("train.epochs=3.0")?;
    /// // Checked, and with all defaults.
    /// assert_eq!(config.deep()?.train.batch, 128);
    /// # Ok::<(), domfreq::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`RunConfig::parse`], and without an equals sign.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let Some((path, text)) = assignment.split_once('=') else {
            let expected = "key=value, such as optim.clip=1.0";
            return Err(Error::input("--set", expected, format_args!("`{assignment}`")));
        };
        let (path, text) = (path.trim(), text.trim());
        let value = text.parse().unwrap_or_else(|_| toml::Value::String(text.to_owned()));
        let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mut whole = toml::Table::try_from(&*self).expect("every field has a TOML form");
        let mut table = &mut whole;
        for name in parents.split('.').filter(|name| !name.is_empty()) {
            let entry = table.entry(name).or_insert_with(|| toml::Table::new().into());
            if !entry.is_table() {
                *entry = toml::Table::new().into();
            }
            table = entry.as_table_mut().expect("made one just now");
        }
        // What was said last of how long to train counts.
        match path {
            "train.steps" => table.remove("epochs"),
            "train.epochs" => table.remove("steps"),
            _ => None,
        };
        table.insert(key.to_owned(), value);
        *self = whole.try_into().map_err(|e| explain(&e, "", &format!("--set {path}")))?;
        Ok(())
    }

    /// Checks values that types cannot.
    ///
    /// # Errors
    /// [`Error::Input`] naming the key.
    pub fn check(&self) -> Result<()> {
        let at_least_one = |key: &str, v: u64| {
            if v >= 1 { Ok(()) } else { Err(Error::input(key, "at least 1", v)) }
        };
        // Beyond, products of weights leave the range of double precision.
        if !(1e-100..=1e3).contains(&self.init.scale) {
            return Err(Error::input("init.scale", "1e-100 to 1e3", self.init.scale));
        }
        if !(self.init.start > 0.0 && self.init.start < 1.0) {
            return Err(Error::input("init.start", "a share of s between 0 and 1", self.init.start));
        }
        if let Some(eta) = self.train.eta {
            positive("train.eta", eta)?;
        }
        let theory = &self.measure.theory;
        if theory.is_empty() || (theory.contains(&TheoryKind::None) && theory.len() > 1) {
            let found = if theory.is_empty() { "an empty list" } else { "`none` with others" };
            return Err(Error::input("measure.theory", "`none` alone, or theories", found));
        }
        if let Some(momentum) = self.train.momentum.filter(|m| !(0.0..1.0).contains(m)) {
            return Err(Error::input("train.momentum", "0 <= momentum < 1", momentum));
        }
        self.train.steps.map_or(Ok(()), |steps| at_least_one("train.steps", steps))?;
        self.train.epochs.map_or(Ok(()), |epochs| positive("train.epochs", epochs))?;
        at_least_one("measure.every", self.measure.every)?;
        at_least_one("model.hidden", self.model.hidden as u64)?;
        at_least_one("model.channels", self.model.channels as u64)?;
        if !(1..=MOST_LAYERS).contains(&self.model.layers) {
            return Err(Error::input("model.layers", format!("1 to {MOST_LAYERS}"), self.model.layers));
        }
        self.train.batch.map_or(Ok(()), |b| at_least_one("train.batch", b as u64))?;
        deep::check(&self.optim, &self.augment, &self.eval, &self.probe, &self.checkpoint)?;
        self.check_family()
    }

    // Keys of the other family of networks would be passed over in silence.
    fn check_family(&self) -> Result<()> {
        let default = Self::default();
        let kind = self.model.kind;
        let only = |key: &str, for_linear: bool, differs: bool| {
            if differs && kind.is_linear() != for_linear {
                let expected = if for_linear { "a linear network (fcnn, lcnn)" } else { "a deep network" };
                return Err(Error::input(key, format!("{expected}: only it has this key"), kind));
            }
            Ok(())
        };
        only("[optim]", false, self.optim != default.optim)?;
        only("[augment]", false, self.augment != default.augment)?;
        only("[eval]", false, self.eval != default.eval)?;
        only("[probe]", false, self.probe != default.probe)?;
        only("[checkpoint]", false, self.checkpoint != default.checkpoint)?;
        only("train.epochs", false, self.train.epochs.is_some())?;
        only("init.weights", false, self.init.weights.is_some())?;
        only("model.nonlinear", false, !self.model.nonlinear)?;
        only("model.norm", false, !self.model.norm)?;
        only("run.dtype", false, self.run.dtype == Dtype::Bf16)?;
        let spaced = |m: &MeasureConfig| (m.every, m.snapshots);
        only("[measure]", true, spaced(&self.measure) != spaced(&default.measure))?;
        let foreign = |t: &&TheoryKind| t.is_of_linear().is_some_and(|linear| linear != kind.is_linear());
        if let Some(theory) = self.measure.theory.iter().find(foreign) {
            let expected = match kind.is_linear() {
                true => "theories of linear networks: closed, mode, stationary, flow",
                false => "forecasts of deep networks: reader, kernel",
            };
            return Err(Error::input("measure.theory", expected, format!("`{}` for {kind}", theory.name())));
        }
        if self.model.stem.is_some() && !kind.has_stem() {
            let expected = "a ResNet for ImageNet, a wide one or a ResNeXt: only they have this key";
            return Err(Error::input("model.stem", expected, kind));
        }
        if self.model.shortcut != default.model.shortcut && !kind.has_shortcut() {
            let expected = "a ResNet for CIFAR: only they have this key";
            return Err(Error::input("model.shortcut", expected, kind));
        }
        if self.train.epochs.is_some() && self.train.steps.is_some() {
            return Err(Error::input("train.epochs", "either epochs or steps", "both"));
        }
        match self.init.kind {
            Some(InitKind::Gaussian | InitKind::Matched) => only("init.kind", true, true),
            Some(InitKind::Pytorch | InitKind::Kaiming) => only("init.kind", false, true),
            None => Ok(()),
        }
    }
}

impl<I, T> Config<I, T> {
    /// The architecture of the deep network for images of `shape` `[c, h, w]` in
    /// `outputs` classes.
    pub fn architecture(&self, shape: [usize; 3], outputs: usize) -> Architecture {
        let [_, h, w] = shape;
        let model = &self.model;
        let usual = Architecture::usual(model.kind, shape, outputs);
        Architecture {
            nonlinear: model.nonlinear,
            norm: model.norm,
            padding: model.padding(),
            shortcut: model.shortcut,
            stem: model.stem.unwrap_or(usual.stem),
            plain: (model.channels, model.layers, model.kernel.size((h, w))),
            channels_last: self.run.channels_last,
            ..usual
        }
    }

    /// The architecture of the linear network for images of `shape` `[c, h, w]`.
    /// Whether its kernels fit into them is for
    /// [`crate::theory::linear::Start::weights`] to say.
    ///
    /// # Errors
    /// [`Error::Input`] for a network that is not linear.
    pub fn layout(&self, [_, h, w]: [usize; 3]) -> Result<Layout> {
        let ModelConfig { kind, hidden, channels, layers, kernel, .. } = self.model;
        match kind {
            ModelKind::Fcnn => Ok(Layout::Fcnn { hidden }),
            ModelKind::Lcnn => {
                let (size, padding) = (kernel.size((h, w)), self.model.padding());
                Ok(Layout::Lcnn { channels, layers, size, padding })
            }
            deep => Err(resolved::not_linear(deep)),
        }
    }
}

// One line: where, what was expected, what was found, and the nearest known key.
pub(crate) fn explain(error: &toml::de::Error, text: &str, place: &str) -> Error {
    let mut at = place.to_owned();
    if let Some(span) = error.span() {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        at = format!("{place}, line {line}, column {column}");
    }
    let message = error.message();
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((key, known)) = rest.split_once('`')
    {
        let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
        let nearest = nearest(known.iter().copied(), key).map_or("", |(name, _)| name);
        let expected = format!("one of {} (nearest: `{nearest}`)", known.join(", "));
        return Error::input(at, expected, format_args!("the unknown key `{key}`"));
    }
    // What our own types say of a text.
    if let Some((_, rest)) = message.split_once(": expected ")
        && let Some((expected, found)) = rest.rsplit_once(", found ")
    {
        return Error::input(at, expected, found);
    }
    match message.rsplit_once(", expected ") {
        Some((found, expected)) => Error::input(at, expected, found),
        None => Error::input(at, "valid TOML", message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        RunConfig::parse(text, "x.toml").unwrap_err().to_string()
    }

    #[test]
    fn round_trips_and_defaults() {
        let default = RunConfig::parse("", "x").unwrap();
        assert_eq!(default, RunConfig::default());
        let text = "[data]\nspec = \"idx:a\"\nsize = \"24x32\"\nlimit = 7\nnormalize = \"channel\"\n\
                    [model]\nkind = \"fcnn\"\nkernel = 5\n[train]\neta = 1e-3\n[run]\ndtype = \"f64\"\n";
        let config = RunConfig::parse(text, "x").unwrap();
        assert_eq!(config.data.size, Some(Size { h: 24, w: 32 }));
        assert_eq!(config.model.kernel.size((9, 9)), (5, 5));
        assert_eq!(RunConfig::parse(&config.to_toml(), "x").unwrap(), config);
        assert_eq!(
            RunConfig::parse("[data]\nsize = 32", "x").unwrap().data.size,
            Some(Size { h: 32, w: 32 })
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place_and_the_nearest_known() {
        let text = message("[train]\nsteps = 5\netaa = 0.1\n");
        assert!(text.contains("x.toml, line 3, column 1"), "{text}");
        assert!(text.contains("`etaa`") && text.contains("nearest: `eta`"), "{text}");
        assert!(message("[trian]\n").contains("nearest: `train`"));
    }

    #[test]
    fn a_wrong_type_has_line_and_column() {
        let text = message("[train]\n  steps = \"many\"\n");
        assert!(text.contains("line 2, column 11") && text.contains("u64"), "{text}");
        assert!(message("[model]\nkind = \"rnn\"").contains("fcnn"));
        assert!(message("[data]\nsize = \"12y3\"").contains("HxW"));
        assert!(message("[train\n").contains("line 1"));
        assert!(message("[train]\nsteps = -1").contains("line 2"));
    }

    // Every key there is, with a value other than its default.
    const ALL: &str = r#"
        data.spec=leaves:size=8 data.split=test data.limit=3 data.limit_per_class=4 data.grey=true
        data.size=24x32 data.shorter=40 data.interpolation=bicubic data.classes=["a","b"] data.normalize=channel data.center=false
        data.exif=ignore data.layout=nhwc data.divide_by=255 data.labels=kind
        data.skip_bad=true data.seed=5 model.kind=resnet20 model.hidden=6 model.channels=7 model.layers=2
        model.kernel=5x3 model.padding=zero model.nonlinear=false model.norm=false model.shortcut=b
        model.stem=cifar init.kind=kaiming init.weights=/a/b.pt init.scale=0.5 init.start=0.25
        train.space=sample train.steps=8 train.epochs=9 train.eta=0.125 train.momentum=0.75 train.batch=10
        measure.every=11 measure.snapshots=12 measure.theory=["flow"] optim.kind=adamw optim.loss=mse
        optim.smoothing=0.1 optim.nesterov=true optim.weight_decay=0 optim.decay_all=false
        optim.betas=[0.5,0.6] optim.epsilon=1e-6 optim.clip=1.0 optim.ema=0.9 optim.accumulate=2
        optim.schedule=step optim.warmup=1 optim.milestones=[1,2.5] optim.gamma=0.5 augment.crop=4
        augment.flip=true eval.split=test eval.beside=["validation"] eval.limit=13 eval.every=2 eval.patience=3 probe.when=log
        probe.count=14 probe.every=0.5 probe.samples=15 probe.jacobians=0 checkpoint.every=4
        checkpoint.keep=5 checkpoint.best=false run.seed=16 run.device=cpu run.dtype=bf16 run.threads=2
        run.channels_last=false run.tf32=true run.deterministic=false"#;

    fn assigned(assignment: &str) -> Result<RunConfig> {
        let mut config = RunConfig::default();
        config.set(assignment).map(|()| config)
    }

    #[test]
    fn every_key_can_be_set() {
        let mut all = RunConfig::default();
        for assignment in ALL.split_whitespace() {
            let one = assigned(assignment).unwrap();
            assert_ne!(one, RunConfig::default(), "{assignment}");
            assert_eq!(RunConfig::parse(&one.to_toml(), "x").unwrap(), one);
            all.set(assignment).unwrap();
            let (key, value) = assignment.split_once('=').unwrap();
            let (section, key) = key.split_once('.').unwrap();
            let written: toml::Table = all.to_toml().parse().unwrap();
            let written = written[section][key].to_string().replace([' ', '"'], "");
            let same = written == value.replace('"', "") || written.parse::<f64>() == value.parse::<f64>();
            assert!(same || key == "milestones", "{assignment} became {written}");
        }
        // The last of these two took the other one away.
        (all.train.steps, all.train.epochs) = (Some(3), Some(3.0));
        // A file of all its keys has as many lines, and each section knows no others.
        let table: toml::Table = all.to_toml().parse().unwrap();
        assert_eq!(table.len(), 11);
        for (section, keys) in &table {
            let text = assigned(&format!("{section}.=1")).unwrap_err().to_string();
            let known = text.split_once("expected one of ").unwrap().1.split_once(" (nearest").unwrap().0;
            let known: std::collections::BTreeSet<_> = known.split(", ").collect();
            assert_eq!(known, keys.as_table().unwrap().keys().map(String::as_str).collect(), "{section}");
        }
    }

    #[test]
    fn what_was_set_last_of_how_long_to_train_counts() {
        let mut config = RunConfig::parse("[train]\nepochs = 3.0\n", "x").unwrap();
        config.set("train.steps=7").unwrap();
        assert_eq!((config.train.steps, config.train.epochs), (Some(7), None));
        config.set("train.epochs=2.0").unwrap();
        assert_eq!((config.train.steps, config.train.epochs), (None, Some(2.0)));
    }

    #[test]
    fn what_cannot_be_set_is_said_as_of_a_file() {
        let text = |assignment: &str| assigned(assignment).unwrap_err().to_string();
        for assignment in ALL.split_whitespace() {
            let (key, value) = assignment.split_once('=').unwrap();
            let misspelt = text(&format!("{key}z={value}"));
            let name = key.split_once('.').unwrap().1;
            assert!(misspelt.starts_with(&format!("--set {key}z: expected one of ")), "{misspelt}");
            assert!(misspelt.contains(&format!("(nearest: `{name}`), found the unknown key `{name}z`")));
            let wrong = text(&format!("{key}={{a = 1}}"));
            assert!(wrong.starts_with(&format!("--set {key}: expected ")), "{wrong}");
            assert!(wrong.contains("found"), "{wrong}");
        }
        assert_eq!(
            text("optim.clip"),
            "--set: expected key=value, such as optim.clip=1.0, found `optim.clip`"
        );
        assert!(text("trian.eta=1").contains("nearest: `train`"));
        assert!(text("optim.clip=much").contains("expected f64, found invalid type: string \"much\""));
        assert!(text("data.spec=cosine").ends_with("found 'cosine' (did you mean cosines?)"));
        assert!(text("train=1").starts_with("--set train: expected"));
        assert!(text("optim.clip.most=1").starts_with("--set optim.clip.most: expected f64"));
    }

    #[test]
    fn values_out_of_range_name_their_key() {
        let check = |text: &str| RunConfig::parse(text, "x").unwrap().check().unwrap_err().to_string();
        assert!(check("[train]\neta = -1.0").starts_with("train.eta"));
        assert!(check("[train]\nmomentum = 1.0").starts_with("train.momentum"));
        assert!(check("[train]\nsteps = 0").starts_with("train.steps"));
        assert!(check("[train]\nbatch = 0").starts_with("train.batch"));
        assert!(check("[init]\nstart = 1.0").starts_with("init.start"));
        assert!(check("[init]\nscale = nan").starts_with("init.scale"));
        assert!(check("[measure]\nevery = 0").starts_with("measure.every"));
        let deep = |text: &str| check(&format!("{text}\n[model]\nkind = \"resnet20\""));
        for (text, key) in [
            ("[optim]\nsmoothing = 1.0", "optim.smoothing"),
            ("[optim]\nsmoothing = 0.1\nloss = \"mse\"", "optim.smoothing"),
            ("[optim]\nbetas = [0.9, 1.0]", "optim.betas"),
            ("[optim]\nclip = 0.0", "optim.clip"),
            ("[optim]\naccumulate = 0", "optim.accumulate"),
            ("[optim]\nmilestones = [3.0, 2.0]", "optim.milestones"),
            ("[augment]\ncrop = 65", "augment.crop"),
            ("[eval]\npatience = 3", "eval.patience"),
            ("[eval]\nlimit = 0", "eval.limit"),
            ("[eval]\nbeside = [\"a\"]", "eval.beside"),
            ("[eval]\nsplit = \"a\"\nbeside = [\"a\"]", "eval.beside"),
            ("[eval]\nsplit = \"a\"\nbeside = [\"../b\"]", "eval.beside"),
            ("[probe]\ncount = 0", "probe.count"),
            ("[checkpoint]\nkeep = 0", "checkpoint.keep"),
            ("[train]\nepochs = 1.0\nsteps = 3", "train.epochs"),
        ] {
            assert!(deep(text).starts_with(key), "{}", deep(text));
        }
        for layers in [0, 17] {
            let text = check(&format!("[model]\nlayers = {layers}"));
            assert!(text.starts_with("model.layers") && text.contains("1 to 16"), "{text}");
        }
        assert!(message("[model]\npadding = \"mirror\"").contains("`circular` or `zero`"));
        assert!(RunConfig::default().check().is_ok());
    }

    #[test]
    fn keys_of_the_other_family_are_refused() {
        let check = |text: &str| RunConfig::parse(text, "x").unwrap().check().unwrap_err().to_string();
        for text in [
            "[optim]\nnesterov = true",
            "[augment]\nflip = true",
            "[model]\nnorm = false",
            "[train]\nepochs = 3.0",
            "[run]\ndtype = \"bf16\"",
            "[init]\nkind = \"kaiming\"",
        ] {
            assert!(check(text).contains("a deep network: only it has this key, found lcnn"), "{text}");
        }
        for (key, kind) in [
            ("stem = \"cifar\"", "vgg16"),
            ("stem = \"imagenet\"", "resnet20"),
            ("shortcut = \"b\"", "resnet18"),
        ] {
            let text = check(&format!("[model]\nkind = \"{kind}\"\n{key}"));
            assert!(text.contains("only they have this key") && text.ends_with(kind), "{text}");
        }
        let text = check("[model]\nkind = \"resnet20\"\n[measure]\nevery = 2");
        assert!(text.starts_with("[measure]: expected a linear network"), "{text}");
        for (kind, theory) in [("resnet20", "flow"), ("lcnn", "kernel"), ("fcnn", "reader")] {
            let text =
                check(&format!("[model]\nkind = \"{kind}\"\n[measure]\ntheory = [\"auto\", \"{theory}\"]"));
            assert!(text.ends_with(&format!("found `{theory}` for {kind}")), "{text}");
        }
        assert!(check("[model]\nkind = \"cnn\"\n[init]\nkind = \"matched\"").starts_with("init.kind"));
    }

    #[test]
    fn what_is_not_said_depends_on_the_network() {
        let resolved = |kind: &str| {
            let config = RunConfig::parse(&format!("[model]\nkind = \"{kind}\""), "x").unwrap();
            let text = match config.model.kind.is_linear() {
                true => config.linear().unwrap().to_toml(),
                false => config.deep().unwrap().to_toml(),
            };
            let config = RunConfig::parse(&text, "x").unwrap();
            let again = match config.model.kind.is_linear() {
                true => config.clone().linear().unwrap().said(),
                false => config.clone().deep().unwrap().said(),
            };
            assert_eq!((again.to_toml(), &again), (text, &config));
            (config.train.steps, config.train.epochs, config.train.batch, config.train.momentum)
        };
        assert_eq!(resolved("lcnn"), (Some(2000), None, None, Some(0.0)));
        assert_eq!(resolved("resnet20"), (None, Some(10.0), Some(128), Some(0.9)));
    }

    #[test]
    fn networks_have_one_name_everywhere() {
        use clap::ValueEnum;
        let names: Vec<_> = ModelKind::value_variants().iter().map(ToString::to_string).collect();
        for name in
            ["resnet110", "wide_resnet50_2", "resnext50_32x4d", "vgg16_bn", "squeezenet1_1", "convnext_tiny"]
        {
            assert!(names.iter().any(|n| n == name), "{name} of {names:?}");
        }
        for name in names {
            let config = RunConfig::parse(&format!("[model]\nkind = \"{name}\""), "x").unwrap();
            assert_eq!(config.model.kind.to_string(), name);
            assert!(config.to_toml().contains(&format!("kind = \"{name}\"")));
        }
    }

    #[test]
    fn the_layout_is_that_of_the_keys() {
        let layout = |text: &str| RunConfig::parse(text, "x").unwrap().layout([3, 8, 10]).unwrap();
        let circular = Padding::Circular;
        let lcnn = |channels, layers, size, padding| Layout::Lcnn { channels, layers, size, padding };
        assert_eq!(layout(""), lcnn(1, 1, (8, 10), circular));
        assert_eq!(layout("[model]\nkind = \"fcnn\"\nhidden = 7\nlayers = 3"), Layout::Fcnn { hidden: 7 });
        let text = "[model]\nchannels = 2\nlayers = 3\nkernel = \"5x3\"\npadding = \"zero\"";
        assert_eq!(layout(text), lcnn(2, 3, (5, 3), Padding::Zero));
        let config = RunConfig::parse(text, "x").unwrap();
        assert_eq!(RunConfig::parse(&config.to_toml(), "x").unwrap(), config);
    }

    #[test]
    fn sources_decide_their_preparation_unless_told() {
        let resolve = |spec: &str, center| {
            let config = DataConfig { spec: spec.parse().unwrap(), center, ..DataConfig::default() };
            (config.normalize(), config.center())
        };
        assert_eq!(resolve("cosines", None), (Normalize::None, false));
        assert_eq!(resolve("cosines:noise=1", Some(true)), (Normalize::None, true));
        assert_eq!(resolve("spread:frequencies=1", None), (Normalize::None, false));
        assert_eq!(resolve("leaves", None), (Normalize::Global, true));
    }
}
