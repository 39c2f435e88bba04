//! The basis against its formula, maps against single images disturbed by hand,
//! interrupted and divided maps against whole ones.

use std::collections::BTreeSet;
use std::f64::consts::TAU;
use std::fs;

use ndarray::{Array4, Axis, s};
use proptest::prelude::*;
use rand::Rng;
use tch::Device;

use super::super::{self as heatmap, merge, ring};
use super::*;
use crate::model::deep::{Architecture, Deep};
use crate::run::config::{InitKind, ModelKind};
use crate::spectrum::Energies;
use crate::stats::wilson;

const IMAGES: usize = 6;

fn k(row: i32, col: i32) -> Frequency {
    Frequency { row, col }
}

fn images() -> Array4<f32> {
    let mut rng = seed::rng(0, "test/heatmap", 0);
    Array4::from_shape_simple_fn((IMAGES, 3, 8, 12), || rng.random())
}

fn of(kind: Kind, weights: u64, images: &Array4<f32>, labels: Option<Vec<u32>>) -> Subject {
    let architecture = Architecture::usual(ModelKind::Resnet8, [3, 8, 12], 4);
    let net = Deep::new(architecture, InitKind::Kaiming, weights, kind, Device::Cpu).unwrap();
    let offset: Vec<f64> = (0..288).map(|i| 0.3 + i as f64 / 1000.0).collect();
    Subject::new(net, images.view(), labels, &offset, &[0.5, 0.25, 0.2]).unwrap()
}

fn subject() -> Subject {
    of(Kind::Float, 1, &images(), Some(vec![0, 1, 2, 3, 0, 1]))
}

fn options() -> Options {
    Options { epsilon: 1.5, seed: 3, reach: None, quick: None }
}

fn made(subject: &Subject, options: &Options, keep: Option<&Path>, shard: Option<Shard>) -> Result<HeatMap> {
    measure(subject, &Clean::new(subject)?, options, keep, shard, |_| Progress::hidden())
}

fn map(subject: &Subject, options: &Options) -> HeatMap {
    made(subject, options, None, None).unwrap()
}

fn kept(dir: &Path, options: &Options, shard: Option<Shard>) -> Result<HeatMap> {
    made(&subject(), options, Some(dir), shard)
}

#[test]
fn the_basis_is_a_cosine_of_unit_norm() {
    let plane = basis(Grid::new(32, 32), k(3, 5));
    for ((y, x), value) in plane.indexed_iter() {
        let phase = TAU * (3.0 * y as f64 + 5.0 * x as f64) / 32.0;
        assert!((value - 2f64.sqrt() / 32.0 * phase.cos()).abs() < 1e-15);
    }
    for (h, w) in [(8, 12), (7, 5), (1, 6), (2, 2)] {
        let grid = Grid::new(h, w);
        for k in grid.frequencies() {
            let energies = Energies::of_image(basis(grid, k).view().insert_axis(Axis(0))).unwrap();
            assert!((energies.total() - 1.0).abs() < 1e-12, "{h}x{w} {k}");
            let (strongest, share) = energies.strongest(1)[0];
            assert!(strongest == k && (share - 1.0).abs() < 1e-12, "{h}x{w} {k}");
        }
    }
    assert!((basis(Grid::new(4, 6), k(2, 3))[[1, 2]] + 1.0 / 24f64.sqrt()).abs() < 1e-15);
}

#[test]
fn the_usual_options_are_those_of_the_paper() {
    let of = |side: usize| Options::usual(side, side, 0);
    let count = |options: &Options, side| options.frequencies(Grid::new(side, side)).1;
    assert_eq!((of(32).epsilon, count(&of(32), 32)), (4.0, 481), "31x31 = 1 + 2·480");
    assert_eq!((of(224).epsilon, count(&of(224), 224)), (15.7, 1985), "63x63 = 1 + 2·1984");
    let wide = Options::usual(16, 64, 0);
    assert_eq!((wide.epsilon, wide.reach(Grid::new(16, 64))), (4.0, [7, 31]));
    assert_eq!(options().reach(Grid::new(33, 1)), [16, 0]);
}

#[test]
fn a_map_is_that_of_single_images_disturbed_by_hand() {
    let subject = of(Kind::Double, 1, &images(), Some(vec![0, 1, 2, 3, 0, 1]));
    let map = map(&subject, &options());
    assert_eq!((map.entries.len(), map.frequencies, map.sampled), (39, 39, None));
    let answer = |z: &[f64]| (0..4).max_by(|a, b| z[*a].total_cmp(&z[*b])).unwrap() as u32;
    let logits = |image: &Array4<f32>| {
        let x = Array4::from_shape_fn(image.dim(), |(n, c, y, x)| {
            let offset = 0.3 + (c * 96 + y * 12 + x) as f64 / 1000.0;
            (f64::from(image[[n, c, y, x]]) - offset) / [0.5, 0.25, 0.2][c]
        });
        let x = convert::tensor(x.view(), Kind::Double, Device::Cpu).unwrap();
        convert::matrix(&subject.net.forward(&x).unwrap()).unwrap().row(0).to_vec()
    };
    let grid = Grid::new(8, 12);
    let labels = subject.labels.as_ref().unwrap();
    let mut cut = 0;
    for entry in &map.entries {
        let at = k(entry.row, entry.col);
        let place = grid.frequencies().iter().position(|k| *k == at).unwrap();
        let mut rng = seed::rng(3, "heatmap/sign", place as u64);
        let plane = basis(grid, at);
        let (mut errors, mut distances) = (0, Vec::new());
        for (i, label) in labels.iter().enumerate() {
            let clean = images().slice(s![i..i + 1, .., .., ..]).to_owned();
            let mut disturbed = clean.clone();
            for mut channel in disturbed.index_axis_mut(Axis(0), 0).outer_iter_mut() {
                let sign = if rng.random::<bool>() { 1.0 } else { -1.0 };
                for (pixel, u) in channel.iter_mut().zip(&plane) {
                    let moved = *pixel + sign * (1.5 * u) as f32;
                    cut += usize::from(!(0.0..=1.0).contains(&moved));
                    *pixel = moved.clamp(0.0, 1.0);
                }
            }
            let (z, z0) = (logits(&disturbed), logits(&clean));
            errors += u64::from(answer(&z) != *label);
            distances.push(z.iter().zip(&z0).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt());
        }
        let mean = distances.iter().sum::<f64>() / 6.0;
        let se = (distances.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 30.0).sqrt();
        assert_eq!(entry.error, Rate::new(errors, 6), "{at}");
        assert!((entry.distance / mean - 1.0).abs() < 1e-10, "{at}");
        assert!((entry.distance_se.unwrap() / se - 1.0).abs() < 1e-9, "{at}");
    }
    assert!(cut > 1000, "{cut} values were cut to [0, 1]");
}

#[test]
fn without_labels_changes_of_the_answer_are_counted() {
    let subject = of(Kind::Float, 1, &images(), None);
    let own = subject.logits(&subject.pixels).unwrap().argmax(1, false);
    let own: Vec<u32> = (0..6).map(|i| own.int64_value(&[i]) as u32).collect();
    let changes = map(&subject, &options());
    let errors = map(&of(Kind::Float, 1, &images(), Some(own)), &options());
    assert_eq!((changes.labelled, changes.clean), (false, None));
    assert_eq!(errors.clean, Some(Rate::new(0, 6)));
    assert_eq!(changes.entries, errors.entries);
}

#[test]
fn the_plane_is_mirrored_and_what_was_not_computed_is_not_a_number() {
    let whole = map(&subject(), &options());
    let (errors, distances) = (whole.grid(), whole.distances());
    assert_eq!(errors.dim(), (7, 11));
    for ((r, c), value) in errors.indexed_iter() {
        assert_eq!(*value, errors[[6 - r, 10 - c]]);
        let at = Grid::new(8, 12).frequency((r + 8 - 3) % 8, (c + 12 - 5) % 12);
        let entry = whole.entries.iter().find(|e| k(e.row, e.col) == at).unwrap();
        assert_eq!((*value, distances[[r, c]]), (entry.error.share, entry.distance), "{at}");
    }
    let few = map(&subject(), &Options { quick: Some(9), ..options() });
    assert_eq!((few.entries.len(), few.frequencies, few.sampled), (9, 39, Some(9)));
    let computed = few.entries.iter().map(|e| if (e.row, e.col) == (0, 0) { 1 } else { 2 }).sum::<usize>();
    assert_eq!(few.grid().iter().filter(|v| !v.is_nan()).count(), computed);
    // Those that were drawn are those of the whole map.
    assert!(few.entries.iter().all(|e| whole.entries.contains(e)));
    let low = map(&subject(), &Options { reach: Some(2), ..options() });
    assert_eq!(low.grid(), errors.slice(s![1..6, 3..8]));
    let read: HeatMap = serde_json::from_str(&serde_json::to_string(&few).unwrap()).unwrap();
    assert_eq!(read, few);
}

#[test]
fn rings_hold_the_means_of_their_frequencies() {
    let whole = map(&subject(), &options());
    assert_eq!(whole.radial.iter().map(|r| r.frequencies).sum::<usize>(), 39);
    assert!(whole.radial.iter().all(|r| r.frequencies == r.of));
    // Radius 1 of 12: (0, 1) alone; (1, 0) is at 12/8 = 1.5 with (1, 1), of radius 1.8.
    let ring = &whole.radial[1];
    let at = |row, col| whole.entries.iter().find(|e| (e.row, e.col) == (row, col)).unwrap();
    assert_eq!((ring.radius, ring.of, ring.spread), (1.0 / 12.0, 1, None));
    assert_eq!((ring.error, ring.distance), (at(0, 1).error.share, at(0, 1).distance));
    assert_eq!(ring.interval, at(0, 1).error.interval);
    let ring = &whole.radial[2];
    let members = [at(0, 2), at(1, 0), at(1, 1), at(-1, 1), at(1, 2), at(-1, 2)];
    let members = members.into_iter().filter(|e| heatmap::ring(Grid::new(8, 12), k(e.row, e.col)) == 2);
    let shares: Vec<f64> = members.map(|e| e.error.share).collect();
    assert_eq!(shares.len(), 4, "(±1, 2) is at 2.5, in the next ring");
    let mean = shares.iter().sum::<f64>() / 4.0;
    assert!((ring.error - mean).abs() < 1e-15 && ring.of == 4);
    let spread = (shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / 3.0).sqrt();
    assert!((ring.spread.unwrap() - spread).abs() < 1e-15);
    assert_eq!(ring.interval, wilson(mean, 6.0));
}

#[test]
fn an_interrupted_map_is_that_of_an_uninterrupted_run() {
    let tmp = tempfile::tempdir().unwrap();
    let [whole, broken] = ["whole", "broken"].map(|name| tmp.path().join(name));
    let options = Options { reach: Some(2), ..options() };
    let first = kept(&whole, &options, None).unwrap();
    assert_eq!(first, map(&subject(), &options));
    let text = fs::read_to_string(whole.join("heatmap.csv")).unwrap();
    assert_eq!(text.lines().count(), 1 + 13);
    let header = text.find('\n').unwrap();
    // Killed at any byte: in the header, after it, within a line, between lines, at the end.
    for cut in [0, 5, header, header + 1, header + 9, text.len() / 2, text.len() - 1, text.len()] {
        fs::create_dir_all(&broken).unwrap();
        fs::copy(whole.join("heatmap.json"), broken.join("heatmap.json")).unwrap();
        fs::write(broken.join("heatmap.csv"), &text[..cut]).unwrap();
        assert_eq!(kept(&broken, &options, None).unwrap(), first, "{cut}");
        assert_eq!(fs::read_to_string(broken.join("heatmap.csv")).unwrap(), text, "{cut}");
    }
    // Killed before there was a table.
    fs::remove_file(broken.join("heatmap.csv")).unwrap();
    assert_eq!(kept(&broken, &options, None).unwrap(), first);
    // What is done is not computed again: a line that was changed stays.
    let line = text.lines().nth(5).unwrap();
    let errors = line.split(',').nth(3).unwrap();
    let other = if errors == "6" { "5" } else { "6" };
    let cells: Vec<_> =
        line.split(',').enumerate().map(|(i, cell)| if i == 3 { other } else { cell }).collect();
    fs::write(broken.join("heatmap.csv"), text.replace(line, &cells.join(","))).unwrap();
    let again = kept(&broken, &options, None).unwrap();
    assert_eq!(again.entries[4].error.count.to_string(), other);
}

#[test]
fn a_map_of_something_else_is_not_gone_on_with() {
    let tmp = tempfile::tempdir().unwrap();
    let options = Options { reach: Some(1), ..options() };
    kept(tmp.path(), &options, None).unwrap();
    let before = fs::read(tmp.path().join("heatmap.csv")).unwrap();
    let refused = |subject: &Subject, options: &Options, key: &str| {
        let error = made(subject, options, Some(tmp.path()), None);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(&format!("heatmap.json, {key}: expected")), "{key}: {error}");
        assert_eq!(fs::read(tmp.path().join("heatmap.csv")).unwrap(), before);
    };
    refused(&subject(), &Options { epsilon: 2.0, ..options.clone() }, "options.epsilon");
    refused(&subject(), &Options { seed: 4, ..options.clone() }, "options.seed");
    refused(&subject(), &Options { reach: None, ..options.clone() }, "options.reach");
    refused(&subject(), &Options { quick: Some(2), ..options.clone() }, "options.quick");
    let labels = Some(vec![0, 1, 2, 3, 0, 1]);
    refused(&of(Kind::Float, 2, &images(), labels.clone()), &options, "fingerprint.weights");
    refused(&of(Kind::Float, 1, &images(), None), &options, "fingerprint.labels");
    refused(&of(Kind::Float, 1, &(images() * 0.5), labels.clone()), &options, "fingerprint.pixels");
    let json = tmp.path().join("heatmap.json");
    let text = fs::read_to_string(&json).unwrap();
    fs::write(&json, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
    refused(&subject(), &options, "version");
    fs::write(&json, &text[..20]).unwrap();
    let error = kept(tmp.path(), &options, None).unwrap_err().to_string();
    assert!(error.contains("heatmap.json: expected the description"), "{error}");
    fs::remove_file(&json).unwrap();
    let error = kept(tmp.path(), &options, None).unwrap_err().to_string();
    assert!(error.contains("heatmap.csv") && error.contains("heatmap.json beside it"), "{error}");
    fs::write(&json, text).unwrap();

    // Lines that cannot be of this map are named.
    let csv = tmp.path().join("heatmap.csv");
    let lines: Vec<String> = String::from_utf8(before).unwrap().lines().map(str::to_owned).collect();
    let damaged = |line: String, words: &str| {
        let mut lines = lines.clone();
        lines[3] = line;
        fs::write(&csv, lines.join("\n") + "\n").unwrap();
        let error = kept(tmp.path(), &options, None).unwrap_err().to_string();
        assert!(error.contains("heatmap.csv, line 4") && error.contains(words), "{error}");
    };
    damaged(lines[2].clone(), "each frequency once");
    damaged(lines[3].replacen(',', "7,", 1), "a frequency of this map");
    damaged("0,1,0,3,0.5,0.1".to_owned(), "frequency (0, 0)");
    let cells: Vec<&str> = lines[3].split(',').collect();
    let with = |i: usize, cell: &str| {
        let mut cells = cells.clone();
        cells[i] = cell;
        cells.join(",")
    };
    damaged(with(3, "7"), "a count of errors of 6 images");
    damaged(with(4, ""), "a distance");
    damaged(with(5, ""), "standard error");
    fs::write(&csv, "step,loss\n").unwrap();
    assert!(kept(tmp.path(), &options, None).unwrap_err().to_string().contains("index,row,col"));
}

#[test]
fn parts_make_the_whole() {
    let tmp = tempfile::tempdir().unwrap();
    let options = Options { reach: Some(2), ..options() };
    let whole = map(&subject(), &options);
    let merged = || merge_of(tmp.path(), &subject(), &options).map_err(|e| e.to_string());
    assert!(merged().unwrap_err().contains("parts of a heat map"));
    let part = |i| kept(tmp.path(), &options, Some(Shard::new(i, 3).unwrap())).unwrap();
    let (third, first) = (part(3), part(1));
    assert_eq!((first.entries.len(), third.entries.len()), (5, 4));
    assert_eq!(first.shard.unwrap().to_string(), "1/3");
    assert!(merged().unwrap_err().contains("expected all 3 parts, found no part 2/3"));
    part(2);
    assert_eq!(merged().unwrap(), whole);
    assert_eq!(merge(tmp.path()).unwrap(), whole, "without the network");

    let csv = tmp.path().join("heatmap-2-of-3.csv");
    let text = fs::read_to_string(&csv).unwrap();
    fs::write(&csv, &text[..text.len() - 3]).unwrap();
    let error = merged().unwrap_err();
    assert!(error.contains("heatmap-2-of-3.csv: expected all 4 frequencies of the part, found 3"), "{error}");
    assert_eq!(part(2).entries.len(), 4);
    assert_eq!(merged().unwrap(), whole);

    let json = tmp.path().join("heatmap-3-of-3.json");
    let text = fs::read_to_string(&json).unwrap();
    fs::write(&json, text.replace("\"seed\": 3", "\"seed\": 5")).unwrap();
    let error = merged().unwrap_err();
    assert!(error.contains("heatmap-3-of-3.json, options.seed: expected 3 as in the first part, found 5"));
    fs::write(&json, text.replace("\"index\": 3", "\"index\": 2")).unwrap();
    assert!(merged().unwrap_err().contains("heatmap-3-of-3.json, shard: expected part 3/3, found part 2/3"));
    fs::write(&json, text.replace("\n    12\n", "\n    99999999999\n")).unwrap();
    assert!(merged().unwrap_err().contains("shape"));
    fs::write(&json, text).unwrap();
    kept(tmp.path(), &options, Some(Shard::new(1, 2).unwrap())).unwrap();
    assert!(merged().unwrap_err().contains("parts of one division"));
}

#[test]
fn parts_are_written_as_i_of_n() {
    assert_eq!("2/4".parse::<Shard>().unwrap(), Shard { index: 2, of: 4 });
    for wrong in ["0/4", "5/4", "2", "a/4", "/", "1/0", "-1/3"] {
        let error = wrong.parse::<Shard>().unwrap_err().to_string();
        assert!(error.contains("i/N") && error.contains(wrong), "{error}");
    }
}

#[test]
fn what_makes_no_map_is_refused() {
    let refused = |subject: &Subject, options: &Options, words: &str| {
        let error = made(subject, options, None, None).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    for epsilon in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused(&subject(), &Options { epsilon, ..options() }, "epsilon: expected a positive number");
    }
    refused(&subject(), &Options { quick: Some(0), ..options() }, "at least one frequency");
    let wrong = of(Kind::Float, 1, &images(), Some(vec![0, 1, 2, 3, 4, 0]));
    refused(
        &wrong,
        &options(),
        "labels: expected classes 0 to 3, as the network has 4 outputs, found class 4",
    );
    let none = of(Kind::Float, 1, &images().slice_move(s![..0, .., .., ..]), None);
    refused(&none, &options(), "at least one image");
    let broken = subject();
    let _ = tch::no_grad(|| broken.net.known().unwrap().entries()[0].tensor.shallow_clone().fill_(f64::NAN));
    refused(&broken, &options(), "finite logits");
    let one = of(Kind::Float, 1, &images().slice_move(s![..1, .., .., ..]), None);
    let map = map(&one, &Options { reach: Some(1), ..options() });
    assert!(map.entries.iter().all(|e| e.distance_se.is_none() && e.error.of == 1));
}

proptest! {
    #[test]
    fn drawn_frequencies_are_distinct_and_of_all_radii(
        h in 1usize..20, w in 1usize..20, reach in 0usize..12, quick in 1usize..60, seed in 0u64..4,
    ) {
        let grid = Grid::new(h, w);
        let all = Options { epsilon: 1.0, seed, reach: Some(reach), quick: None };
        let few = Options { quick: Some(quick), ..all.clone() };
        let (window, count) = all.frequencies(grid);
        let (drawn, same) = few.frequencies(grid);
        prop_assert_eq!((window.len(), count), (count, same));
        let [rows, cols] = all.reach(grid);
        prop_assert_eq!(2 * count - 1, (2 * rows + 1) * (2 * cols + 1));
        prop_assert_eq!(drawn.len(), quick.min(count));
        prop_assert!(drawn.windows(2).all(|w| w[0].0 < w[1].0));
        prop_assert!(drawn.iter().all(|k| window.contains(k)));
        let rings = |list: &[(u64, Frequency)]| list.iter().map(|(_, k)| ring(grid, *k)).collect::<BTreeSet<_>>();
        prop_assert_eq!(rings(&drawn).len(), rings(&window).len().min(drawn.len()));
        prop_assert_eq!(&few.frequencies(grid).0, &drawn);
    }
}
