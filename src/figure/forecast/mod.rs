//! How well scores of the data alone foretell in which order, and when, deep networks
//! discover the modes: over data sets, networks and seeds.

mod draw;
mod gather;

use std::path::PathBuf;

use anyhow::Result;

use super::runs::Finished;
use super::verdict::Note;
use crate::disk;
use crate::error::Error;
use crate::study::{Study, clocks, forecaster, scores};

/// Runs of deep networks: several seeds of each data set and network.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run directories, or folders of sweeps; runs that differ in their seed alone are one case.
    /// A file NAME.csv is a table that this figure wrote
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
    let is_table = |path: &PathBuf| path.extension().is_some_and(|e| e == "csv") && !path.is_dir();
    let (tables, runs): (Vec<PathBuf>, Vec<PathBuf>) = args.runs.iter().cloned().partition(is_table);
    let mut cases = gather::gather(&Finished::all(&runs)?)?;
    for table in tables {
        cases.extend(Study::read(&table)?.cases);
    }
    let study = Study { cases };
    if let Some(twice) = study.twice() {
        let expected = "each case once, in runs or in a table";
        return Err(Error::input("figure forecast", expected, format_args!("{twice} twice")).into());
    }
    draw::draw(&study, &args.out)?;
    disk::write_bytes(&args.out.with_extension("csv"), study.table().as_bytes())?;
    Ok(note(&study))
}

fn note(study: &Study) -> Note {
    let mut note = Note::new(
        9,
        "The order in deep networks, from the data alone",
        "Deep networks of several data sets and seeds. Discovery time τ (exp of the area above the seeds' mean \
         a/s in logarithmic time) of each mode over its reader score F, relative to the largest of its data set; \
         of several networks τ over the median of the case. Scores of the data alone, of each network: Spearman's \
         correlation with −τ, a cross per case, the mean over data sets, and the middle 95 % of bootstraps over \
         data sets; dashed: τ of one seed with τ of another. Scores are computed from the data before training. \
         Times: τ against the square roots of what the linear theory, and the network's tangent kernel before \
         training, say.",
    );
    let networks = study.networks();
    for network in &networks {
        let of = if networks.len() == 1 { String::new() } else { format!("{network}: ") };
        state(&mut note, &of, &study.of(|name| name == *network));
    }
    note
}

// What is found of one network; `of` stands before it.
fn state(note: &mut Note, of: &str, study: &Study) {
    let (cases, sets) = (study.cases.len(), study.sets());
    let ceiling = study.mean(|case| case.ceiling);
    note.states(
        format!("{of}agreement of seeds (Spearman), mean over {sets} data sets, {cases} cases"),
        ceiling,
    );
    let scores = scores();
    for (at, score) in scores.iter().enumerate() {
        let mean = study.mean(|case| case.spearman[at]);
        if mean.is_nan() {
            continue;
        }
        let [low, high] = study.interval(|case| case.spearman[at]);
        let what = format!("{of}{}: Spearman with −τ, 95 % of bootstraps {low:.2} to {high:.2}", score.name);
        if score.judged {
            note.at_least(what, mean, ABSOLUTE);
            note.at_least(
                format!("{of}{}, of the agreement of seeds", score.name),
                mean / ceiling,
                OF_CEILING,
            );
            for other in scores.iter().enumerate().filter(|(_, s)| s.rival) {
                let (better, p) = study.better(at, other.0);
                let what = format!(
                    "{of}{} better than {} by {better:.3} on average: p of a sign-flip test",
                    score.name, other.1.name
                );
                note.at_most(what, p, 0.05);
            }
        } else {
            note.states(what, mean);
        }
    }
    for clock in clocks() {
        let (Some(share), Some(pairs)) = (study.within(FACTOR, clock), study.pairs(FACTOR, clock)) else {
            continue;
        };
        let name = clock.name;
        let what = format!(
            "{of}times by {name}: share of modes within a factor of 2, after one factor for each case"
        );
        if clock.judged {
            note.at_least(what, share, WITHIN)
        } else {
            note.states(what, share)
        }
        let what =
            format!("{of}times by {name}: share of pairs of modes whose ratio is within a factor of 2");
        note.states(what, pairs);
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
}
