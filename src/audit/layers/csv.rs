//! Layers as tables.

use super::{Change, Layer, Quantity, Trace};
use crate::audit::csv::{Cell, Csv};

/// A row a layer: name, shape, number of weights, energy, then every [`Quantity`] with
/// the mean, the interval and the z of its initialisations, orientation and strongest
/// frequency. Cells of what was not measured are empty.
pub fn all(layers: &[Layer]) -> Csv<'_> {
    let mut header: Vec<String> =
        ["name", "out", "in", "rows", "cols", "weights", "energy"].map(String::from).into();
    for quantity in Quantity::ALL {
        header.extend(["", "_init", "_low", "_high", "_z"].map(|part| format!("{quantity}{part}")));
    }
    header.extend(["orientation", "strongest_row", "strongest_col"].map(String::from));
    Csv::new(header, layers.iter().map(row))
}

fn row(layer: &Layer) -> Vec<Cell<'_>> {
    let mut row = start(&layer.name, &layer.shape);
    row.extend([layer.weights.into(), Cell::Number(layer.energy)]);
    let spectrum = layer.spectrum.as_ref();
    for quantity in Quantity::ALL {
        let drawn = layer.init.as_ref().map(|init| init.get(quantity));
        let cells = [
            spectrum.map(|s| s.get(quantity)),
            drawn.map(|d| d.mean),
            drawn.map(|d| d.interval[0]),
            drawn.map(|d| d.interval[1]),
            drawn.and_then(|d| d.z),
        ];
        row.extend(cells.map(Cell::from));
    }
    let cells = [
        spectrum.map(|s| s.orientation),
        spectrum.map(|s| f64::from(s.strongest.row)),
        spectrum.map(|s| f64::from(s.strongest.col)),
    ];
    row.extend(cells.map(Cell::from));
    row
}

fn start<'a>(name: &'a str, shape: &[usize; 4]) -> Vec<Cell<'a>> {
    let mut row = vec![Cell::Text(name)];
    row.extend(shape.iter().map(|&side| Cell::from(side)));
    row
}

/// A row for every ring of every layer that has a spectrum: name, radius in cycles per
/// pixel, entries, share of the energy, density (1 where flat) with mean and interval of
/// the initialisations.
pub fn radial(layers: &[Layer]) -> Csv<'_> {
    let header =
        ["name", "radius", "entries", "share", "density", "density_init", "density_low", "density_high"];
    let rows =
        layers.iter().filter_map(|l| Some((l, &l.spectrum.as_ref()?.radial))).flat_map(|(l, radial)| {
            (0..radial.radius.len()).map(move |ring| {
                let drawn = l.init.as_ref().map(|init| &init.density[ring]);
                vec![
                    Cell::Text(&l.name),
                    Cell::Number(radial.radius[ring]),
                    radial.entries[ring].into(),
                    Cell::Number(radial.share[ring]),
                    Cell::Number(radial.density[ring]),
                    drawn.map(|d| d.mean).into(),
                    drawn.map(|d| d.interval[0]).into(),
                    drawn.map(|d| d.interval[1]).into(),
                ]
            })
        });
    Csv::new(header, rows)
}

/// A row for every layer of both networks: name, shape, relative change of the weights,
/// differences of every [`Quantity`], distance of the energies, energy and every
/// [`Quantity`] of the difference of the weights.
pub fn changes(changes: &[Change]) -> Csv<'_> {
    let mut header: Vec<String> = ["name", "out", "in", "rows", "cols", "relative"].map(String::from).into();
    header.extend(Quantity::ALL.map(|quantity| quantity.to_string()));
    header.extend(["distance", "difference_energy"].map(String::from));
    header.extend(Quantity::ALL.map(|quantity| format!("difference_{quantity}")));
    Csv::new(header, changes.iter().map(changed))
}

fn changed(change: &Change) -> Vec<Cell<'_>> {
    let mut row = start(&change.name, &change.shape);
    row.push(change.relative.into());
    row.extend(Quantity::ALL.map(|quantity| Cell::from(change.get(quantity))));
    row.extend([change.distance, change.difference_energy].map(Cell::from));
    let difference = change.difference.as_ref();
    row.extend(Quantity::ALL.map(|quantity| Cell::from(difference.map(|s| s.get(quantity)))));
    row
}

/// The layers over a run: a row per layer and step. Cells of layers without a spectrum
/// are empty.
pub fn series<'a>(steps: &[u64], traces: &'a [Trace]) -> Csv<'a> {
    let mut header = vec!["name", "step", "energy", "centroid", "anisotropy", "kernel_anisotropy"];
    header.extend(["dominant_share", "participation"]);
    let rows = traces.iter().flat_map(|trace| {
        steps.iter().enumerate().map(move |(i, &step)| {
            let numbers = [
                &trace.energy,
                &trace.centroid,
                &trace.anisotropy,
                &trace.kernel_anisotropy,
                &trace.dominant_share,
                &trace.participation,
            ];
            let mut row = vec![Cell::Text(&trace.name), Cell::Number(step as f64)];
            row.extend(numbers.map(|values| Cell::from(values.get(i).copied().flatten())));
            row
        })
    });
    Csv::new(header, rows)
}
