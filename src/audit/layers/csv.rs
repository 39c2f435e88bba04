//! Layers as tables.

use std::path::Path;

use super::{Change, Layer, Quantity};
use crate::audit::table::{Cell, write};
use crate::error::Result;

/// A row a layer: name, shape, number of weights, energy, then every [`Quantity`] with
/// the mean, the interval and the z of its initialisations, orientation and strongest
/// frequency. Cells of what was not measured are empty.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) naming `path`.
pub fn write_csv(path: &Path, layers: &[Layer]) -> Result<()> {
    let mut header: Vec<String> =
        ["name", "out", "in", "rows", "cols", "weights", "energy"].map(String::from).into();
    for quantity in Quantity::ALL {
        header.extend(["", "_init", "_low", "_high", "_z"].map(|part| format!("{quantity}{part}")));
    }
    header.extend(["orientation", "strongest_row", "strongest_col"].map(String::from));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    write(path, &header, layers.iter().map(row))
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
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) naming `path`.
pub fn write_radial(path: &Path, layers: &[Layer]) -> Result<()> {
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
    write(path, &header, rows)
}

/// A row for every layer of both networks: name, shape, relative change of the weights,
/// differences of every [`Quantity`], distance of the energies, energy and every
/// [`Quantity`] of the difference of the weights.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) naming `path`.
pub fn write_changes(path: &Path, changes: &[Change]) -> Result<()> {
    let mut header: Vec<String> = ["name", "out", "in", "rows", "cols", "relative"].map(String::from).into();
    header.extend(Quantity::ALL.map(|quantity| quantity.to_string()));
    header.extend(["distance", "difference_energy"].map(String::from));
    header.extend(Quantity::ALL.map(|quantity| format!("difference_{quantity}")));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    write(path, &header, changes.iter().map(changed))
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
