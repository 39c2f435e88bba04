//! What each part of an audit has to say: a chapter of the report, with its figure and
//! its tables.

use super::Rate;
use super::csv::Csv;
use crate::page::{Section, Table};
use crate::plot::Block;

/// A chapter of the report.
#[derive(Default)]
pub struct Chapter<'a> {
    /// The section of the page, without its figure.
    pub section: Section,
    /// What of it is a finding, in a sentence each.
    pub findings: Vec<String>,
    /// Its figure.
    pub figure: Option<Picture>,
    /// Its tables, with the files they go to.
    pub tables: Vec<(&'static str, Csv<'a>)>,
}

/// A figure that is not drawn yet.
pub struct Picture {
    /// The file it goes to.
    pub file: &'static str,
    /// What it shows.
    pub caption: String,
    /// What is drawn.
    pub blocks: Vec<Block>,
}

/// A part in words.
#[derive(Default)]
pub struct Words {
    /// Paragraphs.
    pub text: Vec<String>,
    /// Findings in a sentence each.
    pub findings: Vec<String>,
    /// A table for the page.
    pub table: Option<Table>,
}

impl Words {
    /// The section with this title.
    pub fn section(self, title: &str) -> (Section, Vec<String>) {
        let section = Section { text: self.text, table: self.table, ..section(title, Vec::new()) };
        (section, self.findings)
    }

    /// A sentence that is both said and a finding.
    pub fn find(&mut self, line: String) {
        self.findings.push(line.clone());
        self.text.push(line);
    }
}

/// A section of text alone.
pub fn section(title: &str, text: Vec<String>) -> Section {
    Section { title: title.to_owned(), text, ..Section::default() }
}

/// A share in words: "81.0 % (80.2 to 81.8)".
pub fn percent(rate: &Rate) -> String {
    let [low, high] = rate.interval.map(|v| 100.0 * v);
    format!("{:.1} % ({low:.1} to {high:.1})", 100.0 * rate.share)
}

/// A share in a cell.
pub fn short(rate: &Rate) -> String {
    format!("{:.0} %", 100.0 * rate.share)
}

/// Frequencies with their shares: "(0,1) 45 %, (1,−2) 20 %".
pub fn listed(frequencies: impl Iterator<Item = (i32, i32, f64)>) -> String {
    let listed: Vec<_> =
        frequencies.map(|(row, col, share)| format!("({row},{col}) {:.0} %", 100.0 * share)).collect();
    listed.join(", ").replace('-', "−")
}

/// A number in a cell, or a dash.
pub fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}").replace('-', "−"))
}

/// Numbers as they are printed; hyphens between letters stay.
pub fn minus(text: &str) -> String {
    let text = text.replace(" -", " −").replace("(-", "(−");
    text.strip_prefix('-').map_or(text.clone(), |rest| format!("−{rest}"))
}

/// With a capital letter.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
}

/// The name of a class, or its number where it has none.
pub fn class_name(names: &[String], class: u32) -> String {
    names.get(class as usize).cloned().unwrap_or_else(|| class.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_on_paper() {
        assert_eq!(percent(&Rate::new(5, 10)), "50.0 % (23.7 to 76.3)");
        assert_eq!(short(&Rate::new(1, 3)), "33 %");
        assert_eq!(listed([(0, 1, 0.454), (-1, 2, 0.2)].into_iter()), "(0,1) 45 %, (−1,2) 20 %");
        assert_eq!((cell(Some(-0.12345), 3), cell(None, 3)), ("−0.123".to_owned(), "–".to_owned()));
        assert_eq!(minus("-1 to -2 (-3) of low-pass"), "−1 to −2 (−3) of low-pass");
        assert_eq!((capital("élan"), capital("")), ("Élan".to_owned(), String::new()));
        let names = ["cat".to_owned()];
        assert_eq!((class_name(&names, 0), class_name(&names, 7)), ("cat".to_owned(), "7".to_owned()));
    }
}
