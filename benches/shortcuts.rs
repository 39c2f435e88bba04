//! Cues of norm 1 in one class: how many the search finds, in what time, beside two peers on the
//! same images in the same run.
//!
//!     cargo bench --no-default-features --bench shortcuts
//!
//! - Datalab of cleanlab: whether an image property (dark, light, blurry, …) tells the classes,
//!   score below 0.3.
//! - A linear network and one of two layers (Zhu et al., "Detection and Defense of Unlearnable
//!   Examples", AAAI 2024): whether they classify with an accuracy above 0.7; here of images
//!   that they were not fitted to, as fitted ones are few.
//!
//! `DOMFREQ_BENCH_DATA` names other images than leaves, `DOMFREQ_BENCH_DRAWS` how many sets per
//! cue (default 1). `DOMFREQ_BENCH_PYTHON` names a Python with cleanlab[image] and datasets
//! (default `.venv-bench/bin/python`); without one, ours alone is shown.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use domfreq::data::planted::CUE_NAMES;
use domfreq::data::{self, Options, Spec};
use domfreq::field::{ImageSet, Targets};
use domfreq::shortcuts;
use ndarray::Array1;
use ndarray_npy::NpzWriter;
use serde_json::Value;

const IMAGES: usize = 2000;
const PEERS: [&str; 3] = ["datalab", "linear", "two_layer"];

/// A set, and the class that has a cue in it.
struct Case {
    name: String,
    class: Option<usize>,
    set: ImageSet,
}

fn cases(over: &str, draws: usize) -> Vec<Case> {
    let load = |spec: &str, draw: usize| {
        let spec: Spec = spec.parse().expect("a source");
        let options = Options { limit: Some(IMAGES), sample: Some(draw as u64), ..Options::default() };
        data::load(&spec, &options).expect("images")
    };
    let mut all = Vec::new();
    for draw in 0..draws {
        for cue in CUE_NAMES {
            let class = draw % 5;
            let spec = format!("planted:cue={cue},classes={class},seed={draw},over={over}");
            all.push(Case { name: cue.to_owned(), class: Some(class), set: load(&spec, draw) });
        }
        all.push(Case { name: "nothing".to_owned(), class: None, set: load(over, draw) });
    }
    all
}

fn write(set: &ImageSet, out: &Path) {
    let Targets::Classes { labels, .. } = &set.targets else { panic!("classes") };
    let mut npz = NpzWriter::new(std::fs::File::create(out).expect("a file"));
    npz.add_array("images", &set.images.mapv(|v| (v * 255.0).round() as u8)).expect("images");
    npz.add_array("labels", &Array1::from_iter(labels.iter().map(|l| i64::from(*l)))).expect("labels");
    npz.finish().expect("a file");
}

// Of every case what the peers say: {"datalab": {"alarm": …, "class": …, "seconds": …}, …}.
fn peers(cases: &[Case]) -> Option<Vec<Value>> {
    let python =
        std::env::var("DOMFREQ_BENCH_PYTHON").unwrap_or_else(|_| ".venv-bench/bin/python".to_owned());
    let dir = tempfile::tempdir().expect("a folder");
    let files: Vec<_> = (0..cases.len()).map(|i| dir.path().join(format!("{i}.npz"))).collect();
    cases.iter().zip(&files).for_each(|(case, file)| write(&case.set, file));
    let output = Command::new(python).arg("benches/peers/shortcuts.py").args(&files).output().ok()?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    serde_json::from_slice(&output.stdout).ok()
}

/// Sets with the right answer, and seconds in all.
#[derive(Default)]
struct Tally {
    right: usize,
    of: usize,
    seconds: f64,
}

fn main() {
    let over = std::env::var("DOMFREQ_BENCH_DATA")
        .unwrap_or_else(|_| format!("leaves:count={IMAGES},channels=3,size=32"));
    let draws = std::env::var("DOMFREQ_BENCH_DRAWS").map_or(1, |v| v.parse().expect("a number"));
    let cases = cases(&over, draws);
    println!("{over}: {} sets of {IMAGES} images, {} threads", cases.len(), rayon::current_num_threads());
    let said = peers(&cases);
    if said.is_none() {
        println!("no peers: DOMFREQ_BENCH_PYTHON names a Python with cleanlab[image], datasets");
    }
    // By cue, by who looked; "class": whether the class is right, "alarm": whether there is one.
    let mut table: BTreeMap<(String, &str), Tally> = BTreeMap::new();
    let mut count = |case: &Case, who: &'static str, right: bool, seconds: f64| {
        let tally = table.entry((case.name.clone(), who)).or_default();
        tally.right += usize::from(right);
        tally.of += 1;
        tally.seconds += seconds;
    };
    for (i, case) in cases.iter().enumerate() {
        let start = Instant::now();
        let report = shortcuts::search(&case.set, shortcuts::Options::default()).expect("a report");
        let seconds = start.elapsed().as_secs_f64();
        let Targets::Classes { names, .. } = &case.set.targets else { panic!("classes") };
        let first = &report.shortcuts[0];
        let right = match case.class {
            Some(class) => first.alarm && first.classes[0] == names[class],
            None => !first.alarm,
        };
        count(case, "ours", right, seconds);
        for who in PEERS {
            let Some(said) = said.as_ref().map(|said| &said[i][who]) else { continue };
            let alarm = said["alarm"].as_bool().expect("alarm");
            let seconds = said["seconds"].as_f64().expect("seconds");
            let named = said["class"].as_u64().map(|class| class as usize);
            // An alarm is enough for those that name no class.
            let right = match case.class {
                Some(class) => alarm && named.is_none_or(|named| named == class),
                None => !alarm,
            };
            count(case, who, right, seconds);
        }
    }
    println!(
        "\nright answers (an alarm, of the right class where one is named; of nothing: no alarm), seconds each"
    );
    let who: Vec<&str> =
        std::iter::once("ours").chain(PEERS.into_iter().filter(|_| said.is_some())).collect();
    print!("{:16}", "cue");
    who.iter().for_each(|who| print!("{who:>18}"));
    println!();
    for cue in CUE_NAMES.into_iter().chain(["nothing"]) {
        print!("{cue:16}");
        for who in &who {
            let tally = &table[&(cue.to_owned(), *who)];
            let each = tally.seconds / tally.of as f64;
            print!("{:>18}", format!("{}/{} {each:5.1} s", tally.right, tally.of));
        }
        println!();
    }
}
