//! What an audit found, in pictures: one function per part, each a list of blocks
//! for a page of full text width.

use std::path::Path;

use ndarray::Array2;

use super::chart::{
    Axis, Bar, Block, FULL, Heat, Key, Layer, Look, Marker, Panel, Pen, Sign, Stroke, Tile, Tiles, picture,
};
use super::modes::{mirror, shift_to_centre};
use super::style::{DPI, INK, PALETTE, REST};
use crate::audit::Rate;
use crate::audit::adcs::Adcs;
use crate::audit::bands::{Bands, Curve};
use crate::audit::dominance::Dominance;
use crate::audit::gradient::{ModeUses, SquaredJacobian};
use crate::audit::heatmap::HeatMap;
use crate::audit::layers::{Comparison, Layer as Convolution, Layers, Quantity, Trace};
use crate::audit::profile::Profile;
use crate::audit::report::OnImages;
use crate::audit::shape::ShapeBias;
use crate::error::Result;
use crate::spectrum::{Frequency, Grid};

const RADIUS: &str = "radial frequency (cycles/pixel)";
const LAYER: &str = "convolution, first to last";
const MEASURED: Pen = Pen { colour: PALETTE[0], width: 1.3, stroke: Stroke::Solid };
const OTHER: Pen = Pen { colour: PALETTE[1], width: 1.3, stroke: Stroke::Solid };
const DRAWN: Pen = Pen { colour: REST, width: 2.6, stroke: Stroke::Solid };
const LEVEL: Pen = Pen { colour: INK, width: 0.8, stroke: Stroke::Dashed };

/// Writes a page of blocks to `out`.
///
/// # Errors
/// [`crate::Error::Input`] for numbers that cannot be drawn, [`crate::Error::Io`].
pub fn draw(blocks: &[Block], out: &Path) -> Result<()> {
    picture(blocks, FULL)?.save(out, DPI)
}

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

/// A vertical bar for each (x, low, high).
fn bars(all: impl IntoIterator<Item = (f64, [f64; 2])>, pen: Pen) -> impl Iterator<Item = Layer> {
    all.into_iter().map(move |(x, [low, high])| Layer::Line(vec![(x, low), (x, high)], pen))
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
    panel.layers.push(Layer::Line(measured.clone(), Pen { width: 0.6, ..MEASURED }));
    panel.layers.push(Layer::Points(measured, Marker::Dot, MEASURED.colour));
    panel
}

fn title(mut panel: Panel, text: &str) -> Panel {
    panel.title = text.to_owned();
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
    let measured = vec![Sign::Line(MEASURED), Sign::Marker(Marker::Dot, MEASURED.colour)];
    Block::Legend(vec![
        Key::new(measured, "the network's weights"),
        Key::new(vec![Sign::Line(DRAWN)], "random weights of the same shape, middle 95 % of draws"),
    ])
}

/// The convolutions in short, for an overview.
pub fn layers_in_short(heading: &str, layers: &Layers) -> Vec<Block> {
    vec![Block::Heading(heading.to_owned()), frequencies(layers), layers_keys()]
}

/// Numbers of all convolutions beside those of initialisations.
pub fn layers(heading: &str, layers: &Layers) -> Vec<Block> {
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

fn decades(label: &str, decades: i32) -> Bar {
    let marks =
        (0..=decades).map(|d| (f64::from(d) / f64::from(decades), super::style::power_of_ten(d - decades)));
    Bar { label: label.to_owned(), marks: marks.collect(), look: Look::Decades(decades) }
}

/// Energies of the first layer along the principal components of image patches.
pub fn first(first: &Profile) -> Vec<Block> {
    let component = |v: &[f64]| v.iter().enumerate().map(|(i, v)| ((i + 1) as f64, *v)).collect::<Vec<_>>();
    let mut panel = Panel::new(
        "First layer on the principal components of image patches",
        Axis::linear("principal component, largest variance first"),
        Axis::linear("energy profile / its largest entry"),
    );
    panel.subtitle = format!("correlation {:.3}", first.correlation).replace('-', "−");
    let measured = component(&first.measured);
    panel.layers.push(Layer::Line(component(&first.predicted), Pen { stroke: Stroke::Dashed, ..OTHER }));
    panel.layers.push(Layer::Line(measured.clone(), Pen { width: 0.6, ..MEASURED }));
    panel.layers.push(Layer::Points(measured, Marker::Dot, MEASURED.colour));
    vec![
        Block::Panels(vec![panel], 380.0, 0.8),
        Block::Legend(vec![
            Key::new(vec![Sign::Line(MEASURED), Sign::Marker(Marker::Dot, MEASURED.colour)], "measured"),
            Key::new(
                vec![Sign::Line(Pen { stroke: Stroke::Dashed, ..OTHER })],
                "gradient descent in closed form, its time fitted",
            ),
        ]),
    ]
}

fn map(name: &str, values: Array2<f64>, reach: [usize; 2], bar: &str, limits: (f64, f64)) -> Panel {
    let axis = |r: usize| (0..=2 * r).map(|i| i as f64 - r as f64).collect::<Vec<_>>();
    // Rows downwards, as images have them.
    let bottom = reach[0] as f64 + 0.5;
    let y = Axis::linear("row frequency (cycles/image)").within(bottom, -bottom);
    let mut panel = Panel::new(name, Axis::linear("column frequency (cycles/image)"), y);
    panel.layers.push(Layer::Heat(Heat {
        x: axis(reach[1]),
        y: axis(reach[0]),
        values,
        limits,
        log: false,
        bar: Some(bar.to_owned()),
    }));
    panel
}

/// Ends of a colour scale over what is there.
fn limits(values: &Array2<f64>) -> (f64, f64) {
    let there = values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = there.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    if low < high { (low, high) } else { (low.min(0.0), low.max(0.0) + 1.0) }
}

/// Fourier heat map: errors, distances of logits, and errors by radius.
pub fn heatmap(heading: &str, map_: &HeatMap) -> Vec<Block> {
    let what = if map_.labelled { "error rate" } else { "share of changed answers" };
    let (errors, distances) = (map_.grid(), map_.distances());
    let (low, high) = limits(&distances);
    let panels = vec![
        map(&format!("(a) {}", capital(what)), errors, map_.reach, what, (0.0, 1.0)),
        map("(b) Distance of logits", distances, map_.reach, "mean ‖Δz‖₂", (low.min(0.0), high)),
    ];
    let mut curve = Panel::new("(c) By radius", Axis::linear(RADIUS), Axis::linear(what).within(0.0, 1.02));
    curve.layers.extend(bars(map_.radial.iter().map(|r| (r.radius, r.interval)), DRAWN));
    let points: Vec<_> = map_.radial.iter().map(|r| (r.radius, r.error)).collect();
    curve.layers.push(Layer::Line(points.clone(), Pen { width: 0.6, ..MEASURED }));
    curve.layers.push(Layer::Points(points, Marker::Dot, MEASURED.colour));
    let mut keys = vec![
        Key::new(vec![Sign::Line(MEASURED), Sign::Marker(Marker::Dot, MEASURED.colour)], "mean of the ring"),
        Key::new(vec![Sign::Line(DRAWN)], "95 % interval over images"),
    ];
    if let Some(clean) = map_.clean {
        curve.layers.push(Layer::Horizontal(clean.share, LEVEL));
        keys.push(Key::new(vec![Sign::Line(LEVEL)], "undisturbed images"));
    }
    vec![
        Block::Heading(heading.to_owned()),
        Block::Panels(panels, 430.0, 1.0),
        Block::Panels(vec![curve], 280.0, 0.7),
        Block::Legend(keys),
    ]
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
}

/// An axis for radii that rise from 0 in equal steps, or by equal factors.
fn radii(label: &str, all: impl Iterator<Item = f64>) -> Axis {
    const END: f64 = 0.72;
    let all: Vec<f64> = all.collect();
    let steps = all.windows(2).map(|w| w[1] - w[0]);
    let (least, most) = steps.fold((f64::INFINITY, 0.0), |(a, b), step| (step.min(a), step.max(b)));
    match all.iter().copied().find(|r| *r > 0.0) {
        Some(first) if most > 1.5 * least => {
            let places = [0.0, 0.03, 0.1, 0.3].map(|r| (r, r.to_string()));
            Axis::log(label).from_zero(first, END).named(places.to_vec())
        }
        _ => Axis::linear(label).within(-0.01, END),
    }
}

fn rate_curve(name: &str, x: &str, curve: &Curve, at: impl Fn(&crate::audit::bands::Point) -> f64) -> Panel {
    let y = Axis::linear("share of images").within(0.0, 1.02);
    let mut panel = Panel::new(name, radii(x, curve.points.iter().map(&at)), y);
    let mut add = |rate: &dyn Fn(&crate::audit::bands::Point) -> Option<Rate>, pen: Pen, marker| {
        let all: Vec<_> = curve.points.iter().filter_map(|p| Some((at(p), rate(p)?))).collect();
        let intervals = all.iter().map(|(x, r)| (*x, r.interval));
        panel.layers.extend(bars(intervals, Pen { width: 0.8, ..pen }));
        let points: Vec<_> = all.iter().map(|(x, r)| (*x, r.share)).collect();
        panel.layers.push(Layer::Line(points.clone(), Pen { width: 0.7, ..pen }));
        panel.layers.push(Layer::Points(points, marker, pen.colour));
    };
    add(&|p| Some(p.agreement), OTHER, Marker::Square);
    add(&|p| p.accuracy, MEASURED, Marker::Dot);
    panel
}

/// Accuracy on filtered images.
pub fn bands(heading: &str, bands: &Bands) -> Vec<Block> {
    let middle = |p: &crate::audit::bands::Point| 0.5 * (p.above.max(0.0) + p.upto);
    let mut panels = vec![
        rate_curve("(a) Low-pass", "frequencies up to (cycles/pixel)", &bands.low, |p| p.upto),
        rate_curve("(b) High-pass", "frequencies above (cycles/pixel)", &bands.high, |p| p.above.max(0.0)),
        rate_curve("(c) Band-pass", "middle of the band (cycles/pixel)", &bands.bands, middle),
    ];
    for panel in &mut panels {
        panel.layers.insert(0, Layer::Horizontal(bands.chance, Pen { colour: REST, ..LEVEL }));
        if let Some(clean) = bands.accuracy {
            panel.layers.insert(0, Layer::Horizontal(clean.share, LEVEL));
        }
    }
    let mut keys = Vec::new();
    if bands.accuracy.is_some() {
        keys.push(Key::new(
            vec![Sign::Line(MEASURED), Sign::Marker(Marker::Dot, MEASURED.colour)],
            "accuracy, with 95 % interval",
        ));
    }
    keys.push(Key::new(
        vec![Sign::Line(OTHER), Sign::Marker(Marker::Square, OTHER.colour)],
        "same answer as to the whole image",
    ));
    if bands.accuracy.is_some() {
        keys.push(Key::new(vec![Sign::Line(LEVEL)], "accuracy on whole images"));
    }
    keys.push(Key::new(vec![Sign::Line(Pen { colour: REST, ..LEVEL })], "chance"));
    vec![Block::Heading(heading.to_owned()), Block::Panels(panels, 320.0, 1.0), Block::Legend(keys)]
}

/// What the network makes of the data's modes, and to which frequencies it reacts.
pub fn modes(heading: &str, uses: Option<&ModeUses>, jacobian: Option<&SquaredJacobian>) -> Vec<Block> {
    let mut panels = Vec::new();
    let mut keys = Vec::new();
    if let Some(uses) = uses {
        let all = || uses.modes.iter().enumerate().map(|(i, m)| ((i + 1) as f64, m));
        let pair = |name: &str,
                    y: Axis,
                    own: &dyn Fn(&crate::audit::gradient::ModeUse) -> f64,
                    used: &dyn Fn(
            &crate::audit::gradient::TemplateUse,
        ) -> crate::audit::gradient::Estimate| {
            let mut panel = Panel::new(name, Axis::linear("mode, strongest first"), y);
            let used = || all().filter_map(|(x, m)| Some((x, used(m.template.as_ref()?))));
            let reach = used().filter_map(|(x, e)| Some((x, [e.value - 2.0 * e.se?, e.value + 2.0 * e.se?])));
            panel.layers.extend(bars(reach.filter(|(_, [low, _])| *low > 0.0), DRAWN));
            let own = all().map(|(x, m)| (x, own(m))).collect();
            panel.layers.push(Layer::Points(own, Marker::Ring, INK));
            let used = used().map(|(x, e)| (x, e.value)).collect();
            panel.layers.push(Layer::Points(used, Marker::Dot, MEASURED.colour));
            panel
        };
        panels.push(pair("(a) How many", Axis::log("participation ratio"), &|m| m.participation, &|t| {
            t.participation
        }));
        panels.push(pair("(b) Which", Axis::linear("centroid (cycles/pixel)"), &|m| m.centroid, &|t| {
            t.centroid
        }));
        keys.push(Key::new(vec![Sign::Marker(Marker::Ring, INK)], "the mode's image v"));
        keys.push(Key::new(
            vec![Sign::Marker(Marker::Dot, MEASURED.colour)],
            "the network's template (bars: 2 standard errors)",
        ));
    }
    if let Some(jacobian) = jacobian {
        let y = Axis::log("energy per frequency");
        let letter = if panels.is_empty() { "(a)" } else { "(c)" };
        let mut panel = Panel::new(format!("{letter} Squared Jacobian"), Axis::linear(RADIUS), y);
        panel.subtitle = format!("centroid {:.3} cycles/pixel", jacobian.centroid.value);
        let points: Vec<_> = jacobian
            .radial
            .iter()
            .filter(|r| r.entries > 0 && r.energy.value > 0.0)
            .map(|r| (r.radius, r.energy.value / r.entries as f64))
            .collect();
        panel.layers.push(Layer::Line(points.clone(), Pen { width: 0.7, ..MEASURED }));
        panel.layers.push(Layer::Points(points, Marker::Dot, MEASURED.colour));
        panels.push(panel);
    }
    vec![Block::Heading(heading.to_owned()), Block::Panels(panels, 320.0, 1.0), Block::Legend(keys)]
}

/// A value per distinct frequency as a plane, frequency zero in the middle.
fn plane(grid: Grid, frequencies: &[Frequency], values: &[f64]) -> Array2<f64> {
    let mut half = Array2::zeros(grid.half_shape());
    for (&k, &value) in frequencies.iter().zip(values) {
        let (r, c) = grid.entry(k);
        half[[r, c]] = value;
        // In columns that are their own conjugate both entries are stored.
        if (2 * c) % grid.w == 0 {
            half[[(grid.h - r) % grid.h, c]] = value;
        }
    }
    shift_to_centre(mirror(half.view(), grid.w).view())
}

/// Where classes have more energy than the others, and which frequencies the network
/// needs for each.
pub fn dominance(
    heading: &str,
    names: &[String],
    adcs: Option<&Adcs>,
    dominance: Option<&Dominance>,
) -> Vec<Block> {
    const SHOWN: usize = 10;
    let name = |class: u32| names.get(class as usize).cloned().unwrap_or_else(|| class.to_string());
    let mut rows = Vec::new();
    let mut columns: Vec<u32> = Vec::new();
    if let Some(adcs) = adcs {
        columns = adcs.classes.iter().copied().take(SHOWN).collect();
    } else if let Some(dominance) = dominance {
        columns = dominance.classes.iter().map(|c| c.class).take(SHOWN).collect();
    }
    if let Some(adcs) = adcs {
        let grid = Grid::new(adcs.height, adcs.width);
        let tiles = columns.iter().map(|class| {
            let at = adcs.classes.iter().position(|c| c == class)?;
            let image = plane(grid, &adcs.frequencies, &adcs.values[at]);
            Some(Tile { image, look: Look::Signed, caption: String::new() })
        });
        rows.push(("ADCS".to_owned(), tiles.collect()));
    }
    if let Some(found) = dominance {
        let grid = Grid::new(found.height, found.width);
        let tiles = columns.iter().map(|class| {
            let class = found.classes.iter().find(|c| c.class == *class)?;
            let image = plane(grid, &found.frequencies, &class.importance);
            Some(Tile { image, look: Look::Signed, caption: String::new() })
        });
        rows.push(("importance".to_owned(), tiles.collect()));
    }
    let columns: Vec<_> = columns.into_iter().map(name).collect();
    // Room for names where there are few.
    let side = if columns.len() <= 6 { 170.0 } else { 120.0 };
    let mut blocks = vec![
        Block::Heading(heading.to_owned()),
        Block::Tiles(Tiles { groups: Vec::new(), columns, rows, side }),
        Block::Bars(vec![Bar {
            label: "value / largest of the tile".to_owned(),
            marks: vec![(0.0, "−1".to_owned()), (0.5, "0".to_owned()), (1.0, "1".to_owned())],
            look: Look::Signed,
        }]),
    ];
    let Some(found) = dominance else { return blocks };
    let x = || Axis::log("share of the plane that is kept");
    let y = |what: &str| Axis::linear(what).within(0.0, 1.02);
    let mut right = Panel::new("Images of the class, answered as it", x(), y("true positives"));
    let mut wrong = Panel::new("Other images, answered as it", x(), y("false positives"));
    let mut keys = Vec::new();
    for (i, class) in found.classes.iter().take(SHOWN).enumerate() {
        let pen = Pen::new(PALETTE[i % PALETTE.len()], 1.0, Stroke::Solid);
        for (panel, of) in [(&mut right, true), (&mut wrong, false)] {
            let points = class.reduced.iter().map(|r| {
                let rate = if of { r.positives.right } else { r.positives.wrong };
                (r.share, rate.share)
            });
            let points: Vec<_> = points.collect();
            panel.layers.push(Layer::Line(points.clone(), pen));
            panel.layers.push(Layer::Points(points, Marker::Dot, pen.colour));
        }
        keys.push(Key::new(vec![Sign::Line(pen)], name(class.class)));
    }
    blocks.push(Block::Panels(vec![right, wrong], 300.0, 1.0));
    blocks.push(Block::Legend(keys));
    blocks
}

/// A bar per class: of the decisions for shape or texture, those for shape.
pub fn shape(heading: &str, found: &ShapeBias) -> Vec<Block> {
    let classes: Vec<_> = found.by_shape.iter().filter(|c| c.decided.bias.is_some()).collect();
    let names = classes.iter().enumerate().map(|(i, c)| (i as f64, c.name.clone())).collect();
    let y = Axis::linear("").within(classes.len().max(1) as f64 - 0.5, -0.5).named(names);
    let x = Axis::linear("shape bias: decisions for shape of those for shape or texture").within(0.0, 1.0);
    let mut panel = Panel::new("By class of the shape", x, y);
    for (i, class) in classes.iter().enumerate() {
        let Some(rate) = class.decided.bias else { continue };
        let y = i as f64;
        panel.layers.push(Layer::Line(vec![(rate.interval[0], y), (rate.interval[1], y)], DRAWN));
        panel.layers.push(Layer::Points(vec![(rate.share, y)], Marker::Dot, MEASURED.colour));
    }
    let mut keys = vec![
        Key::new(vec![Sign::Marker(Marker::Dot, MEASURED.colour)], "class"),
        Key::new(vec![Sign::Line(DRAWN)], "95 % interval"),
    ];
    if let Some(all) = found.decided.bias {
        panel.layers.insert(0, Layer::Vertical(all.share, LEVEL));
        keys.push(Key::new(vec![Sign::Upright(LEVEL)], "all images"));
    }
    vec![
        Block::Heading(heading.to_owned()),
        Block::Panels(vec![panel], 44.0 * classes.len().max(4) as f64, 0.8),
        Block::Legend(keys),
    ]
}

/// What is different in a second network.
pub fn comparison(heading: &str, found: &Comparison) -> Vec<Block> {
    let line =
        |name: &str, y: &str, of: &dyn Fn(&crate::audit::layers::Change) -> Option<f64>, zero: bool| {
            let points: Vec<_> = found
                .changes
                .iter()
                .enumerate()
                .filter_map(|(i, change)| Some(((i + 1) as f64, of(change)?)))
                .collect();
            let mut panel =
                Panel::new(name, Axis::linear("common convolution, first to last"), Axis::linear(y));
            if zero {
                panel.layers.push(Layer::Horizontal(0.0, LEVEL));
            }
            panel.layers.push(Layer::Line(points.clone(), Pen { width: 0.6, ..MEASURED }));
            panel.layers.push(Layer::Points(points, Marker::Dot, MEASURED.colour));
            panel
        };
    let panels = vec![
        line("(a) Weights", "‖W_b − W_a‖ / ‖W_a‖", &|c| c.relative, false),
        line("(b) Centroid, b − a", "cycles/pixel", &|c| c.centroid, true),
        line("(c) Spectra", "total variation distance", &|c| c.distance, false),
    ];
    vec![Block::Heading(heading.to_owned()), Block::Panels(panels, 300.0, 1.0)]
}

/// Two networks on the same images: what both were measured on; None where that is
/// nothing.
pub fn pair(heading: &str, a: &OnImages, b: &OnImages) -> Option<Vec<Block>> {
    let looks = [(MEASURED, Marker::Dot), (OTHER, Marker::Ring)];
    let mut panels = Vec::new();
    // (x, y, interval of y) of each network
    type Points = Vec<(f64, f64, Option<[f64; 2]>)>;
    let mut add = |panel: Panel, points: [Points; 2]| {
        let letter = char::from(b'a' + panels.len() as u8);
        let mut panel = Panel { title: format!("({letter}) {}", panel.title), ..panel };
        for ((pen, marker), points) in looks.into_iter().zip(points) {
            let reach = points.iter().filter_map(|(x, _, interval)| Some((*x, (*interval)?)));
            panel.layers.extend(bars(reach, Pen { width: 0.8, ..pen }));
            let points: Vec<_> = points.into_iter().map(|(x, y, _)| (x, y)).collect();
            panel.layers.push(Layer::Line(points.clone(), Pen { width: 0.7, ..pen }));
            panel.layers.push(Layer::Points(points, marker, pen.colour));
        }
        panels.push(panel);
    };
    if let (Some(first), Some(second)) = (&a.bands, &b.bands) {
        let labelled = first.accuracy.is_some() && second.accuracy.is_some();
        let rate = |p: &crate::audit::bands::Point| if labelled { p.accuracy } else { Some(p.agreement) };
        let y = || Axis::linear(if labelled { "accuracy" } else { "agreement" }).within(0.0, 1.02);
        let x = |text: &str| radii(text, first.low.points.iter().map(|p| p.upto));
        let curve = |curve: &Curve, at: &dyn Fn(&crate::audit::bands::Point) -> f64| {
            let points = curve.points.iter().filter_map(|p| {
                let rate = rate(p)?;
                Some((at(p), rate.share, Some(rate.interval)))
            });
            points.collect::<Vec<_>>()
        };
        let low = [&first.low, &second.low].map(|c| curve(c, &|p| p.upto));
        add(Panel::new("Low-pass", x("frequencies up to (cycles/pixel)"), y()), low);
        let high = [&first.high, &second.high].map(|c| curve(c, &|p| p.above.max(0.0)));
        add(Panel::new("High-pass", x("frequencies above (cycles/pixel)"), y()), high);
    }
    if let (Some(first), Some(second)) = (&a.heatmap, &b.heatmap) {
        let what = if first.labelled { "error rate" } else { "share of changed answers" };
        let points = [first, second]
            .map(|m| m.radial.iter().map(|r| (r.radius, r.error, Some(r.interval))).collect::<Vec<_>>());
        let panel = Panel::new("Heat map", Axis::linear(RADIUS), Axis::linear(what).within(0.0, 1.02));
        add(panel, points);
    }
    if let (Some(first), Some(second)) = (&a.jacobian, &b.jacobian) {
        // Outputs have scales of their own: what counts is where the energy is.
        let points = [first, second].map(|j| {
            let all: usize = j.radial.iter().map(|r| r.entries).sum();
            let there = j.radial.iter().filter(|r| r.entries > 0 && r.share > 0.0);
            there.map(|r| (r.radius, r.share * all as f64 / r.entries as f64, None)).collect::<Vec<_>>()
        });
        let y = Axis::log("energy / flat spectrum");
        add(Panel::new("Squared Jacobian", Axis::linear(RADIUS), y), points);
    }
    if panels.is_empty() {
        return None;
    }
    let key = |pen, marker: Marker, name: &str| {
        Key::new(vec![Sign::Line(pen), Sign::Marker(marker, pen.colour)], name)
    };
    let mut blocks = vec![Block::Heading(heading.to_owned())];
    let mut rest = panels.into_iter().peekable();
    while rest.peek().is_some() {
        blocks.push(Block::Panels(rest.by_ref().take(2).collect(), 300.0, 1.0));
    }
    blocks.push(Block::Legend(vec![
        key(MEASURED, Marker::Dot, "a"),
        key(OTHER, Marker::Ring, "b (bars: 95 % intervals)"),
    ]));
    Some(blocks)
}

/// Layers over the steps of a run.
pub fn series(heading: &str, steps: &[f64], traces: &[Trace]) -> Vec<Block> {
    let deepest = traces.len().saturating_sub(1).max(1) as f64;
    let pen = |i: usize| Pen::new(super::style::viridis(0.9 * i as f64 / deepest), 1.0, Stroke::Solid);
    let panel = |name: &str, y: &str, of: &dyn Fn(&Trace) -> &Vec<Option<f64>>| {
        let mut panel = Panel::new(name, Axis::linear("gradient-descent step"), Axis::linear(y));
        for (i, trace) in traces.iter().enumerate().rev() {
            let points: Vec<_> =
                steps.iter().zip(of(trace)).map(|(s, v)| (*s, v.unwrap_or(f64::NAN))).collect();
            panel.layers.push(Layer::Line(points.clone(), pen(i)));
            panel.layers.push(Layer::Points(points, Marker::Dot, pen(i).colour));
        }
        panel
    };
    let panels = vec![
        panel("(a) Centroid", "cycles/pixel", &|t| &t.centroid),
        panel("(b) Kernel anisotropy", "anisotropy of its kernels", &|t| &t.kernel_anisotropy),
        panel("(c) Participation", "participation ratio", &|t| &t.participation),
    ];
    let named = [0, traces.len() / 2, traces.len().saturating_sub(1)];
    let mut keys: Vec<Key> = Vec::new();
    for i in named {
        if let Some(trace) = traces.get(i)
            && !keys.iter().any(|k| k.text == trace.name)
        {
            keys.push(Key::new(vec![Sign::Line(pen(i))], trace.name.clone()));
        }
    }
    vec![Block::Heading(heading.to_owned()), Block::Panels(panels, 300.0, 1.0), Block::Legend(keys)]
}
