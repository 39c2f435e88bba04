//! Two networks, a and b, on the same images. Differences are b − a.
//!
//! Accuracies are compared image by image: the interval of their difference is that of
//! Agresti & Min (2005) for paired shares, with half an image added to each of the four
//! cells. All other numbers are put side by side as they are.

use serde::{Deserialize, Serialize};

use super::Rate;
use super::chapter::{Chapter, Picture, Words, minus, percent, section};
use super::csv::{self, Cell, Csv};
use super::numbers::{Beside, Measured, Number};
use super::parts::LeftOut;
use super::pens::{MEASURED, OTHER, bars, dotted};
use super::report::OnImages;
use crate::page::Table;
use crate::plot::{Block, Key, Marker, Panel, Pen, Sign};
use crate::stats::Z95;

/// Two networks' answers to the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Images that both answer alike.
    pub agreement: Rate,
    /// Which of the two is right; None without labels.
    pub right: Option<Right>,
}

/// Right answers of two networks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Right {
    /// Images that both answer rightly.
    pub both: u64,
    /// Those that a alone does.
    pub only_a: u64,
    /// Those that b alone does.
    pub only_b: u64,
    /// Those that neither does.
    pub neither: u64,
    /// Accuracy of b less that of a.
    pub difference: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
}

impl Pair {
    /// Of the answers of a and of b to each image and, where known, its class.
    ///
    /// # Panics
    /// Unless there is one of each per image.
    pub fn new(a: &[u32], b: &[u32], labels: Option<&[u32]>) -> Self {
        assert_eq!(a.len(), b.len(), "answers to the same images");
        let same = a.iter().zip(b).filter(|(a, b)| a == b).count();
        let right = labels.map(|labels| {
            assert_eq!(labels.len(), a.len(), "a label for each image");
            let mut cells = [[0u64; 2]; 2];
            for ((a, b), label) in a.iter().zip(b).zip(labels) {
                cells[usize::from(a == label)][usize::from(b == label)] += 1;
            }
            Right::new(cells)
        });
        Self { agreement: Rate::new(same as u64, a.len() as u64), right }
    }
}

impl Right {
    // Images by whether a and b are right.
    fn new([[neither, only_b], [only_a, both]]: [[u64; 2]; 2]) -> Self {
        let n = (neither + only_b + only_a + both) as f64;
        let [a, b] = [only_a, only_b].map(|count| count as f64);
        let (a_more, b_more, m) = (a + 0.5, b + 0.5, n + 2.0);
        let middle = (b_more - a_more) / m;
        let reach = Z95 * (a_more + b_more - (b_more - a_more).powi(2) / m).sqrt() / m;
        Self {
            both,
            only_a,
            only_b,
            neither,
            difference: (b - a) / n,
            interval: [(middle - reach).max(-1.0), (middle + reach).min(1.0)],
        }
    }
}

/// The files of the pair: its table, its figure.
pub const FILES: [&str; 2] = ["pair.csv", "pair.png"];

/// The numbers that were found for both networks on the same images.
pub fn numbers(a: &OnImages, b: &OnImages, pair: &Pair) -> Vec<Number> {
    let accuracy = |on: &OnImages| on.images.as_ref().and_then(|i| i.accuracy).map(Measured::from);
    let mut all = Vec::new();
    if let Some((of_a, of_b)) = accuracy(a).zip(accuracy(b)) {
        let mut number = Number::new("accuracy", "", of_a, of_b);
        if let Some(right) = pair.right {
            number.difference.interval = Some(right.interval);
        }
        all.push(number);
    }
    all.extend(a.found.numbers(&b.found));
    all
}

/// The chapter on the second network on images; None where there is nothing to say.
/// `heading` names both networks.
pub fn chapter<'a>(
    heading: &str,
    a: &'a OnImages,
    b: &'a OnImages,
    pair: Option<&Pair>,
) -> Option<Chapter<'a>> {
    let missing = b.left_out.iter().filter(|l| !a.left_out.contains(l));
    let missing: Vec<_> = missing.map(|LeftOut { part, why }| format!("Not of b: {part}: {why}.")).collect();
    let Some(pair) = pair else {
        let section = section("The second network on images", missing);
        return (!section.text.is_empty()).then(|| Chapter { section, ..Chapter::default() });
    };
    let numbers = numbers(a, b, pair);
    let (section, findings) = words(pair, missing, &numbers).section("Both networks on the same images");
    let caption = "Both networks on the same images, with 95 % intervals.".to_owned();
    let figure = figure(heading, a.found.beside(&b.found));
    let figure = figure.map(|blocks| Picture { file: FILES[1], caption, blocks });
    Some(Chapter { section, findings, figure, tables: vec![(FILES[0], table(&numbers))] })
}

fn words(pair: &Pair, missing: Vec<String>, numbers: &[Number]) -> Words {
    let mut words = Words::default();
    if let Some(right) = &pair.right {
        let [low, high] = right.interval.map(|v| 100.0 * v);
        words.find(minus(&format!(
            "On the same images b has {:+.1} points of accuracy ({low:+.1} to {high:+.1}): {} are right in both, {} in \
             a alone, {} in b alone.",
            100.0 * right.difference,
            right.both,
            right.only_a,
            right.only_b
        )));
    }
    words.text.push(format!("Both give the same answer to {}.", percent(&pair.agreement)));
    words.text.extend(missing);
    let cell = |m: &Measured, unit: &str, sign: bool| {
        let one = |v: f64| match (matches!(unit, "entries" | "frequencies"), sign) {
            (true, false) => format!("{v:.0}"),
            (true, true) => format!("{v:+.0}"),
            (false, false) => format!("{v:.3}"),
            (false, true) => format!("{v:+.3}"),
        };
        let interval = m.interval.map(|[low, high]| format!(" ({} to {})", one(low), one(high)));
        minus(&format!("{}{}", one(m.value), interval.unwrap_or_default()))
    };
    let rows = numbers.iter().map(|n| {
        let name = if n.unit.is_empty() { n.name.to_owned() } else { format!("{} ({})", n.name, n.unit) };
        vec![name, cell(&n.a, n.unit, false), cell(&n.b, n.unit, false), cell(&n.difference, n.unit, true)]
    });
    let rows: Vec<_> = rows.collect();
    let paired = "That of the accuracies' difference is paired, image by image; others are";
    let caption = format!(
        "95 % intervals in parentheses. {} put together as if the two were independent, and are rather too wide.",
        if pair.right.is_some() { paired } else { "Those of differences are" }
    );
    let head = ["", "a", "b", "b − a"].map(str::to_owned).to_vec();
    words.table = (!rows.is_empty()).then_some(Table { caption, head, rows });
    words
}

/// What two networks have measured alike: a line per number.
fn table(numbers: &[Number]) -> Csv<'static> {
    let header = csv::header(&["number", "unit"], &["a", "b", "difference"]);
    let cells = |found: Measured| -> [Cell<'static>; 3] {
        let [low, high] = found.interval.map_or([None; 2], |interval| interval.map(Some));
        [Cell::Number(found.value), low.into(), high.into()]
    };
    let rows = numbers.iter().map(|number| {
        let mut row = vec![Cell::Text(number.name), Cell::Text(number.unit)];
        row.extend([number.a, number.b, number.difference].into_iter().flat_map(cells));
        row
    });
    Csv::new(header, rows)
}

/// What both were measured on; None where that is nothing.
fn figure(heading: &str, all: Vec<Beside>) -> Option<Vec<Block>> {
    let looks = [(MEASURED, Marker::Dot), (OTHER, Marker::Ring)];
    let drawn = all.into_iter().enumerate().map(|(i, Beside { panel, points })| {
        let letter = char::from(b'a' + i as u8);
        let mut panel = Panel { title: format!("({letter}) {}", panel.title), ..panel };
        for ((pen, marker), points) in looks.into_iter().zip(points) {
            let reach = points.iter().filter_map(|(x, _, interval)| Some((*x, (*interval)?)));
            panel.layers.extend(bars(reach, Pen { width: 0.8, ..pen }));
            panel.layers.extend(dotted(points.iter().map(|(x, y, _)| (*x, *y)).collect(), 0.7, pen, marker));
        }
        panel
    });
    let mut panels = drawn.peekable();
    panels.peek()?;
    let mut blocks = vec![Block::Heading(heading.to_owned())];
    while panels.peek().is_some() {
        blocks.push(Block::Panels(panels.by_ref().take(2).collect(), 300.0, 1.0));
    }
    let key =
        |pen: Pen, marker, name| Key::new(vec![Sign::Line(pen), Sign::Marker(marker, pen.colour)], name);
    blocks.push(Block::Legend(vec![
        key(MEASURED, Marker::Dot, "a"),
        key(OTHER, Marker::Ring, "b (bars: 95 % intervals)"),
    ]));
    Some(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::report::Images;

    #[test]
    fn answers_are_counted_in_four_cells() {
        let labels = [0, 0, 1, 1, 2, 2, 2, 0];
        let a = [0, 0, 1, 0, 2, 1, 0, 1];
        let b = [0, 1, 1, 1, 2, 2, 0, 2];
        let pair = Pair::new(&a, &b, Some(&labels));
        assert_eq!((pair.agreement.count, pair.agreement.of), (4, 8));
        let right = pair.right.unwrap();
        assert_eq!((right.both, right.only_a, right.only_b, right.neither), (3, 1, 2, 2));
        assert_eq!(right.difference, 0.125);
        // 1.5 and 2.5 of 10: 0.1 ± 1.96 √(4 − 0.1)/10.
        let reach = 1.959964 * 3.9f64.sqrt() / 10.0;
        assert!((right.interval[0] - (0.1 - reach)).abs() < 1e-6);
        assert!((right.interval[1] - (0.1 + reach)).abs() < 1e-6);
        assert_eq!(Pair::new(&a, &b, None).right, None);
    }

    // Pairs of networks that are right with given chances: the interval holds the true
    // difference about as often as it says.
    #[test]
    fn paired_intervals_cover() {
        use rand::Rng;
        let mut rng = crate::seed::rng(3, "test/pair", 0);
        let (draws, images) = (2000, 150);
        let mut held = 0;
        for _ in 0..draws {
            let mut cells = [[0u64; 2]; 2];
            for _ in 0..images {
                let cell = match rng.random::<f64>() {
                    p if p < 0.70 => (1, 1),
                    p if p < 0.75 => (1, 0),
                    p if p < 0.87 => (0, 1),
                    _ => (0, 0),
                };
                cells[cell.0][cell.1] += 1;
            }
            let [low, high] = Right::new(cells).interval;
            held += usize::from(low <= 0.07 && 0.07 <= high);
        }
        let share = held as f64 / draws as f64;
        assert!((0.93..0.97).contains(&share), "{share}");
    }

    #[test]
    fn what_only_one_has_is_no_number() {
        let with = |accuracy: Option<Rate>| OnImages {
            images: Some(Images {
                spec: String::new(),
                split: None,
                description: String::new(),
                decoder: None,
                told: Default::default(),
                count: 4,
                shape: [1, 2, 2],
                classes: None,
                normalize: String::new(),
                accuracy,
            }),
            ..OnImages::default()
        };
        let (a, b) = (with(Some(Rate::new(3, 4))), with(Some(Rate::new(2, 4))));
        let pair = Pair::new(&[0, 0, 0, 1], &[0, 0, 1, 1], Some(&[0; 4]));
        assert!(numbers(&a, &with(None), &pair).is_empty());
        let found = numbers(&a, &b, &pair);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name, found[0].difference.value), ("accuracy", -0.25));
        assert_eq!(found[0].difference.interval, Some(pair.right.unwrap().interval));
    }
}
