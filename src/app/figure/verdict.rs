//! What a figure says in words and numbers, and the page that collects them.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::Error;
use crate::figure::index::{self, Entry};
use crate::progress::say;

/// One number and the bar it is held to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What is measured.
    pub what: String,
    /// The number; null where it is not defined.
    pub value: Option<f64>,
    /// The bar: "at most 0.005", or empty for a number without one.
    pub bar: String,
    /// Whether the bar is met; null without a bar.
    pub pass: Option<bool>,
}

/// Everything a figure says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    /// Place on the page.
    pub order: u32,
    /// Heading.
    pub title: String,
    /// What the figure shows.
    pub caption: String,
    /// The command that drew it.
    pub command: String,
    /// Its numbers.
    pub verdicts: Vec<Verdict>,
}

impl Note {
    pub fn new(order: u32, title: &str, caption: &str) -> Self {
        let command = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned());
        let command = format!("domfreq {}", command.collect::<Vec<_>>().join(" "));
        Self { order, title: title.into(), caption: caption.into(), command, verdicts: Vec::new() }
    }

    pub fn at_most(&mut self, what: impl Into<String>, value: f64, bar: f64) {
        self.push(what.into(), value, format!("at most {}", number(bar)), Some(value <= bar));
    }

    pub fn at_least(&mut self, what: impl Into<String>, value: f64, bar: f64) {
        self.push(what.into(), value, format!("at least {}", number(bar)), Some(value >= bar));
    }

    /// A number that is held to nothing.
    pub fn states(&mut self, what: impl Into<String>, value: f64) {
        self.push(what.into(), value, String::new(), None);
    }

    fn push(&mut self, what: String, value: f64, bar: String, pass: Option<bool>) {
        let value = Some(value).filter(|v| v.is_finite());
        self.verdicts.push(Verdict { what, value, bar, pass });
    }

    pub fn lines(&self) -> String {
        self.verdicts.iter().fold(String::new(), |mut text, v| {
            let _ = writeln!(text, "verdict: {}", v.line());
            text
        })
    }

    /// Writes `<picture>.json`, whole or not at all.
    pub fn write(&self, picture: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("every field has a JSON form");
        Ok(disk::write_bytes(&picture.with_extension("json"), text.as_bytes())?)
    }
}

impl Verdict {
    fn line(&self) -> String {
        let value = self.value.map_or_else(|| "not defined".to_owned(), number);
        match self.pass {
            None => format!("{}: {value}", self.what),
            Some(pass) => {
                format!("{}: {}: {value} ({})", if pass { "pass" } else { "fail" }, self.what, self.bar)
            }
        }
    }
}

// Three digits, as they are read.
fn number(v: f64) -> String {
    if v == 0.0 || (1e-3..1e5).contains(&v.abs()) {
        let digits = (2 - v.abs().max(1e-3).log10().floor() as i32).clamp(0, 5) as usize;
        let text = format!("{v:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{v:.1e}")
    }
}

/// Writes `index.html` into `dir` for all figures there.
pub fn index(dir: &Path) -> Result<()> {
    let mut notes = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir, "read"))? {
        let path = entry.map_err(Error::io(dir, "read"))?.path();
        let picture = path.with_extension("png");
        if path.extension().is_none_or(|e| e != "json") || !picture.exists() {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
        let note: Note = serde_json::from_str(&text)
            .map_err(|e| Error::input(path.display(), "what `domfreq figure` wrote beside a picture", e))?;
        let file = picture.file_name().unwrap_or_default().to_string_lossy().into_owned();
        notes.push((note.order, file, note));
    }
    if notes.is_empty() {
        let expected = "figures (NAME.png beside NAME.json) in the folder";
        return Err(Error::input(dir.display(), expected, "none").into());
    }
    notes.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let entries: Vec<_> = notes
        .into_iter()
        .map(|(_, file, note)| Entry {
            file,
            verdicts: note.verdicts.iter().map(Verdict::line).collect(),
            title: note.title,
            caption: note.caption,
            command: note.command,
        })
        .collect();
    let out = dir.join("index.html");
    index::write(&entries, &out)?;
    say(format_args!("wrote {}", out.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_they_should() {
        let cases = [(0.0, "0"), (0.98765, "0.988"), (12.345, "12.3"), (1234.5, "1234"), (3.2e-5, "3.2e-5")];
        for (v, text) in cases {
            assert_eq!(number(v), text);
        }
    }

    #[test]
    fn verdicts_say_pass_and_fail() {
        let mut note = Note::new(1, "t", "c");
        note.at_most("error", 0.001, 0.005);
        note.at_least("correlation", 0.5, 0.95);
        note.at_least("correlation", f64::NAN, 0.95);
        note.states("ratio", 2.0);
        assert_eq!(
            note.lines(),
            "verdict: pass: error: 0.001 (at most 0.005)\nverdict: fail: correlation: 0.5 (at least 0.95)\n\
             verdict: fail: correlation: not defined (at least 0.95)\nverdict: ratio: 2\n"
        );
    }

    #[test]
    fn the_page_has_every_figure_of_the_folder_in_order() {
        let dir = tempfile::tempdir().unwrap();
        assert!(index(dir.path()).unwrap_err().to_string().contains("none"));
        for (order, name) in [(2, "b"), (1, "z")] {
            let picture = dir.path().join(format!("{name}.png"));
            std::fs::write(&picture, b"").unwrap();
            Note::new(order, &format!("Title {name}"), "c").write(&picture).unwrap();
        }
        index(dir.path()).unwrap();
        let page = std::fs::read_to_string(dir.path().join("index.html")).unwrap();
        assert!(page.find("Title z").unwrap() < page.find("Title b").unwrap());
    }
}
