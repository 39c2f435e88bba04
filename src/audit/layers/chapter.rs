//! The convolutions in the report.

use ndarray::Array2;

use super::{Layer as Convolution, Layers, Quantity, csv};
use crate::audit::chapter::{Chapter, Picture, Words};
use crate::audit::pens::{DRAWN, MEASURED, RADIUS, bars, decades, dotted, measured, title};
use crate::page::{Section, Table};
use crate::plot::{Axis, Block, Heat, Key, Layer, Look, Marker, Panel, Sign, Tile, Tiles};
use crate::spectrum::{mirror, shift_to_centre};

/// The files of the chapter: its tables, its figure.
pub const FILES: [&str; 3] = ["layers.csv", "radial.csv", "layers.png"];

/// What its words mean.
pub const TERMS: [(&str, &str); 4] = [
    ("Centroid", "mean radial frequency, weighted with energy."),
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
        "middle 95 % over layers of independent weights of the same shape, Gaussian (for kernel anisotropy half of \
         them uniform); z: distance from their mean in standard deviations. One layer in twenty lies outside by \
         chance.",
    ),
];

/// The chapter on the convolutions of `network`.
pub fn chapter<'a>(network: &str, layers: &'a Layers) -> Chapter<'a> {
    let (section, findings) = words(layers).section("Weights");
    if layers.layers.is_empty() {
        return Chapter { section: Section { table: None, ..section }, findings, ..Chapter::default() };
    }
    let caption = "Kernels of each convolution by frequency, beside random ones of the same shape. Spectra: \
                   frequency zero in the middle, each over its largest entry.";
    let blocks = figure(&format!("Convolutions of {network}"), layers);
    let figure = Some(Picture { file: FILES[2], caption: caption.to_owned(), blocks });
    let tables = vec![(FILES[0], csv::all(&layers.layers)), (FILES[1], csv::radial(&layers.layers))];
    Chapter { section, findings, figure, tables }
}

fn words(layers: &Layers) -> Words {
    let mut text = in_words(layers);
    let findings = text.iter().skip(1).take(1).cloned().collect();
    text.extend(layers.skipped.iter().map(|s| {
        let sides: Vec<_> = s.shape.iter().map(usize::to_string).collect();
        format!("Left out: {} [{}], {}.", s.name, sides.join(","), s.reason)
    }));
    Words { text, findings, table: Some(layer_table(layers)) }
}

/// What the convolutions are like, in a sentence or two.
fn in_words(layers: &Layers) -> Vec<String> {
    let with = layers.layers.iter().filter_map(|l| Some((l, l.spectrum.as_ref()?, l.init.as_ref()?)));
    let with: Vec<_> = with.collect();
    let flat = layers.layers.iter().filter(|l| l.spectrum.is_none()).count();
    if layers.layers.is_empty() {
        return vec!["The network has no parameters that are kernels of a convolution: there is nothing to measure by its weights alone.".to_owned()];
    }
    let mut text = vec![format!(
        "{} convolutions, {flat} of them without a spectrum of their own (kernels of one weight, or all zero).",
        layers.layers.len()
    )];
    if flat == layers.layers.len() {
        text.push(
            "No kernel has more than one weight that is not zero: there is no spectrum to measure."
                .to_owned(),
        );
    }
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

const LAYER: &str = "convolution, first to last";

/// Convolutions that have a spectrum, with their place among all of them, from 1.
fn with_spectrum(layers: &Layers) -> impl Iterator<Item = (f64, &Convolution)> {
    let all = layers.layers.iter().enumerate();
    all.filter(|(_, layer)| layer.spectrum.is_some()).map(|(i, layer)| ((i + 1) as f64, layer))
}

fn label(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Centroid => "centroid (cycles/pixel)",
        Quantity::Anisotropy => "anisotropy of the layer",
        Quantity::KernelAnisotropy => "anisotropy of its kernels",
        Quantity::DominantShare => "share of the strongest tenth",
        Quantity::Participation => "participation ratio",
    }
}

fn quantity(layers: &Layers, quantity: Quantity) -> Panel {
    let mut panel = Panel::new("", Axis::linear(LAYER), Axis::linear(label(quantity)));
    let (outside, of) = layers.outside(quantity);
    if of > 0 {
        panel.subtitle = format!("{outside} of {of} outside");
    }
    let drawn = with_spectrum(layers).filter_map(|(x, l)| Some((x, l.init.as_ref()?.get(quantity).interval)));
    panel.layers.extend(bars(drawn, DRAWN));
    let measured: Vec<_> =
        with_spectrum(layers).filter_map(|(x, l)| Some((x, l.spectrum.as_ref()?.get(quantity)))).collect();
    panel.layers.extend(dotted(measured, 0.6, MEASURED, Marker::Dot));
    panel
}

/// Energies by radius of all layers, each over that of a flat spectrum.
fn densities(layers: &Layers) -> Option<Panel> {
    let (x, columns): (Vec<f64>, Vec<&Vec<f64>>) =
        with_spectrum(layers).filter_map(|(x, l)| Some((x, &l.spectrum.as_ref()?.radial.density))).unzip();
    let radius = &with_spectrum(layers).next()?.1.spectrum.as_ref()?.radial.radius;
    if x.len() < 2 || radius.len() < 2 || columns.iter().any(|c| c.len() != radius.len()) {
        return None;
    }
    let values = Array2::from_shape_fn((radius.len(), x.len()), |(r, c)| columns[c][r]);
    let mut panel = Panel::new("Energy by frequency", Axis::linear(LAYER), Axis::linear(RADIUS));
    panel.weight = 1.3;
    panel.layers.push(Layer::Heat(Heat {
        x,
        y: radius.clone(),
        values,
        limits: (0.1, 10.0),
        log: true,
        bar: Some("energy / flat spectrum".to_owned()),
    }));
    Some(panel)
}

/// The spectra of a few layers, from the first to the last.
fn spectra(layers: &Layers) -> Option<Tiles> {
    const SHOWN: usize = 6;
    let all: Vec<_> = with_spectrum(layers).map(|(_, l)| l).collect();
    let shown = all.len().min(SHOWN);
    let at = |i: usize| all[if shown < 2 { 0 } else { i * (all.len() - 1) / (shown - 1) }];
    let tile = |layer: &Convolution| {
        let spectrum = layer.spectrum.as_ref()?;
        let [h, w] = layers.grid;
        let rows: Vec<f64> = spectrum.energies.iter().flatten().copied().collect();
        let half = Array2::from_shape_vec((h, w / 2 + 1), rows).ok()?;
        let image = shift_to_centre(mirror(half.view(), w).view());
        Some(Tile { image, look: Look::Decades(2), caption: format!("{:.2} c/px", spectrum.centroid) })
    };
    let names = (0..shown).map(|i| at(i).name.trim_end_matches(".weight").to_owned());
    (shown > 0).then(|| Tiles {
        groups: Vec::new(),
        columns: names.collect(),
        rows: vec![("mean |ŵ(k)|²".to_owned(), (0..shown).map(|i| tile(at(i))).collect())],
        side: 190.0,
    })
}

/// Centroids and energies of all convolutions by frequency.
fn frequencies(layers: &Layers) -> Block {
    let mut panels = vec![title(quantity(layers, Quantity::Centroid), "(a) Centroid")];
    panels.extend(densities(layers).map(|panel| title(panel, "(b) Energy by frequency")));
    Block::Panels(panels, 330.0, 1.0)
}

fn layers_keys() -> Block {
    Block::Legend(vec![
        measured("the network's weights"),
        Key::new(vec![Sign::Line(DRAWN)], "random weights of the same shape, middle 95 % of draws"),
    ])
}

/// The convolutions in short, for an overview.
pub fn in_short(heading: &str, layers: &Layers) -> Vec<Block> {
    if layers.layers.is_empty() {
        return Vec::new();
    }
    vec![Block::Heading(heading.to_owned()), frequencies(layers), layers_keys()]
}

/// Numbers of all convolutions beside those of initialisations.
fn figure(heading: &str, layers: &Layers) -> Vec<Block> {
    let second = vec![
        title(quantity(layers, Quantity::KernelAnisotropy), "(c) Kernel anisotropy"),
        title(quantity(layers, Quantity::DominantShare), "(d) Dominant share"),
        title(quantity(layers, Quantity::Participation), "(e) Participation"),
    ];
    let mut blocks = vec![
        Block::Heading(heading.to_owned()),
        frequencies(layers),
        Block::Panels(second, 300.0, 1.0),
        layers_keys(),
    ];
    if let Some(tiles) = spectra(layers) {
        blocks.push(Block::Tiles(tiles));
        blocks.push(Block::Bars(vec![decades("energy / largest of the layer", 2)]));
    }
    blocks
}
