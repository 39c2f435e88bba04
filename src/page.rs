//! A report as one file of HTML that needs no other: figures are in it.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::{disk, html};

/// What a report says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Page {
    /// Heading.
    pub title: String,
    /// What was looked at, in one line.
    pub subtitle: String,
    /// The findings, a sentence or two each.
    pub findings: Vec<String>,
    /// Its sections, in order.
    pub sections: Vec<Section>,
    /// What its numbers mean.
    pub conventions: Vec<Convention>,
    /// By what it was made.
    pub made: String,
}

/// A section of a report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Section {
    /// Heading.
    pub title: String,
    /// Paragraphs.
    pub text: Vec<String>,
    /// A figure below them.
    pub figure: Option<Figure>,
    /// A table below it.
    pub table: Option<Table>,
}

/// A figure of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The PNG in base64.
    data: String,
    /// What it shows.
    pub caption: String,
}

/// A table of a report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Headings of the columns.
    pub head: Vec<String>,
    /// A text for each column.
    pub rows: Vec<Vec<String>>,
}

/// A word and its meaning.
#[derive(Clone, Debug, Serialize)]
pub struct Convention {
    /// The word.
    pub term: String,
    /// What it means here.
    pub meaning: String,
}

impl Figure {
    /// The picture `png`, which is read now.
    ///
    /// # Errors
    /// [`Error::Io`] naming it.
    pub fn read(png: &Path, caption: impl Into<String>) -> Result<Self> {
        let bytes = std::fs::read(png).map_err(Error::io(png, "read"))?;
        Ok(Self { data: STANDARD.encode(bytes), caption: caption.into() })
    }
}

impl Page {
    /// The page as HTML; all text is escaped.
    pub fn html(&self) -> String {
        html::page(include_str!("../assets/templates/report.html"), self)
    }

    /// Writes the page to `out`, complete or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] if `out` cannot be written.
    pub fn write(&self, out: &Path) -> Result<()> {
        disk::write_bytes(out, self.html().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let dir = tempfile::tempdir().unwrap();
        let png = dir.path().join("a.png");
        std::fs::write(&png, b"\x89PNG").unwrap();
        Page {
            title: "Audit of <w>".to_owned(),
            subtitle: "a & b".to_owned(),
            findings: vec!["centroid 0.1 < 0.2".to_owned()],
            sections: vec![
                Section {
                    title: "Layers".to_owned(),
                    text: vec!["One \"paragraph\".".to_owned()],
                    figure: Some(Figure::read(&png, "<script>alert(1)</script>").unwrap()),
                    table: Some(Table {
                        caption: "numbers".to_owned(),
                        head: vec!["layer".to_owned(), "ρ".to_owned()],
                        rows: vec![vec!["conv1".to_owned(), "1.5".to_owned()]],
                    }),
                },
                Section { title: "Without figure".to_owned(), ..Section::default() },
            ],
            conventions: vec![Convention { term: "centroid".to_owned(), meaning: "mean radius".to_owned() }],
            made: "made by hand".to_owned(),
        }
    }

    #[test]
    fn it_says_everything_escaped_and_needs_no_other_file() {
        let html = page().html();
        for part in [
            "<title>Audit of &lt;w&gt;</title>",
            "a &amp; b",
            "<li>centroid 0.1 &lt; 0.2</li>",
            "<h2>Layers</h2>",
            "One &quot;paragraph&quot;.",
            "src=\"data:image/png;base64,iVBORw==\"",
            "<th>ρ</th>",
            "<td>conv1</td><td>1.5</td>",
            "<dt>centroid</dt>",
            "made by hand",
        ] {
            assert!(html.contains(part), "{part}\n{html}");
        }
        assert_eq!(html.matches("<img ").count(), 1);
        for word in ["http", "url(", "@import", "<link", "<script"] {
            assert!(!html.contains(word), "{word}");
        }
    }

    #[test]
    fn figures_that_are_not_there_and_places_that_cannot_be_written_are_named() {
        let missing = Figure::read(Path::new("no-such.png"), "").unwrap_err();
        assert!(missing.to_string().contains("no-such.png"));
        let error = Page::default().write(Path::new("no-such-directory/report.html")).unwrap_err();
        assert!(error.to_string().contains("no-such-directory"));
    }
}
