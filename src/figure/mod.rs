//! Figures, one room each: it reads the directories of runs or an audit, draws one PNG with
//! [`crate::plot`] and judges what it shows ([`Note`]).
//!
//! A new figure is a file with `draw`, and a line in the table below.

mod audit;
mod conflicting;
pub mod cues;
mod curves;
mod depth;
mod dominance;
pub mod doses;
mod early;
pub mod expected;
mod forecast;
pub mod index;
pub mod modes;
mod natural;
mod order;
mod resnet;
mod runs;
mod shortcut;
mod speed;
mod stages;
mod sweep;
mod templates;
mod texture;
mod verdict;

use std::path::Path;

pub use verdict::Note;

/// The commands from the figures: arguments with a field `out`, and a function
/// `draw` from them to a [`Note`].
macro_rules! figures {
    ($($(#[$about:meta])* $name:ident: $room:ident($args:ty),)*) => {
        /// The figures.
        #[derive(Debug, clap::Subcommand)]
        pub enum Figure {
            $($(#[$about])* $name($args),)*
        }

        impl Figure {
            /// The picture to write.
            pub fn out(&self) -> &Path {
                match self {
                    $(Figure::$name(args) => &args.out,)*
                }
            }

            /// Draws it; what it says of itself.
            ///
            /// # Errors
            /// Of runs that cannot be read or do not fit the figure.
            pub fn draw(&self) -> anyhow::Result<Note> {
                match self {
                    $(Figure::$name(args) => $room::draw(args),)*
                }
            }
        }
    };
}

figures! {
    /// Mode strengths over training steps, a panel per run
    Stages: stages(runs::Runs),
    /// Discovery time LCNN / FCNN over the concentration of each mode, from a run of each network per data set
    Speed: speed(runs::Runs),
    /// With which frequencies a mode is learned, over time and over the scale of initial weights; the
    /// first run of each network is shown over time
    Dominance: dominance(dominance::Args),
    /// Modes of natural images, the networks' templates of them, and their curves, from a run of each network
    Natural: natural(runs::Runs),
    /// Stage curves and participation ratios over the number of convolution layers, a run per depth
    Depth: depth(runs::Runs),
    /// Predicted against measured half-times of all modes of all runs
    Order: order(runs::Runs),
    /// A deep network: when it discovers the modes, in which order, and with which frequencies; the run may
    /// still be going on
    Resnet: resnet(resnet::Args),
    /// How well scores of the data foretell the order in deep networks, over data sets and seeds
    Forecast: forecast(forecast::Args),
    /// Whether networks take a cue instead of the content, over amplitude and concentration of the cue: runs on
    /// the source `shortcut`
    Shortcut: shortcut(runs::Runs),
    /// How early networks take planted cues, against what the data say: two runs per cue, `planted:` with
    /// as=cue/conflict and as=clean/conflict
    Early: early(runs::Runs),
    /// Shape or texture, over the width of the textures' spectra: runs on the source `conflict` with agree=1/0
    Texture: texture(runs::Runs),
    /// What came out of a sweep, over one of its keys: means over seeds, with their intervals
    Sweep: sweep(sweep::Args),
    /// An overview of an audit: kernels, heat map, filtered images
    Audit: audit(audit::Args),
}
