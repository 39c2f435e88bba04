//! Sweeps: many runs from one file.
//!
//! A sweep file says which keys of a configuration have which values ([`grid`]); the plan is
//! every combination as a resolved configuration, numbered, and named by a hash of what it says
//! ([`plan`]). Planning again keeps what is there: a run belongs to its name, not to its number.
//! What each has come to is read from the run directories alone ([`status`]), on one machine and
//! on a cluster alike, and gathered into one table ([`collect`]).
//!
//! ```text
//! DIR/sweep.toml            the file it was planned from
//! DIR/plan.json             numbers, names and values of all runs
//! DIR/configs/00001-NAME.toml
//! DIR/runs/NAME/            run directories
//! DIR/logs/NAME.log         what each said
//! DIR/failed/NAME.txt       why it failed last
//! DIR/submits/001.{list,sh,json}  what was given to SLURM ([`submission`]) or another ([`export`])
//! DIR/workflow.toml         the same for row
//! ```

pub mod collect;
pub mod export;
pub mod grid;
pub mod plan;
pub mod status;
pub mod submission;

pub use collect::Collected;
pub use grid::{Grid, Vars};
pub use plan::{Plan, Planned, Sweep};
pub use status::{State, Status};
