//! The command line: flags, and how they change a configuration.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::audit::parts::adcs::Variant;
use crate::audit::parts::heatmap::Shard;
use crate::audit::parts::{Ask, Name, Plan, Quick};
use crate::data::{AxisOrder, Exif, Interpolation, Normalize};
use crate::error::Result;
use crate::progress::say;
use crate::run::RunConfig;
use crate::run::config::{
    DataConfig, Dtype, InitKind, Kernel, LossKind, ModelKind, OptimKind, ScheduleKind, Shortcut, Size,
    SpaceKind, Stem, TheoryKind, When,
};
use crate::theory::linear::Padding;
use crate::weights::Pick;

/// Which frequencies of the images does a network use, when does it discover
/// them, and what could have been known from the data alone?
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Modes of a data set: strengths, concentrations, dominant frequencies
    Inspect(InspectArgs),
    /// Which classes of a data set carry a cue that a network could take instead of their content
    Shortcuts(ShortcutsArgs),
    /// How many planted cues `shortcuts` finds in your images, and how often it is wrong
    Calibrate(CalibrateArgs),
    /// Forecast when each mode will be learned, and with which frequencies, without training
    Predict(Box<PredictArgs>),
    /// Train a network and record the discovery of each mode
    Train(Box<TrainArgs>),
    /// Many runs from one file: plan, run, watch and gather them
    #[command(subcommand)]
    Sweep(SweepCommand),
    /// Loss and accuracy of a deep network on images, from a run or a file of weights
    Evaluate(Box<EvaluateArgs>),
    /// Which frequencies a network lives on, from a file of weights or a run: a report, tables, figures
    Audit(Box<AuditArgs>),
    /// Draw a figure from run directories
    Figure(FigureArgs),
    /// What libtorch, CUDA, threads and SIMD were found here, and what is missing
    Doctor(DoctorArgs),
    /// Whether a device computes what the CPU computes, and how fast
    GpuCheck(GpuCheckArgs),
    /// Completions for a shell, on stdout
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Flags of every command that reads data.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Where images come from: the help is made of the registry of sources.
    #[arg(long, value_name = "SPEC", help = crate::data::spec::help())]
    pub data: Option<String>,
    /// Which part of a set that is stored in parts [default: train]
    #[arg(long)]
    pub split: Option<String>,
    /// At most N samples, the first in stored order
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// At most N samples of each class, the first in stored order
    #[arg(long, value_name = "N")]
    pub limit_per_class: Option<usize>,
    /// Replace the channels by their mean
    #[arg(long)]
    pub grey: bool,
    /// Resize images to N or HxW pixels
    #[arg(long, value_name = "N|HxW")]
    pub size: Option<Size>,
    /// Resize to a shorter side of N pixels and cut --size out of the middle, instead of resizing both
    /// sides; torchvision evaluates its first weights with 256 and --size 224, others with 232 or 236
    #[arg(long, value_name = "N")]
    pub shorter: Option<usize>,
    /// How images are resized [default: bilinear]
    #[arg(long)]
    pub interpolation: Option<Interpolation>,
    /// Photos whose camera was turned (EXIF): turned upright, or left as they are stored [default: apply]
    #[arg(long)]
    pub exif: Option<Exif>,
    /// Order of the axes of arrays with four: nchw (images, channels, rows, columns) or nhwc; or what images that
    /// are rows of numbers hold: HxW, CxHxW (one channel after the other) or HxWxC (pixel by pixel)
    /// [default: as their lengths say]
    #[arg(long, value_name = "ORDER")]
    pub layout: Option<AxisOrder>,
    /// Divide the numbers of arrays by S [default: 255 for bytes, in whole numbers of any type; 65535 for u2; else 1]
    #[arg(long, value_name = "S")]
    pub divide_by: Option<f64>,
    /// Where the labels are: a column (parquet, arrow), a member or key (webdataset), an array (npz), a file (idx,
    /// npz:FILE.npy) [default: by their usual names]
    #[arg(long, value_name = "NAME")]
    pub labels: Option<String>,
    /// Keep these classes only, by name or index, comma-separated (a name may have commas in it)
    #[arg(long, value_delimiter = ',', value_name = "A,B,…", allow_hyphen_values = true)]
    pub classes: Vec<String>,
    /// none, global, channel, imagenet, cifar10 or half (2x − 1) [default: global; none for cosines, spread]
    #[arg(long)]
    pub normalize: Option<Normalize>,
    /// Subtract the mean of x (per pixel) and of y [default: true; false for cosines, spread]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub center: Option<bool>,
    /// Leave out images that do not decode, and count them, instead of stopping
    #[arg(long)]
    pub skip_bad: bool,
    /// Seed of generated data [default: 0]
    #[arg(long, value_name = "SEED")]
    pub data_seed: Option<u64>,
}

impl DataArgs {
    /// Whether images are chosen or prepared otherwise than by `--split`, `--limit` and
    /// `--normalize`.
    pub fn selects(&self) -> bool {
        self.grey
            || self.skip_bad
            || self.size.is_some()
            || self.shorter.is_some()
            || self.interpolation.is_some()
            || self.exif.is_some()
            || self.layout.is_some()
            || self.divide_by.is_some()
            || self.labels.is_some()
            || self.center.is_some()
            || self.data_seed.is_some()
            || self.limit_per_class.is_some()
            || !self.classes.is_empty()
    }

    /// Puts what was said on the command line over `config`.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for an unknown source.
    pub fn apply(&self, config: &mut DataConfig) -> Result<()> {
        if let Some(text) = &self.data {
            config.spec = match text.parse() {
                Ok(spec) => spec,
                Err(unknown) => {
                    let spec = crate::data::spec::at(text)?.ok_or(unknown)?;
                    say(format_args!("--data {text} is read as {spec}"));
                    spec
                }
            };
        }
        set(&mut config.split, &self.split);
        set(&mut config.seed, &self.data_seed);
        config.limit = self.limit.or(config.limit);
        config.limit_per_class = self.limit_per_class.or(config.limit_per_class);
        config.size = self.size.or(config.size);
        config.shorter = self.shorter.or(config.shorter);
        set(&mut config.interpolation, &self.interpolation);
        set(&mut config.exif, &self.exif);
        config.layout = self.layout.or(config.layout);
        config.divide_by = self.divide_by.or(config.divide_by);
        if self.labels.is_some() {
            config.labels.clone_from(&self.labels);
        }
        config.normalize = self.normalize.or(config.normalize);
        config.center = self.center.or(config.center);
        config.grey |= self.grey;
        config.skip_bad |= self.skip_bad;
        if !self.classes.is_empty() {
            config.classes.clone_from(&self.classes);
        }
        Ok(())
    }
}

/// `domfreq inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The data set.
    #[command(flatten)]
    pub data: DataArgs,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
    /// Also write pictures of modes and class means with their spectra, inspect.json and spectra.npz
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Threads, 0 for as many as were given (see `doctor`)
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
}

/// `domfreq shortcuts`.
#[derive(Debug, Args)]
pub struct ShortcutsArgs {
    /// The data set.
    #[command(flatten)]
    pub data: DataArgs,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
    /// A test set: which cues and modes are in one of the two only, what tells one from the other,
    /// and copies; of a set that is stored in parts the one called "test"
    #[arg(long, value_name = "SPEC")]
    pub test: Option<String>,
    /// Another part of the test set
    #[arg(long, value_name = "SPLIT", requires = "test")]
    pub test_split: Option<String>,
    /// Also write shortcuts.json, shortcuts.png to look at what was found, and report.html with all of it
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Seed of what is drawn: folds of a fit, groups of images without a class, and the images that
    /// are read where there are very many
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads, 0 for as many as were given (see `doctor`)
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
}

/// `domfreq calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// The data set.
    #[command(flatten)]
    pub data: DataArgs,
    /// Kinds of cues, as `planted:` names them [default: all]
    #[arg(long, value_delimiter = ',', value_name = "A,B,…")]
    pub cues: Vec<String>,
    /// L2 norms of the change of an image, pixels in [0, 1]
    #[arg(long, value_delimiter = ',', value_name = "A,B,…", default_values_t = [0.5, 1.0, 2.0])]
    pub norms: Vec<f64>,
    /// Parts of the class that carry the cue
    #[arg(long, value_delimiter = ',', value_name = "A,B,…", default_values_t = [1.0, 0.3])]
    pub shares: Vec<f64>,
    /// Draws of each kind, norm and part
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub draws: usize,
    /// Subsets in which nothing is planted
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub subsets: usize,
    /// Images of a subset
    #[arg(long, value_name = "N", default_value_t = 4000)]
    pub images: usize,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
    /// Also write calibration.json, and calibration.png with the shares found
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Seed of subsets, classes and cues
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads, 0 for as many as were given (see `doctor`)
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
}

/// Flags of every command that needs a network, trained or not.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Network [default: lcnn]
    #[arg(long)]
    pub model: Option<ModelKind>,
    /// Hidden units of the FCNN [default: 64]
    #[arg(long)]
    pub hidden: Option<usize>,
    /// Kernels M of each layer of the LCNN [default: 1]
    #[arg(long)]
    pub channels: Option<usize>,
    /// Convolution layers of the LCNN, 1 to 16; the more, the larger --scale should be [default: 1]
    #[arg(long)]
    pub layers: Option<usize>,
    /// Kernel size of the LCNN: full, N or HxW [default: full]
    #[arg(long)]
    pub kernel: Option<Kernel>,
    /// What the kernels meet beyond the edges: the other side, or zeros [default: circular]
    #[arg(long)]
    pub padding: Option<Padding>,
    /// Initial weights [default: gaussian]
    #[arg(long)]
    pub init: Option<InitKind>,
    /// Standard deviation of gaussian initial weights [default: 1e-3]
    #[arg(long)]
    pub scale: Option<f64>,
    /// a/s at the start of a matched run [default: 1e-3]
    #[arg(long)]
    pub start: Option<f64>,
    /// Seed of the weights, and of minibatches [default: 0]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Step size η [default: 1/(200 max g s), a hundredth of the fastest mode's time constant;
    /// less where large weights need it]
    #[arg(long)]
    pub eta: Option<f64>,
    /// What to compute beside the measurement: auto (the simplest theory for the
    /// network; notes say how well it holds), none, or some of closed, mode, stationary, flow; of deep
    /// networks reader (what auto is: the order), kernel (the order and ratios of times) [default: auto]
    #[arg(long, value_delimiter = ',', value_name = "A,B,…")]
    pub theory: Vec<TheoryKind>,
}

impl NetworkArgs {
    /// Puts what was said on the command line over `config`.
    pub fn apply(&self, config: &mut RunConfig) {
        set(&mut config.model.kind, &self.model);
        set(&mut config.model.hidden, &self.hidden);
        set(&mut config.model.channels, &self.channels);
        set(&mut config.model.layers, &self.layers);
        set(&mut config.model.kernel, &self.kernel);
        config.model.padding = self.padding.or(config.model.padding);
        config.init.kind = self.init.or(config.init.kind);
        set(&mut config.init.scale, &self.scale);
        set(&mut config.init.start, &self.start);
        set(&mut config.run.seed, &self.seed);
        config.train.eta = self.eta.or(config.train.eta);
        if !self.theory.is_empty() {
            config.measure.theory.clone_from(&self.theory);
        }
    }
}

/// Flags of `domfreq predict`, and of `domfreq train` too.
#[derive(Debug, Args)]
pub struct ExperimentArgs {
    /// Configuration file; --set changes what it says, and other flags change both
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set any key of the configuration, such as optim.clip=1.0, to a TOML value or a bare word;
    /// may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the outcome as one JSON object on stdout
    #[arg(long)]
    pub json: bool,
    /// The data set.
    #[command(flatten)]
    pub data: DataArgs,
    /// The network.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Threads, 0 for as many as were given (see `doctor`) [default: 0]
    #[arg(long, help_heading = "Machine")]
    pub threads: Option<usize>,
}

impl ExperimentArgs {
    /// Puts what was said on the command line over `config`, `--set` first.
    ///
    /// # Errors
    /// As [`RunConfig::set`] and [`DataArgs::apply`].
    pub fn apply(&self, config: &mut RunConfig) -> Result<()> {
        self.set.iter().try_for_each(|assignment| config.set(assignment))?;
        self.data.apply(&mut config.data)?;
        self.network.apply(config);
        set(&mut config.run.threads, &self.threads);
        Ok(())
    }
}

/// `domfreq predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Data, network and theories.
    #[command(flatten)]
    pub experiment: ExperimentArgs,
    /// Also write predict.json and, of a deep network, a picture, predict.png
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `domfreq train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Data, network and what else a forecast needs.
    #[command(flatten)]
    pub experiment: ExperimentArgs,
    /// Run directory [default: runs/<name of the configuration file, or of the model>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace the run that is in the run directory
    #[arg(long)]
    pub force: bool,
    /// Train from moments or from samples [default: moment]
    #[arg(long, help_heading = "Training")]
    pub space: Option<SpaceKind>,
    /// Number of updates [default: 2000]
    #[arg(long, help_heading = "Training")]
    pub steps: Option<u64>,
    /// Momentum [default: 0]
    #[arg(long, help_heading = "Training")]
    pub momentum: Option<f64>,
    /// Samples per update [default: all]
    #[arg(long, help_heading = "Training")]
    pub batch: Option<usize>,
    /// Measure every N updates [default: 1]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub every: Option<u64>,
    /// Number of spectra taken evenly over the run, beside those where a mode is discovered [default: 50]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub snapshots: Option<u64>,
    /// auto, cpu, cuda or cuda:N [default: auto]
    #[arg(long, help_heading = "Machine")]
    pub device: Option<String>,
    /// Precision; bf16 is for deep networks, weights stay in single precision [default: f32]
    #[arg(long, help_heading = "Machine")]
    pub dtype: Option<Dtype>,
    /// What only deep networks have.
    #[command(flatten)]
    pub deep: DeepArgs,
}

/// Switches of deep networks.
#[derive(Clone, Debug, Default, Args)]
pub struct SwitchArgs {
    /// Whether there are nonlinearities [default: true]
    #[arg(long, value_name = "BOOL")]
    pub nonlinear: Option<bool>,
    /// Whether convolutions are followed by batch norm [default: true]
    #[arg(long, value_name = "BOOL")]
    pub norm: Option<bool>,
    /// Shortcuts of CIFAR ResNets where the size changes [default: a]
    #[arg(long)]
    pub shortcut: Option<Shortcut>,
    /// First layers of ResNets 18 to 152, wide ones and ResNeXts [default: cifar for images below 64 pixels]
    #[arg(long)]
    pub stem: Option<Stem>,
}

impl SwitchArgs {
    /// Whether one was said.
    pub fn any(&self) -> bool {
        self.nonlinear.is_some() || self.norm.is_some() || self.shortcut.is_some() || self.stem.is_some()
    }

    /// Puts what was said on the command line over `config`.
    pub fn apply(&self, config: &mut RunConfig) {
        set(&mut config.model.nonlinear, &self.nonlinear);
        set(&mut config.model.norm, &self.norm);
        set(&mut config.model.shortcut, &self.shortcut);
        config.model.stem = self.stem.or(config.model.stem);
    }
}

/// Which tensors of a file of weights.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Weights")]
pub struct PickArgs {
    /// Take the weights under this key of a checkpoint; dots lead deeper, as in checkpoint.model
    /// [default: looked for under the usual ones]
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Take the tensors whose names begin so, such as encoder_q, and take that off; . for all of them, where
    /// a part would be taken
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
}

impl PickArgs {
    /// What of it is read.
    pub fn pick(&self) -> Pick {
        Pick { key: self.key.clone(), prefix: self.prefix.clone() }
    }
}

/// A network that is read, and the images it is shown.
#[derive(Clone, Debug, Args)]
pub struct ShownArgs {
    /// The network that a file's weights are of [default: guessed from names and shapes]
    #[arg(long, alias = "arch")]
    pub model: Option<ModelKind>,
    /// Switches of that network.
    #[command(flatten)]
    pub switches: SwitchArgs,
    /// Which tensors of a file.
    #[command(flatten)]
    pub pick: PickArgs,
    /// The images; for a file normalised by `imagenet` (GoogLeNet and Inception v3: `half`) and from the
    /// split `test`, unless told otherwise.
    #[command(flatten)]
    pub data: DataArgs,
    /// Images as torchvision prescribes for the weights: auto (by the SHA-256 of the file, else as for the
    /// first weights of the network), or the name of an entry (IMAGENET1K_V2)
    #[arg(long, value_name = "auto|ENTRY", help_heading = "Data",
          conflicts_with_all = ["size", "shorter", "interpolation", "normalize", "center", "grey"])]
    pub transform: Option<String>,
    /// Names of the network's outputs, a line for each in their order: images are then of any of these classes
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub outputs: Option<PathBuf>,
}

/// `domfreq sweep`.
#[derive(Debug, Subcommand)]
pub enum SweepCommand {
    /// Resolve every configuration of a sweep file, and number them
    Plan(SweepSaidArgs),
    /// Do the runs that are missing, stopped or killed, several at a time
    Run(SweepRunArgs),
    /// Give the runs that are missing, stopped or killed to SLURM: job arrays, and a job that gathers
    Submit(SweepSubmitArgs),
    /// Write a sweep down for a scheduler other than SLURM: row, HyperQueue, GNU parallel, Kubernetes
    #[command(subcommand)]
    Export(ExportCommand),
    /// What the runs have come to
    Status(SweepSaidArgs),
    /// All summaries as one table, and their means over seeds: CSV and Parquet
    Collect(SweepSaidArgs),
}

/// A sweep.
#[derive(Clone, Debug, Args)]
pub struct SweepArgs {
    /// A sweep file, which is planned first, or the folder of a planned sweep
    #[arg(value_name = "FILE|DIR")]
    pub sweep: PathBuf,
    /// Folder of the sweep [default: sweeps/NAME of the sweep]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What ${NAME} stands for in values of the sweep file, such as data=parquet:PATH; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub var: Vec<String>,
}

/// A sweep, and how it is spoken of.
#[derive(Clone, Debug, Args)]
pub struct SweepSaidArgs {
    /// Which sweep.
    #[command(flatten)]
    pub of: SweepArgs,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

/// `domfreq sweep run`.
#[derive(Clone, Debug, Args)]
pub struct SweepRunArgs {
    /// Which sweep.
    #[command(flatten)]
    pub said: SweepSaidArgs,
    /// Only the runs with these numbers, 3, 5-8, 20-, or names; comma-separated
    #[arg(long, value_delimiter = ',', value_name = "A,B-C,…")]
    pub only: Vec<String>,
    /// Runs at a time [default: one per GPU, those named or all; without GPUs as many as cores / --threads]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Threads of each run; results are the same to the bit for the same number
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// GPUs, by index or UUID, one run at a time on each
    #[arg(long, value_delimiter = ',', value_name = "A,B,…")]
    pub gpus: Vec<String>,
    /// Do failed runs again, from their beginning
    #[arg(long)]
    pub retry: bool,
}

/// How the runs of a sweep become tasks of a scheduler.
#[derive(Clone, Debug, Args)]
pub struct TaskArgs {
    /// Only the runs with these numbers, 3, 5-8, 20-, or names; comma-separated
    #[arg(long, value_delimiter = ',', value_name = "A,B-C,…")]
    pub only: Vec<String>,
    /// Runs of a task, for runs that are short
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub pack: usize,
    /// Runs of a task at a time; with GPUs at most one for each
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub jobs: usize,
    /// Threads of each run; a task has this times --jobs cores
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// A line before the program is started, such as 'module load cuda'; may be repeated
    #[arg(long, value_name = "LINE")]
    pub setup: Vec<String>,
    /// Do failed runs again, from their beginning
    #[arg(long)]
    pub retry: bool,
}

/// Seconds before a time limit that checkpoints and the queue are given.
const LEAD: u64 = 120;

/// What SLURM is told of a job array.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct SlurmArgs {
    /// Partition of the tasks
    #[arg(long, help_heading = "SLURM")]
    pub partition: Option<String>,
    /// Account
    #[arg(long, help_heading = "SLURM")]
    pub account: Option<String>,
    /// Generic resources of a task, such as gpu:1; runs of a task are one at a time on each GPU
    #[arg(long, help_heading = "SLURM")]
    pub gres: Option<String>,
    /// Time limit of a task, as sbatch takes it; what does not fit goes on in another
    #[arg(long, help_heading = "SLURM")]
    pub time: Option<String>,
    /// Memory of a task, such as 8G
    #[arg(long, help_heading = "SLURM")]
    pub mem: Option<String>,
    /// Anything else for sbatch, such as --sbatch=--qos=night; may be repeated
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true, help_heading = "SLURM")]
    pub sbatch: Vec<String>,
    /// Tasks at a time
    #[arg(long, value_name = "N", help_heading = "SLURM")]
    pub max_parallel: Option<usize>,
    /// Seconds before the time limit at which work is cut off to go on in another task
    #[arg(long, value_name = "SECONDS", default_value_t = LEAD, help_heading = "SLURM")]
    pub lead: u64,
    /// Folder with templates of your own in place of those in assets/slurm
    #[arg(long, value_name = "DIR", help_heading = "SLURM")]
    pub templates: Option<PathBuf>,
    /// Write the scripts, and submit nothing
    #[arg(long, help_heading = "SLURM")]
    pub dry_run: bool,
}

impl Default for SlurmArgs {
    fn default() -> Self {
        Self {
            partition: None,
            account: None,
            gres: None,
            time: None,
            mem: None,
            sbatch: Vec::new(),
            max_parallel: None,
            lead: LEAD,
            templates: None,
            dry_run: false,
        }
    }
}

/// `domfreq sweep submit`.
#[derive(Clone, Debug, Args)]
pub struct SweepSubmitArgs {
    /// Which sweep.
    #[command(flatten)]
    pub of: SweepArgs,
    /// Its tasks.
    #[command(flatten)]
    pub tasks: TaskArgs,
    /// What SLURM is told of them.
    #[command(flatten)]
    pub slurm: SlurmArgs,
}

/// For whom a sweep is written down.
#[derive(Clone, Debug, Subcommand)]
pub enum ExportCommand {
    /// workflow.toml in the sweep's folder, for `row submit` there
    Row(ExportRowArgs),
    /// A list of tasks and their script, for HyperQueue's `hq submit --each-line`
    Hq(ExportArgs),
    /// A list of tasks and their script, for GNU parallel
    Parallel(ExportArgs),
    /// An indexed Job of Kubernetes, an index per task
    Kubernetes(ExportKubernetesArgs),
}

/// `domfreq sweep export hq` and `parallel`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Which sweep.
    #[command(flatten)]
    pub of: SweepArgs,
    /// Its tasks.
    #[command(flatten)]
    pub tasks: TaskArgs,
    /// GPUs of a task
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub gpus: usize,
}

/// `domfreq sweep export row`.
#[derive(Clone, Debug, Args)]
pub struct ExportRowArgs {
    /// As for all.
    #[command(flatten)]
    pub all: ExportArgs,
    /// Time of a run, as row takes it [default: row's, an hour]
    #[arg(long, value_name = "HH:MM:SS")]
    pub time: Option<String>,
    /// Cluster of row's clusters.toml that the next options are for
    #[arg(long)]
    pub cluster: Option<String>,
    /// Account there
    #[arg(long, requires = "cluster")]
    pub account: Option<String>,
    /// Partition there [default: row chooses]
    #[arg(long, requires = "cluster")]
    pub partition: Option<String>,
    /// Anything else for the scheduler there, such as --custom=--requeue; may be repeated
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true, requires = "cluster")]
    pub custom: Vec<String>,
}

/// `domfreq sweep export kubernetes`.
#[derive(Clone, Debug, Args)]
pub struct ExportKubernetesArgs {
    /// As for all.
    #[command(flatten)]
    pub all: ExportArgs,
    /// Image of a container with domfreq in it (assets/container makes one)
    #[arg(long)]
    pub image: String,
    /// Volume claim, and where it is mounted: one must hold the sweep's folder, under the path it has here;
    /// may be repeated
    #[arg(long, value_name = "CLAIM:PATH", required = true)]
    pub mount: Vec<String>,
    /// Memory of a task, such as 8Gi
    #[arg(long)]
    pub mem: Option<String>,
    /// Namespace
    #[arg(long)]
    pub namespace: Option<String>,
    /// Tasks at a time [default: all]
    #[arg(long, value_name = "N")]
    pub max_parallel: Option<usize>,
}

/// `domfreq evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Run directory (its newest checkpoint), or a file of weights: PyTorch's or safetensors
    #[arg(value_name = "RUN|FILE")]
    pub source: PathBuf,
    /// The network and the images.
    #[command(flatten)]
    pub shown: ShownArgs,
    /// Also write all logits and labels to this .npz
    #[arg(long, value_name = "NPZ")]
    pub logits: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
    /// auto, cpu, cuda or cuda:N [default: auto]
    #[arg(long, help_heading = "Machine")]
    pub device: Option<String>,
    /// Threads, 0 for as many as were given (see `doctor`) [default: 0]
    #[arg(long, help_heading = "Machine")]
    pub threads: Option<usize>,
}

/// Flags of `domfreq train` for deep networks.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Deep networks")]
pub struct DeepArgs {
    /// Go on with the run in the run directory where it was stopped or killed; begin it where there is none
    #[arg(long)]
    pub resume: bool,
    /// Passes over the data, instead of --steps [default: 10]
    #[arg(long)]
    pub epochs: Option<f64>,
    /// Begin with the weights of this file, PyTorch's or safetensors
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Switches of the network.
    #[command(flatten)]
    pub switches: SwitchArgs,
    /// Update rule [default: sgd]
    #[arg(long)]
    pub optim: Option<OptimKind>,
    /// What is minimised [default: cross-entropy]
    #[arg(long)]
    pub loss: Option<LossKind>,
    /// Weight decay [default: 5e-4]
    #[arg(long)]
    pub weight_decay: Option<f64>,
    /// Course of η [default: cosine]
    #[arg(long)]
    pub schedule: Option<ScheduleKind>,
    /// Epochs of linear warm-up [default: 0]
    #[arg(long, value_name = "EPOCHS")]
    pub warmup: Option<f64>,
    /// Decay of a running mean of the weights [default: none is kept]
    #[arg(long)]
    pub ema: Option<f64>,
    /// Random crops of images with so many zeros around [default: 0]
    #[arg(long, value_name = "PIXELS")]
    pub crop: Option<usize>,
    /// Flip half of the images
    #[arg(long)]
    pub flip: bool,
    /// Evaluate on this split as training goes, and on others beside it; the first one decides
    /// which weights are the best
    #[arg(long, value_name = "SPLIT,…", value_delimiter = ',')]
    pub eval: Vec<String>,
    /// Look into the network every epoch, or --looks times: evenly, or by a constant factor [default: epoch]
    #[arg(long)]
    pub probe: Option<When>,
    /// Number of looks [default: 30]
    #[arg(long, value_name = "N")]
    pub looks: Option<u64>,
    /// Training images that are looked at [default: 4,000, or all]
    #[arg(long, value_name = "N")]
    pub probe_samples: Option<usize>,
    /// How many of these for Jacobians [default: a sixteenth, at most 128]
    #[arg(long, value_name = "N")]
    pub jacobians: Option<usize>,
    /// Epochs between two checkpoints [default: 1]
    #[arg(long, value_name = "EPOCHS")]
    pub checkpoint: Option<f64>,
}

impl DeepArgs {
    /// Puts what was said on the command line over `config`.
    fn apply(&self, config: &mut RunConfig) {
        config.train.epochs = self.epochs.or(config.train.epochs);
        config.init.weights = self.weights.clone().or(config.init.weights.take());
        self.switches.apply(config);
        set(&mut config.optim.kind, &self.optim);
        set(&mut config.optim.loss, &self.loss);
        set(&mut config.optim.weight_decay, &self.weight_decay);
        set(&mut config.optim.schedule, &self.schedule);
        set(&mut config.optim.warmup, &self.warmup);
        config.optim.ema = self.ema.or(config.optim.ema);
        set(&mut config.augment.crop, &self.crop);
        config.augment.flip |= self.flip;
        if let [split, beside @ ..] = &self.eval[..] {
            (config.eval.split, config.eval.beside) = (Some(split.clone()), beside.to_vec());
        }
        set(&mut config.probe.when, &self.probe);
        set(&mut config.probe.count, &self.looks);
        config.probe.samples = self.probe_samples.or(config.probe.samples);
        config.probe.jacobians = self.jacobians.or(config.probe.jacobians);
        set(&mut config.checkpoint.every, &self.checkpoint);
    }
}

impl TrainArgs {
    /// Puts what was said on the command line over `config`.
    ///
    /// # Errors
    /// As [`ExperimentArgs::apply`].
    pub fn apply(&self, config: &mut RunConfig) -> Result<()> {
        self.experiment.apply(config)?;
        set(&mut config.train.space, &self.space);
        config.train.steps = self.steps.or(config.train.steps);
        config.train.momentum = self.momentum.or(config.train.momentum);
        config.train.batch = self.batch.or(config.train.batch);
        set(&mut config.measure.every, &self.every);
        set(&mut config.measure.snapshots, &self.snapshots);
        set(&mut config.run.device, &self.device);
        set(&mut config.run.dtype, &self.dtype);
        self.deep.apply(config);
        // What was said last of how long to train counts.
        if self.steps.is_some() && self.deep.epochs.is_none() {
            config.train.epochs = None;
        } else if self.deep.epochs.is_some() && self.steps.is_none() {
            config.train.steps = None;
        }
        Ok(())
    }
}

fn set<T: Clone>(target: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        target.clone_from(value);
    }
}

/// `domfreq audit`.
#[derive(Clone, Debug, Args)]
pub struct AuditArgs {
    /// A file of weights or a run directory; two of them are compared
    #[arg(required = true, num_args = 1..=2, value_name = "WEIGHTS")]
    pub weights: Vec<PathBuf>,
    /// The network and the images; without any, only the weights are looked at. A run has its own.
    #[command(flatten)]
    pub shown: ShownArgs,
    /// Run the files that are programs of TorchScript (torch.jit.save): networks that are not known, for all that
    /// needs answers and gradients alone. This EXECUTES what is in the file
    #[arg(long, help_heading = "Weights")]
    pub torchscript: bool,
    /// Take no note of labels, such as those of other classes than the network's
    #[arg(long, help_heading = "Data", conflicts_with = "outputs")]
    pub no_labels: bool,
    /// Folder of cue-conflict images (SHAPE/SHAPEn-TEXTUREm.png), or of the published ones of critical band masking;
    /// without --data, they alone are shown
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    pub stimuli: Option<PathBuf>,
    /// Folder for the report [default: audits/NAME, that of the weights]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Begin the heat map anew where the folder has one of another network or other images
    #[arg(long, conflicts_with_all = ["shard", "merge"])]
    pub force: bool,
    /// Print audit.json on stdout
    #[arg(long)]
    pub json: bool,
    /// 250 images, drawn from all unless --limit says how many (100 where they are larger than 64x64), and
    /// only some of the frequencies; with a time, such as --quick=30s or --quick=5m, as many of both as it is
    /// enough for, of 1000 (250) images unless --limit says more; the report says how many
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub quick: Option<Quick>,
    /// Look at these parts only, beside the weights [default: all]
    #[arg(long, value_delimiter = ',', value_name = "A,B,…")]
    pub only: Vec<Name>,
    /// Norm of the heat map's disturbance per channel, pixels in [0, 1] [default: the paper's: 4 for 32x32,
    /// 15.7 for 224x224]
    #[arg(long)]
    pub epsilon: Option<f64>,
    /// Of the part `adcs`: as the paper defines it, or as its published code computes it
    #[arg(long, value_enum, default_value_t = Variant::Paper)]
    pub adcs: Variant,
    /// Seed of all draws
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Compute part i of N of the heat map and nothing else; all parts in one --out folder
    #[arg(long, value_name = "i/N")]
    pub shard: Option<Shard>,
    /// Take the heat map from the parts that --shard has left in the --out folder
    #[arg(long, conflicts_with = "shard")]
    pub merge: bool,
    /// Give the heat map to SLURM in N parts, and a job that makes the report of them
    #[arg(long, value_name = "N", conflicts_with_all = ["shard", "merge", "force", "json"], help_heading = "SLURM")]
    pub submit: Option<usize>,
    /// A line before the program is started, such as 'module load cuda'; may be repeated
    #[arg(long, value_name = "LINE", requires = "submit", help_heading = "SLURM")]
    pub setup: Vec<String>,
    /// What SLURM is told.
    #[command(flatten)]
    pub slurm: SlurmArgs,
    /// auto, cpu, cuda or cuda:N [default: auto]
    #[arg(long, help_heading = "Machine")]
    pub device: Option<String>,
    /// Threads, 0 for as many as were given (see `doctor`)
    #[arg(long, default_value_t = 0, help_heading = "Machine")]
    pub threads: usize,
}

impl AuditArgs {
    /// What is asked of the parts.
    pub fn ask(&self, plan: &Plan) -> Ask {
        Ask {
            only: self.only.clone(),
            effort: plan.effort,
            classes: plan.classes,
            seed: self.seed,
            epsilon: self.epsilon,
            adcs: self.adcs,
            stimuli: self.stimuli.clone(),
            force: self.force,
            merge: self.merge,
        }
    }
}

/// `domfreq figure`.
#[derive(Debug, Args)]
pub struct FigureArgs {
    /// Which figure.
    #[command(subcommand)]
    pub figure: Figure,
}

/// The figures.
#[derive(Debug, Subcommand)]
pub enum Figure {
    /// One of them.
    #[command(flatten)]
    Of(crate::figure::Figure),
    /// A page index.html with all figures of a folder, their captions and verdicts
    Index {
        /// The folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}

/// `domfreq doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

/// `domfreq gpu-check`.
#[derive(Debug, Args)]
pub struct GpuCheckArgs {
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cuda")]
    pub device: String,
    /// Threads, 0 for as many as were given (see `doctor`)
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Seconds for each speed, about (five blocks of 20 updates at least); 0 measures none
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    pub seconds: f64,
    /// Networks to compare; one of each family where none is named
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub only: Vec<ModelKind>,
    /// Speeds of PyTorch on the same device, as benches/peers/resnet.py prints them
    #[arg(long, value_name = "FILE")]
    pub peer: Option<PathBuf>,
    /// Also write the outcome as JSON
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_win_over_the_file_and_silence_leaves_it() {
        let cli = Cli::parse_from([
            "domfreq",
            "train",
            "--eta",
            "0.5",
            "--classes",
            "a,b",
            "--grey",
            "--center",
            "false",
        ]);
        let Command::Train(args) = cli.command else { panic!("parsed as another command") };
        let mut config = RunConfig::parse("[train]\neta = 0.1\nsteps = 7\n[data]\nlimit = 3\n", "x").unwrap();
        args.apply(&mut config).unwrap();
        assert_eq!((config.train.eta, config.train.steps, config.data.limit), (Some(0.5), Some(7), Some(3)));
        assert_eq!(config.data.classes, ["a", "b"]);
        assert_eq!((config.data.grey, config.data.center), (true, Some(false)));
    }

    #[test]
    fn flags_win_over_set_and_set_over_the_file() {
        let line = "domfreq train --set optim.clip=1.0 --eta 0.5 --set train.eta=0.25 --set train.batch=8";
        let Command::Train(args) = Cli::parse_from(line.split(' ')).command else {
            panic!("another command")
        };
        let file = "[train]\neta = 0.1\nsteps = 7\nbatch = 4\n[optim]\nclip = 3.0\n";
        let mut config = RunConfig::parse(file, "x").unwrap();
        args.apply(&mut config).unwrap();
        assert_eq!((config.train.eta, config.train.batch), (Some(0.5), Some(8)));
        assert_eq!((config.train.steps, config.optim.clip), (Some(7), Some(1.0)));
    }
}
