//! What a figure says of itself in words and numbers.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::Result;

/// Version of the form of [`Note`]'s file.
pub const SCHEMA: u32 = 1;

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
    /// [`SCHEMA`].
    pub schema: u32,
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
    /// Of the figure with this place on the page, drawn by the present command.
    pub fn new(order: u32, title: &str, caption: &str) -> Self {
        let command = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned());
        let command = format!("domfreq {}", command.collect::<Vec<_>>().join(" "));
        Self {
            schema: SCHEMA,
            order,
            title: title.into(),
            caption: caption.into(),
            command,
            verdicts: Vec::new(),
        }
    }

    /// A number that is to be `bar` or less.
    pub fn at_most(&mut self, what: impl Into<String>, value: f64, bar: f64) {
        self.push(what.into(), value, format!("at most {}", number(bar)), Some(value <= bar));
    }

    /// A number that is to be `bar` or more.
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

    /// The verdicts, a line each.
    pub fn lines(&self) -> String {
        self.verdicts.iter().fold(String::new(), |mut text, v| {
            let word = v.word().map_or_else(String::new, |word| format!("{word}: "));
            let _ = writeln!(text, "verdict: {word}{}", v.text());
            text
        })
    }

    /// Writes `<picture>.json`, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if it cannot be written.
    pub fn write(&self, picture: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("every field has a JSON form");
        disk::write_bytes(&picture.with_extension("json"), text.as_bytes())
    }
}

impl Verdict {
    /// "pass" or "fail"; None without a bar.
    pub fn word(&self) -> Option<&'static str> {
        self.pass.map(|pass| if pass { "pass" } else { "fail" })
    }

    /// What was measured, the number and the bar.
    pub fn text(&self) -> String {
        let value = self.value.map_or_else(|| "not defined".to_owned(), number);
        match self.pass {
            None => format!("{}: {value}", self.what),
            Some(_) => format!("{}: {value} ({})", self.what, self.bar),
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
}
