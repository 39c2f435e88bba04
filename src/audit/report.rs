//! What an audit found: `audit.json`, and the same in words.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Rate;
use super::chapter::{self, Chapter, Words, capital, percent};
use super::layers::{self, Comparison, Layers, Series, comparison, series};
use super::pair::{self, Pair};
use super::parts::{Effort, Found, LeftOut, Name, Part, Shown, Within};
use super::pens::draw;
use crate::disk;
use crate::error::{Error, Result};
use crate::field::Told;
use crate::page::{Convention, Figure, Page};
use crate::weights::{Format, Origin};

/// Version of the layout of `audit.json`.
pub const SCHEMA: u32 = 1;
/// Its name.
pub const FILE: &str = "audit.json";
/// The report's.
pub const PAGE: &str = "report.html";

/// Everything an audit found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Version of the layout.
    pub schema: u32,
    /// Version and commit of domfreq.
    pub version: String,
    /// Seed of all draws.
    pub seed: u64,
    /// Whether it was a quick one.
    pub quick: bool,
    /// How much was looked at; None where no images were, and of earlier versions.
    #[serde(default)]
    pub effort: Option<Effort>,
    /// The time that it was given, where that decided how many images and frequencies there are.
    #[serde(default)]
    pub within: Option<Within>,
    /// What was audited.
    pub network: Network,
    /// The convolutions, by their weights alone.
    pub layers: Layers,
    /// What it was compared with.
    pub second: Option<Second>,
    /// The layers at all checkpoints of a run.
    pub series: Option<Series>,
    /// What was found by showing it images.
    #[serde(flatten)]
    pub on_images: OnImages,
}

/// What was found by showing a network images. What was not looked at is null, and
/// `left_out` says why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OnImages {
    /// The images it was shown.
    pub images: Option<Images>,
    /// What was found of each part.
    #[serde(flatten)]
    pub found: Found,
    /// What was not looked at, and why.
    pub left_out: Vec<LeftOut>,
}

/// A network as it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The file of its weights.
    pub weights: String,
    /// How the file was read; None for a checkpoint of a run.
    pub origin: Option<Origin>,
    /// XXH3-128 of names, shapes and numbers, in hexadecimal.
    pub hash: String,
    /// Tensors of its state dict.
    pub tensors: usize,
    /// Numbers in them.
    pub numbers: usize,
    /// What it is; None where only its weights were looked at and no known network fits.
    pub architecture: Option<String>,
    /// How that is known; which network is nearest, where none fits.
    pub how: Option<String>,
}

/// The network it was compared with, b; the audited one is a.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// What it is.
    pub network: Network,
    /// Its convolutions.
    pub layers: Layers,
    /// What is different: b − a.
    pub comparison: Comparison,
    /// What was found by showing it the same images.
    #[serde(default)]
    pub on_images: OnImages,
    /// Its answers beside those of a, where both were shown the same images.
    #[serde(default)]
    pub pair: Option<Pair>,
}

/// The images a network was shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Images {
    /// `--data` as it was given.
    pub spec: String,
    /// Which split; None of a set that is stored in one piece.
    pub split: Option<String>,
    /// Where they came from, in one line.
    pub description: String,
    /// The decoder, where they were decoded: it touches the highest frequencies.
    pub decoder: Option<String>,
    /// What is to be known of them.
    #[serde(flatten)]
    pub told: Told,
    /// How many.
    pub count: usize,
    /// `[c, h, w]`.
    pub shape: [usize; 3],
    /// Names of the classes; None without labels of the network's classes.
    pub classes: Option<Vec<String>>,
    /// How pixels are normalised for the network.
    pub normalize: String,
    /// Right answers; None without labels.
    pub accuracy: Option<Rate>,
}

impl Audit {
    /// Writes `audit.json` into `dir`, complete or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_string(self).expect("every field has a JSON form");
        disk::write_bytes(&dir.join(FILE), text.as_bytes())
    }

    /// Reads the `audit.json` of `dir`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] for what is none, or of a newer layout.
    pub fn read(dir: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let path = dir.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
        let wrong = |e| Error::input(path.display(), "what `domfreq audit` wrote", e);
        let version: Version = serde_json::from_str(&text).map_err(wrong)?;
        if version.schema != SCHEMA {
            let found = format!("schema {}", version.schema);
            return Err(Error::input(path.display(), format_args!("schema {SCHEMA}"), found));
        }
        serde_json::from_str(&text).map_err(wrong)
    }
}

impl Network {
    /// What it is called in headings.
    fn name(&self) -> String {
        let file = Path::new(&self.weights).file_name().unwrap_or_default().to_string_lossy();
        match &self.architecture {
            // Without the size of the head; all checkpoints of runs have one name.
            Some(known) if self.origin.is_none() => known.clone(),
            Some(known) => format!("{} ({file})", known.split(',').next().unwrap_or(known)),
            None => file.into_owned(),
        }
    }

    /// The same with its run, that of RUN/ckpt/step-N/weights.safetensors.
    fn name_and_run(&self) -> String {
        let run = Path::new(&self.weights).ancestors().nth(3).filter(|_| self.origin.is_none());
        match run.and_then(Path::file_name) {
            Some(run) => format!("{} of {}", self.name(), run.to_string_lossy()),
            None => self.name(),
        }
    }
}

impl OnImages {
    /// Names of the classes of the images; none where labels do not count.
    pub fn class_names(&self) -> &[String] {
        self.images.as_ref().and_then(|i| i.classes.as_deref()).unwrap_or_default()
    }

    fn chapters<'a>(&'a self, network: &'a str) -> Vec<Chapter<'a>> {
        self.found.chapters(&Shown { network, classes: self.class_names() })
    }
}

/// Where what is found of the second network on images is kept and drawn.
pub fn second(out: &Path) -> PathBuf {
    out.join("second")
}

/// What an audit writes into a folder, beside what parts keep.
fn files() -> impl Iterator<Item = &'static str> {
    let parts = Name::ALL.iter().map(|part| part.about());
    let parts = parts.flat_map(|about| [Some(about.table), about.figure.map(|(file, _)| file)]).flatten();
    let own = [FILE, PAGE].into_iter().chain(layers::chapter::FILES).chain(comparison::FILES);
    own.chain(pair::FILES).chain(series::FILES).chain(parts)
}

/// Removes what an earlier audit has written into `out`, or left half-written: what is
/// there then belongs together, `audit.json` coming last.
///
/// # Errors
/// [`Error::Io`].
pub fn clear(out: &Path) -> Result<()> {
    for dir in [out.to_path_buf(), second(out)] {
        for path in files().map(|file| dir.join(file)) {
            disk::remove(&path)?;
        }
        for dir in [&dir, &dir.join(super::parts::KEPT)] {
            if dir.exists() {
                disk::sweep_old(dir)?;
            }
        }
    }
    Ok(())
}

impl Audit {
    /// Writes tables and figures into `out`, and puts the report together.
    ///
    /// # Errors
    /// [`Error::Input`] for numbers that cannot be drawn; [`Error::Io`].
    pub fn page(&self, out: &Path) -> Result<Page> {
        let name = self.network.name();
        let mut page = Page {
            title: format!("Frequency audit of {name}"),
            subtitle: match &self.on_images.images {
                Some(images) => format!("{} images of {}", images.count, images.spec),
                None => "by its weights alone".to_owned(),
            },
            conventions: conventions(),
            made: format!("Made by {}, seed {}.", self.version, self.seed),
            ..Page::default()
        };
        if self.quick && self.effort != Some(Effort::Full) {
            page.subtitle += "; a quick audit, with wider intervals than a full one";
        }
        if let Some(Within { asked_s, planned_s }) = self.within {
            let more = if planned_s > asked_s { "; the least there is takes more" } else { "" };
            page.subtitle += &format!(" ({asked_s} s were asked for{more})");
        }
        for chapter in self.chapters(&name) {
            let Chapter { mut section, findings, figure, tables } = chapter;
            tables.into_iter().try_for_each(|(file, table)| table.write(&out.join(file)))?;
            if let Some(figure) = figure {
                let png = out.join(figure.file);
                draw(&figure.blocks, &png)?;
                section.figure = Some(Figure::read(&png, figure.caption)?);
            }
            page.findings.extend(findings);
            page.sections.push(section);
        }
        if let Some(b) = &self.second {
            // The page has what is different; b's own figures are files beside it.
            let out = second(out);
            for chapter in b.on_images.chapters(&b.network.name()) {
                chapter.tables.into_iter().try_for_each(|(file, table)| table.write(&out.join(file)))?;
                chapter.figure.iter().try_for_each(|figure| draw(&figure.blocks, &out.join(figure.file)))?;
            }
        }
        Ok(page)
    }

    /// One page with what was found first of all: kernels, heat map, filtered images.
    ///
    /// # Errors
    /// As [`Self::page`].
    pub fn overview(&self, out: &Path) -> Result<()> {
        let name = self.network.name();
        let Found { heatmap, bands, .. } = &self.on_images.found;
        let shown = Shown { network: &name, classes: self.on_images.class_names() };
        let mut all = layers::chapter::in_short(&format!("Convolutions of {name}"), &self.layers);
        all.extend(heatmap.iter().flat_map(|map| map.figure(&shown)));
        all.extend(bands.iter().flat_map(|bands| bands.in_short(&shown)));
        draw(&all, out)
    }

    fn chapters<'a>(&'a self, name: &'a str) -> Vec<Chapter<'a>> {
        let (section, findings) = self.loaded().section("What was loaded");
        let mut chapters = vec![Chapter { section, findings, ..Chapter::default() }];
        chapters.push(layers::chapter::chapter(name, &self.layers));
        if let Some(b) = &self.second {
            chapters.push(comparison::chapter(&b.network.weights, &b.comparison));
            let heading = format!("a: {}; b: {}", self.network.name_and_run(), b.network.name_and_run());
            chapters.extend(pair::chapter(&heading, &self.on_images, &b.on_images, b.pair.as_ref()));
        }
        chapters.extend(self.series.as_ref().map(|series| series::chapter(name, series)));
        chapters.extend(self.on_images.chapters(name));
        if !self.on_images.left_out.is_empty() {
            let text = self.on_images.left_out.iter().map(|l| format!("{}: {}.", l.part, l.why));
            let section = chapter::section("Not looked at", text.collect());
            chapters.push(Chapter { section, ..Chapter::default() });
        }
        chapters
    }

    fn loaded(&self) -> Words {
        let network = &self.network;
        let mut text = vec![format!(
            "{}: {} tensors, {} numbers (XXH3-128 {}).",
            network.weights, network.tensors, network.numbers, network.hash
        )];
        for note in network.origin.iter().flat_map(Origin::notes) {
            text.push(format!("{}.", capital(&note)));
        }
        let program = network.origin.as_ref().is_some_and(|origin| origin.format == Format::TorchScript);
        if program && self.on_images.images.is_some() {
            text.push("The program was run: it did what is in the file.".to_owned());
        }
        match (&network.architecture, &network.how) {
            (Some(architecture), Some(how)) => text.push(format!("Architecture: {architecture}, {how}.")),
            (None, Some(near)) => text.push(format!("Architecture: not known ({near}).")),
            _ => {}
        }
        let mut findings = Vec::new();
        if let Some(images) = &self.on_images.images {
            let [c, h, w] = images.shape;
            let decoder = images.decoder.as_ref().map_or_else(String::new, |d| format!(", decoded by {d}"));
            let split =
                images.split.as_ref().map_or("no splits".to_owned(), |split| format!("{split} split"));
            text.push(format!(
                "{} images of {} ({split}; {}{decoder}), {c}×{h}×{w}, normalised: {}.",
                images.count, images.spec, images.description, images.normalize
            ));
            if let Some(accuracy) = &images.accuracy {
                let chance = images.classes.as_ref().map_or(0.0, |classes| 1.0 / classes.len() as f64);
                let line = format!(
                    "Accuracy on the images as they are: {}{}.",
                    percent(accuracy),
                    told(accuracy, chance)
                );
                text.push(line.clone());
                findings.push(line);
            }
        }
        Words { text, findings, table: None }
    }
}

/// What an accuracy says where it is not above chance.
fn told(accuracy: &Rate, chance: f64) -> String {
    let [low, high] = accuracy.interval;
    let by_chance = format!("{:.1} %", 100.0 * chance);
    if low > chance {
        String::new()
    } else if high < chance {
        format!(", which is below chance ({by_chance}): are the classes in the network's order?")
    } else {
        format!(", which is not told from chance ({by_chance}): no number on right answers says anything")
    }
}

/// What the words and numbers of a report mean.
fn conventions() -> Vec<Convention> {
    let common = [
        (
            "Frequency",
            "(row, column) in cycles per image; a frequency and its conjugate are one, column ≥ 0. Radial frequencies \
             in cycles per pixel, 0 to √½.",
        ),
        (
            "DFT",
            "unitary (1/√n both ways), per channel; energies |x̂(k)|² sum over the full plane to the sum of squares.",
        ),
        (
            "PR",
            "participation ratio (Σe)²/Σe² over the full plane: how many entries carry the energy; a cosine has 2.",
        ),
        (
            "Strongest",
            "frequencies of the largest single entries first; their shares of the energy have the conjugate's.",
        ),
        (
            "Intervals",
            "95 %; of shares Wilson's, over images. Numbers in parentheses behind a share are its interval.",
        ),
    ];
    let parts = Name::ALL.iter().flat_map(|part| part.about().terms).copied();
    let all = common.into_iter().chain(layers::chapter::TERMS).chain(parts);
    all.map(|(term, meaning)| Convention { term: term.to_owned(), meaning: meaning.to_owned() }).collect()
}
