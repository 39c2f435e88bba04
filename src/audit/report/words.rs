//! What an audit found, in words.

use super::{Audit, OnImages, Second, Series};
use crate::audit::adcs::Variant;
use crate::audit::bands::Bands;
use crate::audit::heatmap::HeatMap;
use crate::audit::layers::{Layers, Quantity};
use crate::audit::page::{Convention, Section, Table};
use crate::audit::profile::{End, Profile};
use crate::audit::shape::ShapeBias;
use crate::audit::swap::Swap;
use crate::audit::{Rate, Reference, pair};
use crate::weights::Origin;

/// A share in words: "81.0 % (80.2 to 81.8)".
pub fn percent(rate: &Rate) -> String {
    let [low, high] = rate.interval.map(|v| 100.0 * v);
    format!("{:.1} % ({low:.1} to {high:.1})", 100.0 * rate.share)
}

fn names(frequencies: impl Iterator<Item = (i32, i32, f64)>) -> String {
    let listed: Vec<_> =
        frequencies.map(|(row, col, share)| format!("({row},{col}) {:.0} %", 100.0 * share)).collect();
    listed.join(", ").replace('-', "−")
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

/// What the convolutions are like, in a sentence or two.
fn layers_in_words(layers: &Layers) -> Vec<String> {
    let with = layers.layers.iter().filter_map(|l| Some((l, l.spectrum.as_ref()?, l.init.as_ref()?)));
    let with: Vec<_> = with.collect();
    let flat = layers.layers.iter().filter(|l| l.spectrum.is_none()).count();
    let mut text = vec![format!(
        "{} convolutions, {flat} of them without a spectrum of their own (kernels of one weight, or all zero).",
        layers.layers.len()
    )];
    if with.is_empty() {
        return text;
    }
    let lower = with.iter().filter(|(_, s, i)| i.centroid.outside && s.centroid < i.centroid.mean).count();
    let higher = with.iter().filter(|(_, s, i)| i.centroid.outside && s.centroid > i.centroid.mean).count();
    let count = with.len();
    let chance = 0.05 * count as f64;
    text.push(format!(
        "Against random kernels of the same shape, {lower} of {count} convolutions have moved to lower and {higher} to \
         higher frequencies (centroid outside the middle 95 % of {} draws; {chance:.2} would be by chance).",
        layers.draws
    ));
    let oriented = with
        .iter()
        .filter(|(_, s, i)| i.kernel_anisotropy.outside && s.kernel_anisotropy > i.kernel_anisotropy.mean);
    text.push(format!("In {} of {count} kernels are more oriented than random ones.", oriented.count()));
    if let Some((layer, spectrum, init)) = with
        .iter()
        .max_by(|a, b| a.2.centroid.z.map_or(0.0, f64::abs).total_cmp(&b.2.centroid.z.map_or(0.0, f64::abs)))
    {
        text.push(format!(
            "Furthest from random is {}: centroid {:.3} cycles per pixel, {:.3} at random.",
            layer.name, spectrum.centroid, init.centroid.mean
        ));
    }
    text
}

fn layer_table(layers: &Layers) -> Table {
    let head =
        ["layer", "kernels", "centroid", "initial 95 %", "z", "kernel anisotropy", "dominant share", "PR"];
    let rows = layers.layers.iter().map(|layer| {
        let [o, i, r, s] = layer.shape;
        let mut row = vec![layer.name.clone(), format!("{o}×{i} of {r}×{s}")];
        match (&layer.spectrum, layer.without()) {
            (Some(spectrum), _) => {
                let init = layer.init.as_ref().map(|i| i.get(Quantity::Centroid));
                let interval = init
                    .map_or_else(String::new, |d| format!("{:.3} to {:.3}", d.interval[0], d.interval[1]));
                let z =
                    init.and_then(|d| d.z).map_or_else(String::new, |z| format!("{z:+.1}").replace('-', "−"));
                row.extend([
                    format!("{:.3}", spectrum.centroid),
                    interval,
                    z,
                    format!("{:.2}", spectrum.kernel_anisotropy),
                    format!("{:.2}", spectrum.dominant_share),
                    format!("{:.0}", spectrum.participation),
                ]);
            }
            (None, why) => {
                row.push(why.unwrap_or_default().to_owned());
                row.resize(head.len(), String::new());
            }
        }
        row
    });
    Table {
        caption: format!(
            "Centroids in cycles per pixel, on a grid of {}×{}; initial: {} draws.",
            layers.grid[0], layers.grid[1], layers.draws
        ),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

fn section(title: &str, text: Vec<String>) -> Section {
    Section { title: title.to_owned(), text, ..Section::default() }
}

/// A part of the report: its section, and what of it is a finding.
pub struct Part {
    /// The figure's file, where there is one, and its caption.
    pub figure: Option<(&'static str, String)>,
    /// The section, without its figure.
    pub section: Section,
    /// Findings in a sentence each.
    pub findings: Vec<String>,
}

impl Audit {
    /// The report, part by part.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = vec![self.loaded(), self.about_layers()];
        parts.extend(self.second.as_ref().map(about_second));
        parts.extend(self.about_pair());
        parts.extend(self.series.as_ref().map(about_series));
        parts.extend(self.on_images.parts());
        parts
    }

    fn loaded(&self) -> Part {
        let network = &self.network;
        let mut text = vec![format!(
            "{}: {} tensors, {} numbers (XXH3-128 {}).",
            network.weights, network.tensors, network.numbers, network.hash
        )];
        for note in network.origin.iter().flat_map(Origin::notes) {
            text.push(format!("{}.", capital(&note)));
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
        Part { figure: None, section: section("What was loaded", text), findings }
    }

    fn about_layers(&self) -> Part {
        let mut text = layers_in_words(&self.layers);
        let findings = text.iter().skip(1).take(1).cloned().collect();
        text.extend(self.layers.skipped.iter().map(|s| {
            let sides: Vec<_> = s.shape.iter().map(usize::to_string).collect();
            format!("Left out: {} [{}], {}.", s.name, sides.join(","), s.reason)
        }));
        let section = Section { table: Some(layer_table(&self.layers)), ..section("Weights", text) };
        let caption = "Kernels of each convolution by frequency, beside random ones of the same shape. Spectra: \
                       frequency zero in the middle, each over its largest entry.";
        Part { figure: Some(("layers.png", caption.to_owned())), section, findings }
    }
}

impl OnImages {
    /// The report on it, part by part.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        parts.extend(self.first.as_ref().map(about_first));
        if self.modes.is_some() || self.jacobian.is_some() {
            parts.push(self.about_modes());
        }
        parts.extend(self.heatmap.as_ref().map(about_heatmap));
        parts.extend(self.bands.as_ref().map(about_bands));
        if self.adcs.is_some() || self.dominance.is_some() {
            parts.push(self.about_dominance());
        }
        parts.extend(self.swap.as_ref().map(about_swap));
        parts.extend(self.shape.as_ref().map(about_shape));
        if !self.left_out.is_empty() {
            let text = self.left_out.iter().map(|l| format!("{}: {}.", l.part, l.why)).collect();
            let section = section("Not looked at", text);
            parts.push(Part { figure: None, section, findings: Vec::new() });
        }
        parts
    }

    fn about_modes(&self) -> Part {
        let (mut text, mut findings) = (Vec::new(), Vec::new());
        if let Some(jacobian) = &self.jacobian {
            let strongest = jacobian.strongest.iter().take(3).map(|s| (s.row, s.col, s.share));
            let how = match jacobian.draws {
                None => "exact".to_owned(),
                Some(draws) => {
                    format!("estimated from {draws} random signs of the {} outputs", jacobian.outputs)
                }
            };
            let line = format!(
                "Squared Jacobian of the outputs: energy-weighted mean frequency {:.3} cycles per pixel; half of the energy \
                 is in {:.0} of {} frequencies.",
                jacobian.centroid.value, jacobian.half.value, jacobian.frequencies
            );
            text.push(format!(
                "{line} Strongest: {}. Mean over {} images, {how}.",
                names(strongest),
                jacobian.images
            ));
            findings.push(line);
        }
        let mut table = None;
        if let Some(uses) = &self.modes {
            let with =
                uses.modes.iter().enumerate().filter_map(|(i, m)| Some((i + 1, m, m.template.as_ref()?)));
            let with: Vec<_> = with.collect();
            if !with.is_empty() {
                let mean = |f: &dyn Fn(&crate::audit::gradient::TemplateUse) -> f64| {
                    with.iter().map(|(_, _, t)| f(t)).sum::<f64>() / with.len() as f64
                };
                text.push(format!(
                    "Modes of these images are {}; for the {} strongest, the image that the network uses (its template) \
                     has {:.0} % of its energy at the frequencies that hold half of the mode's.",
                    uses.count,
                    with.len(),
                    100.0 * mean(&|t| t.on_dominant.value)
                ));
            }
            let rows = uses.modes.iter().enumerate().map(|(i, m)| {
                let mut row = vec![
                    (i + 1).to_string(),
                    format!("{:.3}", m.s),
                    format!("{:.1}", m.rho),
                    m.strength
                        .map_or_else(|| "–".to_owned(), |a| format!("{:.2}", a.value).replace('-', "−")),
                    format!("{:.1}", m.participation),
                ];
                match &m.template {
                    Some(t) => row.extend([
                        format!("{:.1}", t.participation.value),
                        format!("{:.2}", t.overlap.value),
                        format!("{:.2}", t.on_dominant.value),
                        format!("{:+.2}", t.cosine.value).replace('-', "−"),
                        names(t.strongest.iter().take(2).map(|s| (s.row, s.col, s.share))),
                    ]),
                    None => row.resize(10, "–".to_owned()),
                }
                row
            });
            let head = [
                "mode",
                "s",
                "ρ",
                "a/s",
                "PR of v",
                "PR used",
                "overlap",
                "on dominant",
                "cosine",
                "strongest used",
            ];
            table = Some(Table {
                caption: format!(
                    "Modes of the images and the network's templates; strengths on {} images, Jacobians at {}.",
                    uses.images, uses.jacobians
                ),
                head: head.map(str::to_owned).to_vec(),
                rows: rows.collect(),
            });
        }
        let section = Section { table, ..section("Which frequencies its outputs react to", text) };
        let caption =
            "Templates of the modes beside the modes themselves, and the energy of the Jacobian by radius.";
        Part { figure: Some(("modes.png", caption.to_owned())), section, findings }
    }

    fn about_dominance(&self) -> Part {
        let (mut text, mut findings) = (Vec::new(), Vec::new());
        if let Some(adcs) = &self.adcs {
            text.push(format!(
                "ADCS compares the amplitude spectra of {} classes ({}): red where a class has more than the others, blue \
                 where it has less. It is a property of the images.",
                adcs.classes.len(),
                match adcs.variant {
                    Variant::Paper => "as the paper defines it",
                    Variant::Published => "as the paper's published code computes it",
                }
            ));
        }
        let mut table = None;
        if let Some(found) = &self.dominance {
            let names = self.class_names();
            let name = |c: u32| names.get(c as usize).cloned().unwrap_or_else(|| c.to_string());
            let against = match found.reference {
                Reference::Labels => "labels",
                Reference::Predictions => "the network's own answers",
            };
            text.push(format!(
                "The importance of a frequency for a class is how much the loss of its images grows without it \
                 ({} passes over the images, {}; against {against}).",
                found.passes,
                match found.patch {
                    1 => "each frequency by itself".to_owned(),
                    p => format!("patches of {p}×{p} frequencies at once, not each by itself"),
                }
            ));
            // Classes that keep most of their right answers on a twentieth of the plane.
            let fewest = |c: &crate::audit::dominance::Class| {
                c.reduced
                    .iter()
                    .filter(|r| r.share <= 0.051)
                    .max_by(|a, b| a.share.total_cmp(&b.share))
                    .copied()
            };
            let kept: Vec<_> = found
                .classes
                .iter()
                .filter_map(|c| Some((c, fewest(c)?)))
                .filter(|(c, r)| {
                    let (all, few) = (&c.positives, &r.positives);
                    all.right.share > 0.0
                        && few.right.share >= 0.5 * all.right.share
                        && few.right.interval[0] > few.wrong.interval[1]
                })
                .map(|(c, r)| {
                    format!(
                        "{} ({} right, {} false)",
                        name(c.class),
                        percent(&r.positives.right),
                        percent(&r.positives.wrong)
                    )
                })
                .collect();
            let line = if kept.is_empty() {
                "No class both keeps half of its right answers on 5 % of the frequencies and is answered clearly more often to \
                 its own images than to others."
                    .to_owned()
            } else {
                format!(
                    "On 5 % of the frequencies alone these classes keep at least half of their right answers, and more than \
                     other images are taken for them: {}: candidates for frequency shortcuts.",
                    kept.join(", ")
                )
            };
            text.push(line.clone());
            findings.push(line);
            let shares: Vec<f64> = found
                .classes
                .first()
                .map(|c| c.reduced.iter().map(|r| r.share).collect())
                .unwrap_or_default();
            let mut head =
                vec!["class".to_owned(), "images".to_owned(), "right".to_owned(), "false".to_owned()];
            for share in &shares {
                head.extend([
                    format!("right, {:.0} %", 100.0 * share),
                    format!("false, {:.0} %", 100.0 * share),
                ]);
            }
            let rows = found.classes.iter().map(|c| {
                let mut row = vec![
                    name(c.class),
                    c.images.to_string(),
                    short(&c.positives.right),
                    short(&c.positives.wrong),
                ];
                for r in &c.reduced {
                    row.extend([short(&r.positives.right), short(&r.positives.wrong)]);
                }
                row
            });
            table = Some(Table {
                caption: "True and false positives of each class, with all frequencies and with the share of the plane that \
                          matters most for the class."
                    .to_owned(),
                head,
                rows: rows.collect(),
            });
        }
        let section = Section { table, ..section("Frequencies of classes", text) };
        let caption = "ADCS of the classes, importance of frequencies (frequency zero in the middle), and answers where only \
                       the most important ones are kept.";
        Part { figure: Some(("classes.png", caption.to_owned())), section, findings }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
}

fn short(rate: &Rate) -> String {
    format!("{:.0} %", 100.0 * rate.share)
}

fn about_second(second: &Second) -> Part {
    let comparison = &second.comparison;
    let mut text = vec![format!(
        "b is {}; {} convolutions are in both, {} only in a, {} only in b, {} of another shape.",
        second.network.weights,
        comparison.changes.len(),
        comparison.only_a.len(),
        comparison.only_b.len(),
        comparison.misshapen.len()
    )];
    let moved: Vec<f64> = comparison.changes.iter().filter_map(|c| c.centroid).collect();
    let mut findings = Vec::new();
    if !moved.is_empty() {
        let up = moved.iter().filter(|c| **c > 0.0).count();
        let mean = moved.iter().sum::<f64>() / moved.len() as f64;
        let line = format!(
            "From a to b the centroid rises in {up} of {} convolutions; it changes by {mean:+.4} cycles per pixel on average.",
            moved.len()
        )
        .replace(" -", " −");
        text.push(line.clone());
        findings.push(line);
    }
    let head = ["layer", "‖W_b − W_a‖/‖W_a‖", "centroid", "kernel anisotropy", "dominant share", "distance"];
    let cell = |v: Option<f64>, digits: usize| {
        v.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}").replace('-', "−"))
    };
    let rows = comparison.changes.iter().map(|c| {
        vec![
            c.name.clone(),
            cell(c.relative, 3),
            cell(c.centroid, 4),
            cell(c.kernel_anisotropy, 3),
            cell(c.dominant_share, 3),
            cell(c.distance, 3),
        ]
    });
    let table = Table {
        caption: "b − a; distance: share of the energy that is at other frequencies.".to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    };
    let section = Section { table: Some(table), ..section("Against the second network", text) };
    let figure = ("comparison.png", "What is different in b, layer by layer.".to_owned());
    Part { figure: Some(figure), section, findings }
}

impl Audit {
    /// The second network on images; None where there is no second, or nothing to say.
    fn about_pair(&self) -> Option<Part> {
        let second = self.second.as_ref()?;
        let (a, b) = (&self.on_images, &second.on_images);
        let missing = b.left_out.iter().filter(|l| !a.left_out.contains(l));
        let missing: Vec<_> = missing.map(|l| format!("Not of b: {}: {}.", l.part, l.why)).collect();
        let Some(pair) = &second.pair else {
            let section = section("The second network on images", missing);
            return (!section.text.is_empty()).then_some(Part {
                figure: None,
                section,
                findings: Vec::new(),
            });
        };
        let (mut text, mut findings) = (Vec::new(), Vec::new());
        if let Some(right) = &pair.right {
            let [low, high] = right.interval.map(|v| 100.0 * v);
            let line = format!(
                "On the same images b has {:+.1} points of accuracy ({low:+.1} to {high:+.1}): {} are right in both, {} in \
                 a alone, {} in b alone.",
                100.0 * right.difference,
                right.both,
                right.only_a,
                right.only_b
            );
            findings.push(minus(&line));
        }
        text.extend(findings.iter().cloned());
        text.push(format!("Both give the same answer to {}.", percent(&pair.agreement)));
        text.extend(missing);
        let numbers = pair::numbers(a, b, pair);
        let whole = |unit: &str| matches!(unit, "entries" | "frequencies");
        let cell = |m: &pair::Measured, unit: &str, sign: bool| {
            let one = |v: f64| match (whole(unit), sign) {
                (true, false) => format!("{v:.0}"),
                (true, true) => format!("{v:+.0}"),
                (false, false) => format!("{v:.3}"),
                (false, true) => format!("{v:+.3}"),
            };
            let interval = m
                .interval
                .map_or_else(String::new, |[low, high]| format!(" ({} to {})", one(low), one(high)));
            minus(&format!("{}{interval}", one(m.value)))
        };
        let rows = numbers.iter().map(|n| {
            let name = if n.unit.is_empty() { n.name.to_owned() } else { format!("{} ({})", n.name, n.unit) };
            vec![
                name,
                cell(&n.a, n.unit, false),
                cell(&n.b, n.unit, false),
                cell(&n.difference, n.unit, true),
            ]
        });
        let paired = "That of the accuracies' difference is paired, image by image; others are";
        let table = Table {
            caption: format!(
                "95 % intervals in parentheses. {} put together as if the two were independent, and are rather too wide.",
                if pair.right.is_some() { paired } else { "Those of differences are" }
            ),
            head: ["", "a", "b", "b − a"].map(str::to_owned).to_vec(),
            rows: rows.collect(),
        };
        let figure = ("pair.png", "Both networks on the same images, with 95 % intervals.".to_owned());
        let table = (!table.rows.is_empty()).then_some(table);
        let section = Section { table, ..section("Both networks on the same images", text) };
        Some(Part { figure: Some(figure), section, findings })
    }
}

// Numbers as they are printed; hyphens between letters stay.
fn minus(text: &str) -> String {
    let text = text.replace(" -", " −").replace("(-", "(−");
    text.strip_prefix('-').map_or(text.clone(), |rest| format!("−{rest}"))
}

fn about_series(series: &Series) -> Part {
    let (first, last) =
        (series.steps.first().copied().unwrap_or(0), series.steps.last().copied().unwrap_or(0));
    let text = vec![format!(
        "{} looks from step {first} to {last}: the checkpoints that were kept and, at step 0, the initial weights.",
        series.steps.len()
    )];
    let figure = ("series.png", "Convolutions over training, the first dark, the last bright.".to_owned());
    Part { figure: Some(figure), section: section("Over training", text), findings: Vec::new() }
}

fn about_first(first: &Profile) -> Part {
    let [c, r, s] = first.shape;
    let interval = first
        .interval
        .map_or_else(String::new, |[a, b]| format!(" (95 % of bootstraps of the filters: {a:.2} to {b:.2})"));
    let line = format!(
        "The first layer's energy profile on the principal components of image patches correlates {:.3}{interval} with \
         that of gradient descent on a linear network, its time fitted; random filters reach {:.2} to {:.2}{}.",
        first.correlation,
        first.random[0],
        first.random[1],
        if first.correlation > first.random[1] { "" } else { ", so that this says nothing" }
    )
    .replace('-', "−");
    let text = vec![
        line.clone(),
        format!(
            "{} filters of {c}×{r}×{s}{}, {} patches of {} images. Fitted time: {:.3} time constants \
             of the first component{}. Chowers & Weiss (ICML 2023), theorem 4.2.",
            first.filters,
            if first.initial { " less the initial ones" } else { "" },
            first.patches,
            first.images,
            first.tau,
            match first.end {
                End::Inside => "",
                End::Early => " (the earliest that was tried)",
                End::Late => " (the latest that was tried)",
            }
        ),
    ];
    let figure = ("first.png", "Measured profile, and the fitted one of a linear network.".to_owned());
    Part { figure: Some(figure), section: section("First layer", text), findings: vec![line] }
}

fn about_heatmap(map: &HeatMap) -> Part {
    let what = if map.labelled { "errors" } else { "changed answers" };
    let worst = map.entries.iter().max_by(|a, b| a.error.share.total_cmp(&b.error.share));
    let least = map.entries.iter().min_by(|a, b| a.error.share.total_cmp(&b.error.share));
    let mut findings = Vec::new();
    let mut text = Vec::new();
    if let (Some(worst), Some(least)) = (worst, least) {
        let at = |e: &crate::audit::heatmap::Entry| format!("({},{})", e.row, e.col).replace('-', "−");
        let clean = map.clean.map_or_else(String::new, |c| format!("; undisturbed: {}", percent(&c)));
        let line = format!(
            "Disturbed by a single frequency of norm {:.2} per channel, the network makes most {what} at {}: {}, and \
             fewest at {}: {}{clean}.",
            map.options.epsilon,
            at(worst),
            percent(&worst.error),
            at(least),
            percent(&least.error)
        );
        findings.push(line.clone());
        text.push(line);
    }
    text.push(match map.sampled {
        Some(count) => format!(
            "A quick map: {count} of {} distinct frequencies were drawn (seed {}); what is grey was not computed.",
            map.frequencies, map.options.seed
        ),
        None => format!("All {} distinct frequencies of the window, {} images.", map.frequencies, map.images),
    });
    let caption = "Fourier heat map (Yin et al. 2019): frequency zero in the middle; half of it computed, the rest mirrored.";
    let figure = Some(("heatmap.png", caption.to_owned()));
    Part { figure, section: section("Fourier heat map", text), findings }
}

fn about_bands(bands: &Bands) -> Part {
    let half = |accuracy: Option<f64>, agreement: Option<f64>| {
        if bands.accuracy.is_some() { accuracy } else { agreement }
    };
    let what = if bands.accuracy.is_some() { "accuracy" } else { "agreement with its own answers" };
    let mut findings = Vec::new();
    let low = half(bands.low.half_accuracy, bands.low.half_agreement);
    let high = half(bands.high.half_accuracy, bands.high.half_agreement);
    let said =
        |r: Option<f64>| r.map_or_else(|| "at no radius".to_owned(), |r| format!("{r:.3} cycles per pixel"));
    findings.push(format!(
        "Radius at which it is half-way between chance and its full {what}: low-pass {}, high-pass {}.",
        said(low),
        said(high)
    ));
    let mut text = findings.clone();
    text.push(format!(
        "{} images; hard filters in pixel space, the mean of each channel kept; pixels {}.",
        bands.images,
        if bands.clamp { "clipped to [0, 1]" } else { "not clipped" }
    ));
    let figure = ("bands.png", "Answers to low-, high- and band-passed images.".to_owned());
    Part { figure: Some(figure), section: section("Filtered images", text), findings }
}

fn about_swap(swap: &Swap) -> Part {
    let (shares, who) = match &swap.known {
        Some(known) => (known, "of which the network knows both donors"),
        None => (&swap.all, "of all images"),
    };
    let mut text = Vec::new();
    let mut findings = Vec::new();
    if let Some(bias) = &shares.bias {
        let line = format!(
            "With the phases of one image and the amplitudes of another, pairs {who} are answered by the phases' class in \
             {} of the cases that are decided for one of the two.",
            percent(bias)
        );
        findings.push(line.clone());
        text.push(line);
    }
    text.push(format!(
        "All pairs: {} by the phases, {} by the amplitudes, {} another class. Partners of another class are drawn with \
         seed {}{}.",
        percent(&swap.all.phase),
        percent(&swap.all.amplitude),
        percent(&swap.all.other),
        swap.seed,
        match swap.reference {
            Reference::Labels => "",
            Reference::Predictions => "; classes are the network's own answers to the whole images",
        }
    ));
    Part { figure: None, section: section("Phases against amplitudes", text), findings }
}

fn about_shape(shape: &ShapeBias) -> Part {
    let mut text = Vec::new();
    let mut findings = Vec::new();
    if let Some(bias) = &shape.decided.bias {
        let line = format!(
            "Shape bias {}: where shape and texture disagree, {} decisions for the shape and {} for the texture.",
            percent(bias),
            shape.decided.shape,
            shape.decided.texture
        );
        findings.push(line.clone());
        text.push(line);
    }
    text.push(format!(
        "{} images, {} left out whose shape and texture agree; {} of the others are answered as one or the other.",
        shape.images,
        shape.agreeing,
        percent(&shape.either)
    ));
    let figure = ("shape.png", "Shape bias by class of the shape.".to_owned());
    Part { figure: Some(figure), section: section("Shape or texture", text), findings }
}

/// What the words and numbers of a report mean.
pub fn conventions() -> Vec<Convention> {
    let list = [
        (
            "Frequency",
            "(row, column) in cycles per image; a frequency and its conjugate are one, column ≥ 0. Radial \
          frequencies in cycles per pixel, 0 to √½.",
        ),
        (
            "DFT",
            "unitary (1/√n both ways), per channel; energies |x̂(k)|² sum over the full plane to the sum of squares.",
        ),
        ("Centroid", "mean radial frequency, weighted with energy."),
        (
            "PR",
            "participation ratio (Σe)²/Σe² over the full plane: how many entries carry the energy; a cosine has 2.",
        ),
        (
            "Kernel anisotropy",
            "|Σ e(k) exp(2iθ)| / Σ e(k) of each kernel frequency zero left out, averaged with energy as weight; 0 \
          without orientation, 1 for a single one.",
        ),
        (
            "Dominant share",
            "share of the energy on the strongest tenth of the frequencies; 0.1 where all are equal.",
        ),
        (
            "Initial 95 %",
            "middle 95 % over layers of independent weights of the same shape, Gaussian (for kernel anisotropy half of them uniform); z: distance from \
          their mean in standard deviations. One layer in twenty lies outside by chance.",
        ),
        (
            "Intervals",
            "95 %; of shares Wilson's, over images. Numbers in parentheses behind a share are its interval.",
        ),
        (
            "Heat map",
            "pixels in [0, 1] plus a cosine of norm ε in each channel with random sign, cut to [0, 1], then \
          normalised. Yin et al., NeurIPS 2019.",
        ),
        (
            "Template",
            "u_αᵀE with E the mean Jacobian of the logits with respect to normalised images; the mode is \
          s u vᵀ of the images' Σyx. Pinson et al., ICML 2023.",
        ),
        (
            "Overlap, on dominant",
            "Σ min of the two normalised spectra; share of the template's energy at the fewest \
          frequencies that hold half of the mode's.",
        ),
        (
            "ADCS, importance",
            "Wang et al., ICCV 2023: Σ over other classes of the sign of the difference of mean amplitudes; \
          growth of a class's loss when a frequency is taken out.",
        ),
        (
            "Shape bias",
            "decisions for the shape / (for the shape + for the texture). Geirhos et al., ICLR 2019.",
        ),
    ];
    list.map(|(term, meaning)| Convention { term: term.to_owned(), meaning: meaning.to_owned() }).to_vec()
}
