//! `npz:FILE`: images and targets as numpy arrays.
//!
//! Images: `X`, `x`, `images` or `data`; targets: `y`, `Y`, `labels` or
//! `targets`. Sets stored in parts have `x_train` and `y_train`, `X_train` and
//! `y_train`, `train_images` and `train_labels`, `images_train` and
//! `labels_train`, with the name of the split; those are looked for first.
//!
//! Images are `(N, H, W)`, `(N, C, H, W)` or `(N, H, W, C)`; the last is meant
//! where the last axis is 1 or 3 and the second one is neither. Bytes become
//! value/255, u2 value/65535, f4 and f8 are taken as they are. Targets are
//! class indices, integers `(N)` or `(N, 1)`, or real numbers `(N, K)`.

use std::path::Path;

use ndarray::Array2;

use super::decode::{check_sides, render};
use super::select::{label, numbered, select, select_real};
use super::{Options, spec};
use crate::disk::input::Input;
use crate::disk::npy::{self, Npy};
use crate::disk::zip::Archive;
use crate::error::{Error, Result, listed, shown};
use crate::field::{ImageSet, Provenance, Targets};

const WHOLE: [(&str, &str); 8] = [
    ("X", "y"),
    ("x", "y"),
    ("X", "Y"),
    ("images", "labels"),
    ("images", "y"),
    ("images", "targets"),
    ("data", "labels"),
    ("data", "targets"),
];
// {} stands for the split.
const IN_PARTS: [(&str, &str); 4] =
    [("x_{}", "y_{}"), ("X_{}", "y_{}"), ("{}_images", "{}_labels"), ("images_{}", "labels_{}")];

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::read("npz", "FILE", load);

const NPZ: &str = "a .npz file (a zip archive)";

/// Reads one pair of arrays from the `.npz` file `arg`, compressed or not, in
/// either memory order and either byte order.
///
/// # Errors
/// No such pair (the arrays there are listed), other types or shapes, unequal
/// lengths, fewer or more bytes than a header says, negative labels, numbers
/// that are not finite: with the array and the index.
pub fn load(arg: &str, options: &Options) -> Result<ImageSet> {
    read(Input::open(Path::new(arg), NPZ)?, options)
}

/// [`load`] of a file that is in memory; `path` names it in errors.
///
/// # Errors
/// As [`load`].
pub fn from_bytes(bytes: &[u8], path: &Path, options: &Options) -> Result<ImageSet> {
    read(Input::of_bytes(bytes, path), options)
}

fn read(mut input: Input, options: &Options) -> Result<ImageSet> {
    if !input.bytes(0, input.size().min(2))?.starts_with(b"PK") {
        return Err(input.wrong(NPZ, if input.size() == 0 { "an empty file" } else { "other bytes" }));
    }
    let archive = Archive::read(&mut input)?;
    let keys: Vec<&str> = archive.names().map(|name| name.strip_suffix(".npy").unwrap_or(name)).collect();
    let (x, y, in_parts) = choose(&keys, &options.split, options.reads_labels()).ok_or_else(|| {
        let split = &options.split;
        let expected = format!("arrays X and y, or x_{split} and y_{split}, or images and labels");
        let keys: Vec<String> = keys.iter().map(|key| shown(key)).collect();
        input.wrong(expected, if keys.is_empty() { "none".to_owned() } else { listed(&keys) })
    })?;
    let images = npy::read(&archive, &mut input, &x)?;
    let stored = y.as_ref().map(|y| npy::read(&archive, &mut input, y)).transpose()?;

    let scale = match (images.dtype.kind, images.dtype.size) {
        (b'u', 1) => 255.0,
        (b'u', 2) => 65535.0,
        (b'f', 4 | 8) => 1.0,
        _ => return Err(Error::input(&images.place, "dtype u1, u2, f4 or f8", images.dtype)),
    };
    let strides = images.strides();
    // (length, stride) of channels, rows and columns
    let axes = match (images.shape.as_slice(), strides.as_slice()) {
        (&[_, h, w], &[_, sh, sw]) => [(1, 0), (h, sh), (w, sw)],
        (&[_, h, w, c @ (1 | 3)], &[_, sh, sw, sc]) if !matches!(h, 1 | 3) => [(c, sc), (h, sh), (w, sw)],
        (&[_, c, h, w], &[_, sc, sh, sw]) => [(c, sc), (h, sh), (w, sw)],
        _ => {
            let expected = "shape (N, H, W), (N, C, H, W) or (N, H, W, C)";
            return Err(Error::input(&images.place, expected, format!("{:?}", images.shape)));
        }
    };
    check_sides(axes.map(|(length, _)| length))?;
    if let Some(targets) = &stored
        && targets.shape.first() != Some(&images.shape[0])
    {
        let expected = format!("{} targets, one for each image", images.shape[0]);
        return Err(Error::input(&targets.place, expected, format!("shape {:?}", targets.shape)));
    }

    let targets = match &stored {
        Some(array) => targets(array)?,
        None => Targets::Real(Array2::zeros((images.shape[0], 0))),
    };
    let (rows, targets) = match targets {
        Targets::Classes { labels, names } => {
            let selection = select(&labels, &names, options)?;
            (selection.rows, Targets::Classes { labels: selection.labels, names: selection.names })
        }
        Targets::Real(y) => {
            let kept = select_real(y.nrows(), options)?;
            ((0..kept).collect(), Targets::Real(y.slice_move(ndarray::s![..kept, ..])))
        }
    };
    let [channels, height, width] = axes;
    let pixels = render(rows.len(), [channels.0, height.0, width.0], scale, options, |k, planes| {
        let start = rows[k] * strides[0];
        let mut out = planes.iter_mut();
        for c in 0..channels.0 {
            for y in 0..height.0 {
                for x in 0..width.0 {
                    let value = images.number(start + c * channels.1 + y * height.1 + x * width.1) as f32;
                    if !value.is_finite() {
                        let place =
                            format!("{}: image {} (channel {c}, row {y}, column {x})", images.place, rows[k]);
                        return Err(Error::input(place, "a finite number", value));
                    }
                    out.next().into_iter().for_each(|out| *out = value);
                }
            }
        }
        Ok(())
    })?;
    let mut description = format!("npz, {x} {:?}", images.shape);
    if let Some(y) = y {
        description += &format!(" and {y}");
    }
    let split = in_parts.then(|| options.split.clone());
    let reduced = options.reduced_to(axes.map(|(length, _)| length), &pixels);
    Ok(ImageSet {
        images: pixels,
        targets,
        source: Provenance { description, split, reduced, ..Provenance::default() },
    })
}

// Names of images and, where they are to be read, targets, and whether the archive has
// parts.
fn choose(keys: &[&str], split: &str, labels: bool) -> Option<(String, Option<String>, bool)> {
    let there = |(x, y, parts): (String, String, bool)| {
        let y = (labels && keys.contains(&y.as_str())).then_some(y);
        (keys.contains(&x.as_str()) && y.is_some() == labels).then_some((x, y, parts))
    };
    let in_parts = IN_PARTS.iter().map(|(x, y)| (x.replace("{}", split), y.replace("{}", split), true));
    let whole = WHOLE.iter().map(|&(x, y)| (x.to_owned(), y.to_owned(), false));
    in_parts.chain(whole).find_map(there)
}

fn targets(array: &Npy) -> Result<Targets> {
    match (array.dtype.kind, array.shape.as_slice()) {
        (b'i' | b'u', &[count] | &[count, 1]) => {
            let labels = (0..count)
                .map(|i| {
                    let value = array.integer(i);
                    let place = || format!("{}: index {i}", array.place);
                    label(value, None).map_err(|expected| Error::input(place(), expected, value))
                })
                .collect::<Result<Vec<u32>>>()?;
            let names = numbered(&labels);
            Ok(Targets::Classes { labels, names })
        }
        (b'f', &[count, outputs]) if matches!(array.dtype.size, 4 | 8) => {
            let strides = array.strides();
            let mut values = Array2::zeros((count, outputs));
            for ((i, k), out) in values.indexed_iter_mut() {
                *out = array.number(i * strides[0] + k * strides[1]) as f32;
                if !out.is_finite() {
                    let place = format!("{}: index ({i}, {k})", array.place);
                    return Err(Error::input(place, "a finite number", out));
                }
            }
            Ok(Targets::Real(values))
        }
        _ => {
            let expected = "integer class indices (N) or real targets (N, K) of dtype f4 or f8";
            let found = format!("dtype {} and shape {:?}", array.dtype, array.shape);
            Err(Error::input(&array.place, expected, found))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array, Array1, Array3, Array4, ArrayD, IxDyn, ShapeBuilder};
    use ndarray_npy::{NpzReader, NpzWriter, WritableElement};
    use proptest::prelude::*;
    use std::fs::File;
    use std::io::Cursor;
    use std::path::Path;

    const LAYOUTS: &[u8] = include_bytes!("testdata/layouts.npz");

    struct Archive(tempfile::TempDir, NpzWriter<File>);

    impl Archive {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let file = File::create(dir.path().join("a.npz")).unwrap();
            Self(dir, NpzWriter::new_compressed(file))
        }

        fn with<A: WritableElement, D: ndarray::Dimension>(mut self, key: &str, array: Array<A, D>) -> Self {
            self.1.add_array(key, &array).unwrap();
            self
        }

        fn load(self, options: &Options) -> Result<ImageSet> {
            self.1.finish().unwrap();
            load(self.0.path().join("a.npz").to_str().unwrap(), options)
        }

        fn refusal(self) -> String {
            self.load(&Options::default()).expect_err("must be refused").to_string()
        }
    }

    fn stored(bytes: &[u8], key: &str) -> Result<Npy> {
        let mut input = Input::of_bytes(bytes, Path::new("layouts.npz"));
        let archive = crate::disk::zip::Archive::read(&mut input)?;
        npy::read(&archive, &mut input, key)
    }

    fn counted(shape: &[usize]) -> ArrayD<u8> {
        let len: usize = shape.iter().product();
        ArrayD::from_shape_vec(shape, (0..len).map(|i| i as u8).collect()).unwrap()
    }

    fn labels(list: &[i64]) -> Array1<i64> {
        list.to_vec().into()
    }

    #[test]
    fn every_order_of_axes() {
        let load = |shape: &[usize]| {
            let set =
                Archive::new().with("X", counted(shape)).with("y", labels(&[1, 0])).load(&Options::default());
            set.unwrap().images.mapv(|v| (v * 255.0).round() as usize)
        };
        let x = load(&[2, 4, 5]);
        assert_eq!((x.dim(), x[[1, 0, 2, 3]]), ((2, 1, 4, 5), 33));
        let x = load(&[2, 3, 4, 5]);
        assert_eq!((x.dim(), x[[1, 2, 3, 4]]), ((2, 3, 4, 5), 119));
        let x = load(&[2, 4, 5, 3]);
        assert_eq!((x.dim(), x[[1, 2, 0, 1]]), ((2, 3, 4, 5), 60 + 3 + 2));
        // The second axis is a number of channels: it is taken for them.
        assert_eq!(load(&[2, 3, 5, 3]).dim(), (2, 3, 5, 3));
        assert_eq!(load(&[2, 2, 4, 5]).dim(), (2, 2, 4, 5));
        assert_eq!(load(&[2, 4, 5, 1]).dim(), (2, 1, 4, 5));
    }

    #[test]
    fn layouts_that_numpy_writes_hold_the_same_numbers() {
        for key in ["c", "f", "big", "u16", "u8"] {
            let array = stored(LAYOUTS, key).unwrap();
            assert_eq!(array.shape, [2, 3, 2, 4]);
            let strides = array.strides();
            for (k, index) in ndarray::indices([2, 3, 2, 4]).into_iter().enumerate() {
                let at =
                    index.0 * strides[0] + index.1 * strides[1] + index.2 * strides[2] + index.3 * strides[3];
                assert_eq!(array.number(at), k as f64, "{key}");
            }
        }
        assert_eq!(stored(LAYOUTS, "f").unwrap().strides(), [1, 2, 6, 12]);
        let y = stored(LAYOUTS, "y").unwrap();
        assert_eq!((y.integer(0), y.integer(1)), (0, 1));
        let text = stored(LAYOUTS, "objects").unwrap_err().to_string();
        assert!(text.contains("no objects"), "{text}");
    }

    #[test]
    fn types_and_scales() {
        let shape = (2, 2, 3);
        let first = |archive: Archive| {
            let set = archive.with("labels", labels(&[0, 1])).load(&Options::default()).unwrap();
            set.images[[1, 0, 1, 2]]
        };
        assert_eq!(first(Archive::new().with("images", Array3::<u8>::from_elem(shape, 51))), 0.2);
        assert_eq!(first(Archive::new().with("images", Array3::<u16>::from_elem(shape, 65535))), 1.0);
        assert_eq!(first(Archive::new().with("images", Array3::<f32>::from_elem(shape, -2.5))), -2.5);
        assert_eq!(first(Archive::new().with("images", Array3::<f64>::from_elem(shape.f(), 7.0))), 7.0);
        let wrong = Archive::new().with("X", Array3::<i32>::zeros(shape)).with("y", labels(&[0, 1]));
        assert!(wrong.refusal().contains("i4"));
    }

    #[test]
    fn splits_and_targets() {
        let archive = || {
            Archive::new()
                .with("x_train", counted(&[2, 2, 2]))
                .with("y_train", labels(&[0, 1]))
                .with("test_images", counted(&[3, 2, 2]))
                .with("test_labels", ndarray::arr2(&[[1u8], [0], [2]]))
        };
        assert_eq!(archive().load(&Options::default()).unwrap().len(), 2);
        let test = archive().load(&Options { split: "test".into(), ..Options::default() }).unwrap();
        let Targets::Classes { labels: found, names } = &test.targets else { panic!("classes") };
        assert_eq!((found.as_slice(), names.len()), (&[1, 0, 2][..], 3));
        let text =
            archive().load(&Options { split: "val".into(), ..Options::default() }).unwrap_err().to_string();
        assert!(text.contains("x_val") && text.contains("y_train"), "{text}");
        assert_eq!(test.source.split.as_deref(), Some("test"));

        // Where no labels are wanted there need not be any.
        let bare = Options { labels: false, ..Options::default() };
        let set = Archive::new().with("X", counted(&[2, 2, 2])).load(&bare).unwrap();
        assert_eq!((set.len(), set.targets.outputs(), set.source.split), (2, 0, None));
        assert!(Archive::new().with("X", counted(&[2, 2, 2])).refusal().contains("X and y"));

        let y = ndarray::arr2(&[[0.5f64, -1.0, 2.0], [3.0, 4.0, 5.0]]);
        let real = |options: &Options| {
            Archive::new().with("X", counted(&[2, 2, 2])).with("y", y.clone()).load(options)
        };
        let set = real(&Options::default()).unwrap();
        let Targets::Real(found) = &set.targets else { panic!("real targets") };
        assert_eq!(found[[1, 0]], 3.0);
        assert_eq!(real(&Options { limit: Some(1), ..Options::default() }).unwrap().len(), 1);
        assert!(real(&Options { classes: vec!["0".into()], ..Options::default() }).is_err());
    }

    #[test]
    fn selection_grey_and_size_are_applied() {
        let options = Options {
            classes: vec!["2".into(), "0".into()],
            grey: true,
            size: Some((2, 1)),
            ..Options::default()
        };
        let x = Array4::from_shape_fn((4, 3, 4, 2), |(n, c, ..)| (n * 10 + c) as f32);
        let set = Archive::new().with("X", x).with("y", labels(&[2, 1, 0, 2])).load(&options).unwrap();
        assert_eq!(set.images.dim(), (3, 1, 2, 1));
        for (n, value) in [(0, 1.0), (1, 21.0), (2, 31.0)] {
            approx::assert_abs_diff_eq!(set.images[[n, 0, 1, 0]], value, epsilon = 1e-5);
        }
    }

    #[test]
    fn damage_is_named() {
        let x = || Archive::new().with("X", counted(&[2, 2, 2]));
        assert!(x().refusal().contains("found X"));
        assert!(x().with("y", labels(&[0, 1, 0])).refusal().contains("2 targets"));
        let text = x().with("y", labels(&[0, -1])).refusal();
        assert!(text.contains("y: index 1") && text.contains("found -1"), "{text}");
        assert!(x().with("y", labels(&[0, 1 << 40])).refusal().contains("index 1"));
        assert!(x().with("y", labels(&[0, 0])).refusal().contains("at least 2 classes"));
        assert!(x().with("y", ndarray::arr1(&[0.0f32, 1.0])).refusal().contains("integer class indices"));
        assert!(x().with("y", ndarray::arr2(&[[0.0f32], [f32::NAN]])).refusal().contains("(1, 0)"));
        assert!(
            Archive::new()
                .with("X", counted(&[2, 2]))
                .with("y", labels(&[0, 1]))
                .refusal()
                .contains("(N, H, W)")
        );
        assert!(
            Archive::new()
                .with("X", counted(&[2, 0, 2]))
                .with("y", labels(&[0, 1]))
                .refusal()
                .contains("sides")
        );
        let mut bad = Array3::<f64>::zeros((2, 2, 2));
        bad[[1, 0, 1]] = 1e300;
        let text = Archive::new().with("X", bad).with("y", labels(&[0, 1])).refusal();
        assert!(text.contains("image 1 (channel 0, row 0, column 1)"), "{text}");

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.npz");
        std::fs::write(&path, &LAYOUTS[..LAYOUTS.len() - 30]).unwrap();
        assert!(load(path.to_str().unwrap(), &Options::default()).unwrap_err().to_string().contains("zip"));
        std::fs::write(&path, &LAYOUTS[1..]).unwrap();
        let text = load(path.to_str().unwrap(), &Options::default()).unwrap_err().to_string();
        assert!(text.ends_with("a .npz file (a zip archive), found other bytes"), "{text}");
        assert!(load("/absent.npz", &Options::default()).unwrap_err().to_string().contains("cannot open"));
    }

    proptest! {
        #[test]
        fn arrays_agree_with_ndarray_npy(
            shape in prop::collection::vec(1usize..4, 1..5),
            fortran: bool,
            seed in prop::collection::vec(-1e30f64..1e30, 81),
        ) {
            let len: usize = shape.iter().product();
            let dim = IxDyn(&shape).set_f(fortran);
            let array = ArrayD::from_shape_vec(dim, seed[..len].to_vec()).unwrap();
            let mut bytes = Cursor::new(Vec::new());
            let mut writer = NpzWriter::new(&mut bytes);
            writer.add_array("a", &array).unwrap();
            writer.finish().unwrap();
            let peer: ArrayD<f64> = NpzReader::new(&mut bytes).unwrap().by_name("a").unwrap();
            let ours = stored(bytes.get_ref(), "a").unwrap();
            let strides = ours.strides();
            for (index, &value) in peer.indexed_iter() {
                let at: usize = strides.iter().enumerate().map(|(axis, stride)| index[axis] * stride).sum();
                prop_assert_eq!(ours.number(at), value);
            }
        }

        #[test]
        fn random_and_damaged_files_never_panic(
            random in prop::collection::vec(any::<u8>(), 0..200),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        ) {
            let mut bytes = LAYOUTS.to_vec();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            for bytes in [&random, &bytes] {
                for key in ["c", "f", "big", "u16", "u8", "objects", "y"] {
                    if let Ok(array) = stored(bytes, key) {
                        prop_assert_eq!(array.data.len(), array.shape.iter().product::<usize>() * array.dtype.size);
                        let _ = targets(&array);
                    }
                }
            }
            let _ = npy::parse(&random[..], "fuzz");
        }
    }

    #[test]
    fn the_file_is_read_through_load_too() {
        // `layouts.npz` has no images: its arrays are listed.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/testdata/layouts.npz");
        let text = load(path.to_str().unwrap(), &Options::default()).unwrap_err().to_string();
        assert!(text.contains("c, f, big"), "{text}");
    }
}
