//! End to end, on images made here.

use ndarray::{Array2, Array4, Axis, s};

use super::*;
use crate::data::planted::{Truth, load_with_truth};
use crate::data::{self, Spec};
use crate::field::{Provenance, Targets};
use crate::spectrum::Frequency;

const LEAVES: &str = "leaves:count=1500,classes=5,channels=3,size=32";

fn found(spec: &str) -> (Report, Vec<Truth>) {
    let spec: Spec = spec.parse().unwrap();
    let (set, truth) = load_with_truth(&spec, &data::Options::default()).unwrap();
    (search(&set, Options::default()).unwrap(), truth)
}

fn planted(cue: &str) -> (Report, Truth) {
    let (report, mut truth) = found(&format!("planted:cue={cue},classes=3,over={LEAVES}"));
    (report, truth.pop().unwrap())
}

fn ratio(entry: &Entry, reader: &str) -> f64 {
    entry.ratios.iter().find(|(name, _)| *name == reader).unwrap().1
}

fn untouched() -> Report {
    found(LEAVES).0
}

// Of the images named, the part that carries the cue.
fn carriers_named(report: &Report, truth: &Truth) -> usize {
    report.shortcuts[0].most.iter().filter(|&&i| truth.carried[i].is_some()).count()
}

#[test]
fn a_report_is_whole_and_nothing_is_found_in_leaves() {
    let report = untouched();
    assert_eq!((report.images, report.classes, report.shape), (1500, 5, [3, 32, 32]));
    assert_eq!(report.shortcuts.len(), 5);
    assert!(report.shortcuts.windows(2).all(|pair| pair[0].score >= pair[1].score));
    for entry in &report.shortcuts {
        let most = entry.ratios.iter().map(|(_, r)| *r).fold(0.0, f64::max);
        assert_eq!((entry.score, entry.alarm), (most, most >= 1.0));
        assert_eq!(ratio(entry, entry.reader), most);
        assert!(entry.interval[0] <= entry.accuracy && entry.accuracy <= entry.interval[1]);
        assert_eq!(entry.most.len(), 10);
        // Classes take turns.
        let class: usize = entry.most[0] % 5;
        assert!(entry.most.iter().all(|i| i % 5 == class));
    }
    assert_eq!(report.duplicates, Duplicates { within: 0, across: 0, distinct: 1500 });
    assert_eq!(report.alarms, 0);
}

#[test]
fn a_wave_is_found_with_its_frequency() {
    let (report, truth) = planted("cosine,frequency=-4/7");
    let first = &report.shortcuts[0];
    let (row, col) = truth.frequency.unwrap();
    assert!(first.alarm && first.score > 2.0);
    assert_eq!(report.shortcuts[0].most[0] % 5, 3);
    assert_eq!(first.frequencies[0], Frequency { row: row as i32, col: col as i32 });
    assert_eq!(first.colour, Some("grey"));
    assert!(first.accuracy > 0.9 && first.carriers > 150, "{first:?}");
    assert_eq!(carriers_named(&report, &truth), 10);
    // Without that frequency nothing is left of it, and no group of images has as much.
    assert!(first.masked.unwrap() < 1.0 && first.p == Some(0.005), "{first:?}");
}

#[test]
fn a_part_of_a_class_with_a_wave_is_found() {
    let (report, truth) = planted("cosine,frequency=5/6,share=0.3");
    let first = &report.shortcuts[0];
    assert!(first.alarm);
    assert_eq!(first.frequencies[0], Frequency { row: 5, col: 6 });
    assert!(carriers_named(&report, &truth) >= 8);
}

#[test]
fn a_patch_is_found_at_its_place() {
    let (report, truth) = planted("patch,at=9/20");
    let first = &report.shortcuts[0];
    assert!(first.alarm && first.most[0] % 5 == 3);
    let [row, col, height, width] = truth.place.unwrap();
    let place = first.place.unwrap();
    // The 3×3 mean takes it one pixel further.
    let near = |at: usize, from: usize, size: usize| at + 1 >= from && at <= from + size;
    assert!(near(place.peak[0], row, height) && near(place.peak[1], col, width), "{place:?}");
    assert!(place.height <= height + 4 && place.width <= width + 4, "{place:?}");
    assert!(place.row <= row + 1 && place.row + place.height + 1 >= row + height, "{place:?}");
    assert!(first.accuracy > 0.9);
}

#[test]
fn noise_without_a_frequency_is_found() {
    let (report, truth) = planted("ar");
    let first = &report.shortcuts[0];
    assert!(first.alarm && first.reader.starts_with("invariant"), "{first:?}");
    assert_eq!(carriers_named(&report, &truth), 10);
    assert!(first.accuracy > 0.9 && first.carriers > 150);
    // It is of that class alone.
    assert_eq!(report.alarms, 1);
}

#[test]
fn reports_do_not_depend_on_threads() {
    let spec: Spec =
        "planted:cue=patch,classes=1,over=leaves:count=700,classes=3,channels=3,size=16".parse().unwrap();
    let set = data::load(&spec, &data::Options::default()).unwrap();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| search(&set, Options::default()).unwrap())
    };
    assert_eq!(with(1), with(3));
}

fn set(images: Array4<f32>, classes: usize) -> ImageSet {
    let labels = (0..images.dim().0).map(|i| (i % classes) as u32).collect();
    let names = (0..classes).map(|i| format!("c{i}")).collect();
    ImageSet { images, targets: Targets::Classes { labels, names }, source: Provenance::default() }
}

fn noise(n: usize, c: usize, h: usize, w: usize) -> Array4<f32> {
    use rand::Rng;
    let mut rng = crate::seed::rng(5, "test/shortcuts", 0);
    Array4::from_shape_simple_fn((n, c, h, w), || f32::from(rng.random::<u8>()) / 255.0)
}

fn refusal(set: &ImageSet) -> String {
    search(set, Options::default()).expect_err("must be refused").to_string()
}

#[test]
fn what_cannot_be_looked_at_is_one_clear_error() {
    let good = set(noise(60, 3, 12, 12), 2);
    let real = |k: usize| ImageSet { targets: Targets::Real(Array2::zeros((60, k))), ..good.clone() };
    for (set, parts) in [
        (real(2), &["class labels", "real targets"][..]),
        (real(0), &["class labels", "without labels"]),
        (set(noise(60, 3, 12, 12), 1), &["at least 2 classes", "found 1"]),
        (set(noise(38, 3, 12, 12), 2), &["class c0", "at least 20 images", "found 19"]),
        (set(Array4::from_elem((60, 3, 12, 12), 0.5), 2), &["images that differ"]),
        (set(noise(60, 3, 11, 12), 2), &["at least 12", "11×12"]),
        (set(noise(60, 2, 12, 12), 2), &["1 or 3 channels", "found 2"]),
        (set(noise(60, 3, 12, 12) / 0.0, 2), &["finite"]),
    ] {
        let error = refusal(&set);
        assert!(parts.iter().all(|part| error.contains(part)) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn copies_are_counted_within_and_across_classes() {
    let mut images = noise(80, 1, 12, 13);
    // 4 is a copy of 0, of one class; 7 of 2, of another; 11 of both.
    for (from, to) in [(0, 4), (2, 7), (2, 11)] {
        let copy = images.index_axis(Axis(0), from).to_owned();
        images.slice_mut(s![to, .., .., ..]).assign(&copy);
    }
    let report = search(&set(images, 4), Options::default()).unwrap();
    assert_eq!(report.duplicates, Duplicates { within: 2, across: 3, distinct: 77 });
    assert!(report.notes.iter().any(|note| note.contains("copies")), "{:?}", report.notes);
}

#[test]
fn sizes_ranges_and_grey_images_are_taken_as_they_come() {
    let images = noise(120, 1, 20, 30);
    let small = search(&set(images.clone(), 3), Options::default()).unwrap();
    assert!(small.shortcuts.iter().all(|e| e.score.is_finite()), "{small:?}");
    // The same as whole numbers.
    let large = search(&set(images.mapv(|v| (v * 255.0).round()), 3), Options::default()).unwrap();
    for (a, b) in small.shortcuts.iter().zip(&large.shortcuts) {
        // The reader of it takes pixels as they come, in single precision.
        assert!((a.told.unwrap() - b.told.unwrap()).abs() < 1e-5);
        assert_eq!(
            Entry { told: None, told_of_others: None, ..a.clone() },
            Entry { told: None, told_of_others: None, ..b.clone() }
        );
    }
    assert!(large.notes.iter().any(|note| note.contains("0 to 255")));
    // Above 64 pixels a side they are reduced.
    let report = search(&set(noise(60, 1, 96, 80), 2), Options::default()).unwrap();
    assert_eq!(report.shape, [1, 96, 80]);
    assert!(report.notes.iter().any(|note| note.contains("64×53")), "{:?}", report.notes);
    // Grey images of three channels have no colour to find anything in.
    let mut grey = noise(120, 3, 16, 16);
    for channel in 1..3 {
        let first = grey.slice(s![.., 0, .., ..]).to_owned();
        grey.slice_mut(s![.., channel, .., ..]).assign(&first);
    }
    let report = search(&set(grey, 2), Options::default()).unwrap();
    assert!(report.shortcuts.iter().all(|e| e.score.is_finite() && e.colour.is_none_or(|c| c == "grey")));
}

#[test]
fn classes_without_images_are_left_out() {
    let mut few = set(noise(60, 1, 12, 12), 2);
    if let Targets::Classes { labels, names } = &mut few.targets {
        names.insert(1, "none".to_owned());
        labels.iter_mut().for_each(|label| *label *= 2);
    }
    let report = search(&few, Options::default()).unwrap();
    assert_eq!((report.classes, report.shortcuts.len()), (2, 2));
    assert!(report.notes.iter().any(|note| note.contains("left out: none")));
}

// Class 0 is brighter by `step`.
fn bright(seed: u64, step: f32) -> ImageSet {
    use rand::Rng;
    let mut rng = crate::seed::rng(seed, "test/shortcuts", 1);
    let pixels = Array4::from_shape_fn((600, 1, 12, 12), |(i, ..)| {
        let v = 0.25 + 0.4 * rng.random::<f32>() + if i % 3 == 0 { step } else { 0.0 };
        (v * 255.0).round() / 255.0
    });
    set(pixels, 3)
}

#[test]
fn a_mode_of_one_set_is_told_from_one_of_both() {
    let of = |train: f32, test: f32| {
        let report = compare(&bright(1, train), &bright(2, test), Options::default()).unwrap();
        report.comparison.unwrap().modes
    };
    let modes = of(0.2, 0.0);
    assert_eq!((modes.len(), modes[0].set, modes[0].mode, modes[0].only), (1, "train", 1, true), "{modes:?}");
    assert_eq!(modes[0].frequency, Frequency { row: 0, col: 0 });
    // u = (2, −1, −1)/√6 and v = 1/12 everywhere: u·Σyx·v = (1/3)(2/√6)·12·0.2 − … = 0.8·√(2/3).
    let [here, error] = modes[0].here;
    assert!((here - 0.8 * (2.0f64 / 3.0).sqrt()).abs() < 3.0 * error, "{modes:?}");
    assert!(modes[0].there[0].abs() < 4.0 * modes[0].there[1], "{modes:?}");
    let modes = of(0.2, 0.2);
    assert_eq!(
        modes.iter().map(|m| (m.set, m.only)).collect::<Vec<_>>(),
        [("train", false), ("test", false)]
    );
}

#[test]
fn copies_in_a_test_set_and_classes_of_one_set_are_counted() {
    let train = bright(1, 0.0);
    let mut test = bright(2, 0.0);
    // 3 and 4 of their own classes, 5 of another.
    for (from, to) in [(0, 3), (1, 4), (0, 5)] {
        let copy = train.images.index_axis(Axis(0), from).to_owned();
        test.images.slice_mut(s![to, .., .., ..]).assign(&copy);
    }
    let Targets::Classes { names, .. } = &mut test.targets else { unreachable!() };
    names[1] = "other".to_owned();
    let found = compare(&train, &test, Options::default()).unwrap().comparison.unwrap();
    // The class of 1 and 4 has another name there.
    assert_eq!(found.copies, [1, 2]);
    assert_eq!(found.classes, [vec!["c1".to_owned()], vec!["other".to_owned()]]);
    assert!(!found.between.alarm && found.images == 600);
}

#[test]
fn sets_that_cannot_be_compared_are_one_clear_error() {
    let (train, other) = (bright(1, 0.1), set(noise(120, 1, 12, 13), 3));
    let text = |test: &ImageSet| compare(&train, test, Options::default()).unwrap_err().to_string();
    assert!(text(&other).contains("--test") && text(&other).contains("1×12×13"), "{}", text(&other));
    let mut foreign = bright(2, 0.1);
    let Targets::Classes { names, .. } = &mut foreign.targets else { unreachable!() };
    names.iter_mut().for_each(|name| name.insert(0, 'x'));
    assert!(text(&foreign).contains("two classes of the training set (c0"), "{}", text(&foreign));
    let few = set(noise(30, 1, 12, 12), 3);
    assert!(text(&few).contains("--test: class c0"), "{}", text(&few));
}

#[test]
fn images_that_are_there_twice_tell_no_class() {
    // Noise, each image twice: a fit to the one would answer for the other.
    let once = noise(300, 1, 16, 16);
    let twice = set(ndarray::concatenate(Axis(0), &[once.view(), once.view()]).unwrap(), 3);
    let report = search(&twice, Options::default()).unwrap();
    assert_eq!((report.duplicates.within, report.alarms), (300, 0));
    assert!(report.shortcuts.iter().all(|entry| entry.told.unwrap() < 0.2), "{report:?}");
}
