//! How well scores of the data alone foretell in which order, and when, deep networks
//! discover the modes: over data sets, networks and seeds.

mod draw;
mod study;

use std::path::PathBuf;

use anyhow::Result;

use self::study::{Study, forecaster, scores};
use super::runs::Finished;
use super::verdict::Note;
use crate::disk;

/// Runs of deep networks: several seeds of each data set and network.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run directories, or folders of sweeps; runs that differ in their seed alone are one case
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// The PNG to write; a table of all modes of all cases is written beside it, as .csv
    #[arg(long, value_name = "PNG")]
    pub out: PathBuf,
}

/// Of the agreement between seeds, and in absolute terms.
const OF_CEILING: f64 = 0.95;
const ABSOLUTE: f64 = 0.9;
/// Times are to be within this factor.
const FACTOR: f64 = 2.0;
const WITHIN: f64 = 0.8;

pub(super) fn draw(args: &Args) -> Result<Note> {
    let study = Study::new(&Finished::all(&args.runs)?)?;
    draw::draw(&study, &args.out)?;
    disk::write_bytes(&args.out.with_extension("csv"), study.table().as_bytes())?;
    Ok(note(&study))
}

fn note(study: &Study) -> Note {
    let mut note = Note::new(
        9,
        "The order in deep networks, from the data alone",
        "Deep networks of several data sets and seeds. (a) Discovery time τ (exp of the area above the seeds' mean \
         a/s in logarithmic time) of each mode over its reader score F, relative to the largest of its data set. \
         (b) Spearman's correlation of scores with −τ: a ring per case, the mean over data sets, and the middle \
         95 % of bootstraps over data sets; dashed: τ of one seed with τ of another. Scores are computed from the \
         data before training.",
    );
    let (cases, sets) = (study.cases.len(), study.sets());
    let ceiling = study.mean(|case| case.ceiling);
    note.states(format!("agreement of seeds (Spearman), mean over {sets} data sets, {cases} cases"), ceiling);
    let scores = scores();
    for (at, score) in scores.iter().enumerate() {
        let mean = study.mean(|case| case.spearman[at]);
        if mean.is_nan() {
            continue;
        }
        let [low, high] = study.interval(|case| case.spearman[at]);
        let what = format!("{}: Spearman with −τ, 95 % of bootstraps {low:.2} to {high:.2}", score.name);
        if score.judged {
            note.at_least(what, mean, ABSOLUTE);
            note.at_least(format!("{}, of the agreement of seeds", score.name), mean / ceiling, OF_CEILING);
            for other in scores.iter().enumerate().filter(|(_, s)| s.rival) {
                let (better, p) = study.better(at, other.0);
                let what = format!(
                    "{} better than {} by {better:.3} on average: p of a sign-flip test",
                    score.name, other.1.name
                );
                note.at_most(what, p, 0.05);
            }
        } else {
            note.states(what, mean);
        }
    }
    if let Some(share) = study.within(FACTOR) {
        let what =
            "kernel flow: share of modes whose τ is within a factor of 2, after one factor for each case";
        note.at_least(what, share, WITHIN);
    }
    for case in &study.cases {
        let seeds = if case.ceiling.is_nan() {
            "one seed".to_owned()
        } else {
            format!("{} seeds that agree to {:.2}", case.seeds, case.ceiling)
        };
        let what = format!("{}: {} modes, {seeds}; Spearman of F with −τ", case.name(), case.modes.len());
        note.states(what, case.spearman[forecaster()]);
    }
    note
}
