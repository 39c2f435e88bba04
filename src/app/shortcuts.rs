//! `domfreq shortcuts`: which classes carry a cue beside their content.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use super::{print, print_json, use_threads};
use crate::cli::ShortcutsArgs;
use crate::data::{self, Spec};
use crate::disk;
use crate::error::{Error, shown};
use crate::figure::cues;
use crate::progress::say;
use crate::run::config::DataConfig;
use crate::shortcuts::{self, Entry, Options, Report};

/// What `--json` prints.
#[derive(Serialize)]
struct Whole<'a> {
    data: &'a Spec,
    description: &'a str,
    decoder: Option<&'a str>,
    skipped: usize,
    seed: u64,
    #[serde(flatten)]
    report: &'a Report,
}

pub fn run(args: &ShortcutsArgs) -> Result<()> {
    for (said, flag) in
        [(args.data.normalize.is_some(), "--normalize"), (args.data.center.is_some(), "--center")]
    {
        if said {
            return Err(Error::input(flag, "nothing: cues are looked for in pixels as they are", flag).into());
        }
    }
    use_threads(args.threads)?;
    let mut config = DataConfig::default();
    args.data.apply(&mut config)?;
    let set = data::load(&config.spec, &config.options())?;
    if set.source.skipped > 0 {
        say(format_args!("{} images did not decode and were left out (--skip-bad)", set.source.skipped));
    }
    let report = shortcuts::search(&set, Options { seed: args.seed })?;
    let whole = Whole {
        data: &config.spec,
        description: &set.source.description,
        decoder: set.source.decoder.as_deref(),
        skipped: set.source.skipped,
        seed: args.seed,
        report: &report,
    };
    if let Some(dir) = &args.out {
        disk::create_dir(dir)?;
        disk::write_bytes(&dir.join("shortcuts.json"), serde_json::to_string_pretty(&whole)?.as_bytes())?;
        cues::draw(&set, &report, &dir.join("shortcuts.png"))?;
    }
    if args.json { print_json(&whole) } else { print(table(&whole).as_bytes()) }
}

fn table(whole: &Whole) -> String {
    let report = whole.report;
    let [c, h, w] = report.shape;
    let mut text =
        format!("{}: {} images, {} classes, {c}×{h}×{w}\n", whole.data, report.images, report.classes);
    let _ = writeln!(text, "{}", whole.description);
    let _ = match report.alarms {
        0 => writeln!(text, "no alarm: no class reaches the level of any reader"),
        n => writeln!(text, "{n} of {} classes can be told by a cue (score of 1 or more)", report.classes),
    };
    report.notes.iter().for_each(|note| {
        let _ = writeln!(text, "note: {note}");
    });
    let head = ["rank", "alarm", "class", "reader", "score", "AUC alone", "carriers", "what, where"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(report.shortcuts.iter().enumerate().map(|(rank, entry)| row(rank + 1, entry)));
    let widths: Vec<usize> =
        (0..head.len()).map(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0)).collect();
    text.push('\n');
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, w)| format!("{cell:w$}", w = *w)).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn row(rank: usize, entry: &Entry) -> [String; 8] {
    let [low, high] = entry.interval;
    let classes: Vec<String> = entry.classes.iter().map(|name| shown(name)).collect();
    let mut what = vec![entry.kind.to_owned()];
    if !entry.frequencies.is_empty() {
        let all: Vec<String> = entry.frequencies.iter().map(ToString::to_string).collect();
        what.push(format!("frequency {} in {}", all.join(" "), entry.colour.unwrap_or("grey")));
    }
    if let Some(p) = &entry.place {
        what.push(format!(
            "rows {}–{}, columns {}–{}",
            p.row,
            p.row + p.height - 1,
            p.col,
            p.col + p.width - 1
        ));
    }
    if let Some(e) = &entry.extreme {
        what.push(format!("{} of {} at {}", e.end, e.channel, e.value));
    }
    [
        rank.to_string(),
        if entry.alarm { "ALARM" } else { "–" }.to_owned(),
        classes.join(", "),
        entry.reader.to_owned(),
        format!("{:.2}", entry.score),
        format!("{:.3} [{low:.3}, {high:.3}]", entry.accuracy),
        entry.carriers.to_string(),
        what.join("; "),
    ]
}
