//! What was found, in words and tables.

use std::fmt::Write as _;

use super::Whole;
use crate::error::{listed, shown};
use crate::page::Table;
use crate::shortcuts::{Comparison, Entry};

pub fn text(whole: &Whole) -> String {
    let report = whole.report;
    let [c, h, w] = report.shape;
    let mut text =
        format!("{}: {} images, {} classes, {c}×{h}×{w}\n", whole.data, report.images, report.classes);
    let _ = writeln!(text, "{}", whole.description);
    if let Some(test) = &whole.test {
        let _ = writeln!(text, "test: {}: {}", test.data, test.description);
    }
    findings(whole).iter().for_each(|line| {
        let _ = writeln!(text, "{line}");
    });
    report.notes.iter().for_each(|note| {
        let _ = writeln!(text, "note: {note}");
    });
    for table in tables(whole) {
        let _ = write!(text, "\n{}", in_columns(&table));
    }
    text
}

/// Alarms that have a sentence of their own.
const FIRST: usize = 3;

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share.max(0.0))
}

/// The findings, a sentence each.
pub fn findings(whole: &Whole) -> Vec<String> {
    let report = whole.report;
    let mut lines = vec![match report.alarms {
        0 => "no alarm: no class reaches the level of any reader".to_owned(),
        n => format!("{n} of {} classes can be told by a cue (score of 1 or more)", report.classes),
    }];
    for entry in report.shortcuts.iter().filter(|entry| entry.alarm).take(FIRST) {
        if let (Some(told), Some(others)) = (entry.told, entry.told_of_others) {
            let classes: Vec<String> = entry.classes.iter().map(|name| shown(name)).collect();
            lines.push(format!(
                "class {}: {} of it is told by random convolutions, as a network has them first; of other classes {} \
                 (median)",
                classes.join(", "),
                percent(told),
                percent(others)
            ));
        }
    }
    let Some(both) = &report.comparison else { return lines };
    for (set, other, at) in [("train", "test", 0), ("test", "train", 1)] {
        if !both.classes[at].is_empty() {
            lines.push(format!("classes of {set} that {other} has not: {}", listed(&both.classes[at])));
        }
        let cues: Vec<String> =
            both.cues.iter().filter(|c| c.set == set && c.only).map(|c| shown(&c.class)).collect();
        if !cues.is_empty() {
            lines.push(format!("cues of {set} that {other} has not: of {}", listed(&cues)));
        }
        let modes: Vec<String> =
            both.modes.iter().filter(|m| m.set == set && m.only).map(|m| m.mode.to_string()).collect();
        if !modes.is_empty() {
            lines
                .push(format!("modes of {set} that are worth less than half in {other}: {}", listed(&modes)));
        }
    }
    lines.push(match both.between.alarm {
        true => format!(
            "images of train and test can be told apart: {}, score {:.2}",
            about(&both.between),
            both.between.score
        ),
        false => format!("train and test are alike: no alarm between them (score {:.2})", both.between.score),
    });
    let [same, other] = both.copies;
    if same + other > 0 {
        lines.push(format!(
            "{same} of {} images of test are copies of images of train, in the same class; {other} in another",
            both.images
        ));
    }
    lines
}

/// All tables of the report.
pub fn tables(whole: &Whole) -> Vec<Table> {
    let mut all = vec![classes(&whole.report.shortcuts)];
    if let Some(both) = &whole.report.comparison {
        all.extend([cues(both), modes(both)].into_iter().filter(|table| !table.rows.is_empty()));
    }
    all
}

fn table(caption: &str, head: &[&str], rows: Vec<Vec<String>>) -> Table {
    Table { caption: caption.to_owned(), head: head.iter().map(|s| (*s).to_owned()).collect(), rows }
}

fn classes(entries: &[Entry]) -> Table {
    let head = [
        "rank",
        "alarm",
        "class",
        "reader",
        "score",
        "masked",
        "p",
        "AUC alone",
        "told",
        "carriers",
        "what, where",
    ];
    let row = |(rank, entry): (usize, &Entry)| {
        let [low, high] = entry.interval;
        let classes: Vec<String> = entry.classes.iter().map(|name| shown(name)).collect();
        vec![
            (rank + 1).to_string(),
            if entry.alarm { "ALARM" } else { "–" }.to_owned(),
            classes.join(", "),
            entry.reader.to_owned(),
            format!("{:.2}", entry.score),
            entry.masked.map_or_else(|| "–".to_owned(), |v| format!("{v:.2}")),
            entry.p.map_or_else(|| "–".to_owned(), |p| format!("{p:.3}")),
            format!("{:.3} [{low:.3}, {high:.3}]", entry.accuracy),
            entry.told.map_or_else(|| "–".to_owned(), |told| format!("{told:.2}")),
            entry.carriers.to_string(),
            about(entry),
        ]
    };
    table("Classes, the highest score first.", &head, entries.iter().enumerate().map(row).collect())
}

// What a class is told by, and where.
fn about(entry: &Entry) -> String {
    let mut what = vec![entry.kind.to_owned()];
    if !entry.frequencies.is_empty() {
        let all: Vec<String> = entry.frequencies.iter().map(ToString::to_string).collect();
        what.push(format!("frequency {} in {}", all.join(" "), entry.colour.unwrap_or("grey")));
    }
    if let Some(p) = &entry.place {
        let (bottom, right) = (p.row + p.height - 1, p.col + p.width - 1);
        what.push(format!("rows {}–{bottom}, columns {}–{right}", p.row, p.col));
    }
    if let Some(e) = &entry.extreme {
        what.push(format!("{} of {} at {}", e.end, e.channel, e.value));
    }
    what.join("; ")
}

fn cues(both: &Comparison) -> Table {
    let row = |c: &crate::shortcuts::Both| {
        let [low, high] = c.interval;
        vec![
            c.set.to_owned(),
            if c.only { "ONLY HERE" } else { "in both" }.to_owned(),
            shown(&c.class),
            c.reader.to_owned(),
            format!("{:.3}", c.here),
            format!("{:.3} [{low:.3}, {high:.3}]", c.there),
        ]
    };
    let head = ["cue of", "where", "class", "reader", "AUC here", "AUC in the other"];
    table("Cues of one set, in the other.", &head, both.cues.iter().map(row).collect())
}

fn modes(both: &Comparison) -> Table {
    let row = |m: &crate::shortcuts::ModeOfBoth| {
        let value = |[mean, error]: [f64; 2]| format!("{mean:.4} ± {error:.4}");
        vec![
            m.set.to_owned(),
            if m.only { "ONLY HERE" } else { "in both" }.to_owned(),
            m.mode.to_string(),
            m.frequency.to_string(),
            value(m.here),
            value(m.there),
        ]
    };
    let head = ["mode of", "where", "mode", "frequency", "on new images", "in the other"];
    let caption = "Modes of one half of a set: strengths on its other half, and in the other set.";
    table(caption, &head, both.modes.iter().map(row).collect())
}

// Columns as wide as they need to be.
fn in_columns(table: &Table) -> String {
    let rows = || std::iter::once(&table.head).chain(&table.rows);
    let width = |i: usize| rows().map(|row| row[i].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..table.head.len()).map(width).collect();
    let mut text = String::new();
    for row in rows() {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, w)| format!("{cell:w$}", w = *w)).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}
