//! `report.html`: all that was found, in one file.

use std::path::Path;

use super::{Whole, words};
use crate::error::Result;
use crate::page::{Convention, Figure, Page, Section};

/// The page; `picture` is the figure drawn beside it.
pub fn page(whole: &Whole, picture: &Path) -> Result<Page> {
    let report = whole.report;
    let [c, h, w] = report.shape;
    let mut subtitle = format!(
        "{}: {} images, {} classes, {c}×{h}×{w}; {}",
        whole.data, report.images, report.classes, whole.description
    );
    if let Some(test) = &whole.test {
        subtitle += &format!("; test set {}: {}", test.data, test.description);
    }
    let mut tables = words::tables(whole).into_iter();
    let mut sections = vec![
        Section {
            title: "Classes".to_owned(),
            text: report.notes.clone(),
            table: tables.next(),
            ..Section::default()
        },
        Section {
            title: "To look at".to_owned(),
            figure: Some(Figure::read(
                picture,
                "Of the classes with an alarm, or of the first one: mean image and spectrum against the other \
                 classes, and the images that carry most of what was found.",
            )?),
            ..Section::default()
        },
    ];
    sections.extend(tables.map(|table| Section {
        title: "Train against test".to_owned(),
        table: Some(table),
        ..Section::default()
    }));
    Ok(Page {
        title: "Shortcuts".to_owned(),
        subtitle,
        findings: words::findings(whole),
        sections,
        conventions: conventions(),
        made: format!("Made by {}, seed {}.", crate::app::version(), whole.seed),
    })
}

fn conventions() -> Vec<Convention> {
    let convention =
        |(term, meaning): (&str, &str)| Convention { term: term.to_owned(), meaning: meaning.to_owned() };
    [
        (
            "score",
            "A statistic of the class against the other classes over its alarm level; 1 is an alarm. Levels were \
             set on subsets of CIFAR-10 at 32×32 in which nothing was planted.",
        ),
        ("masked", "What the same reader says without the frequencies, the place or the value that it found."),
        (
            "p",
            "How often a group of images drawn without a look at classes has as large a statistic, of 199 groups. \
             Classes differ in content too: a small p alone is no cue.",
        ),
        (
            "AUC alone",
            "Area under the ROC curve of what was found in single images, the class against the rest, with its 95 % \
             interval: what the cue alone is worth.",
        ),
        (
            "told",
            "How early a network would tell the class: the share of it that a linear reader of random convolutions \
             (features as a network with global pooling has first) tells of images it was not fitted to.",
        ),
        ("carriers", "About how many images of the class have it, at a false positive rate of 1 %."),
        ("frequency", "Row and column, in cycles per image; grey, red-green and yellow-blue are opponent planes."),
        (
            "mode",
            "Singular pair of Σyx of pixels in [0, 1], centred per pixel, and centred class indicators; strengths \
             are u·Σyx·v of images that it was not taken from, with their standard error.",
        ),
    ]
    .map(convention)
    .into()
}
