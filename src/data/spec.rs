//! Names of image sources, `kind[:argument]`, and how each is loaded.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use ndarray::{Array2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::decode::render;
use super::select::{at_least, least, select_least, select_real};
use super::{
    Options, cifar, conflict, cosines, filtered, folder, idx, leaves, npz, planted, shapes, shards, shortcut,
    split, spread, textures,
};
use crate::error::{Error, LIKELY, Result, nearest};
use crate::field::{ImageSet, Provenance, Targets};

/// A source of images as the user names it: `parquet:PATH`, `cosines`,
/// `shapes:ARGUMENTS`, ….
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Spec {
    kind: &'static Kind,
    argument: String,
}

/// A kind of source: its module has one called `KIND`.
#[derive(Debug)]
pub struct Kind {
    /// The word before the colon.
    pub name: &'static str,
    /// What follows the colon, in the help: "PATH".
    pub(super) argument: &'static str,
    /// Whether the images are made here rather than read from files.
    pub generated: bool,
    /// Whether x and y are to be left as they are, neither centred nor
    /// normalised, unless told otherwise: so it is where the classes are made to
    /// be the modes, which they are only then.
    pub classes_are_modes: bool,
    // With one class y says nothing about x, but for an uncentred set whose one
    // image is what there is to learn.
    pub(super) least_classes: usize,
    pub(super) load: Load,
    // Options that some sources have a use for, and this one has.
    pub(super) takes: &'static [Takes],
    // A name for figures, of the word before the colon and what follows it.
    pub(super) short: fn(&str, &str) -> String,
}

/// What is said of files, and has no meaning for most sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// A column, an array or the like in the files of the source.
    Labels,
    /// A file of its own.
    LabelFile,
    Layout,
    Divisor,
}

impl Takes {
    // Of arrays in archives and files.
    pub(super) const ARRAYS: &'static [Self] = &[Self::Labels, Self::LabelFile, Self::Layout, Self::Divisor];
}

type Load = fn(&str, &Options) -> Result<ImageSet>;

/// Every kind, those made here first: the registry.
pub(super) const KINDS: [&Kind; 16] = [
    &cosines::KIND,
    &spread::KIND,
    &shapes::KIND,
    &leaves::KIND,
    &textures::KIND,
    &conflict::KIND,
    &shortcut::KIND,
    &shards::parquet::KIND,
    &shards::arrow::KIND,
    &shards::webdataset::KIND,
    &cifar::KIND,
    &idx::KIND,
    &folder::KIND,
    &npz::KIND,
    &planted::KIND,
    &filtered::KIND,
];

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}

impl Kind {
    /// A set that `load` makes from arguments, in one piece: it is selected and resized here.
    pub(super) const fn made(name: &'static str, load: Load) -> Self {
        Self {
            name,
            argument: "",
            generated: true,
            classes_are_modes: false,
            least_classes: 2,
            load,
            takes: &[],
            short: |name, _| name.to_owned(),
        }
    }

    /// A set that `load` reads from the file or folder called `argument` in the help.
    pub(super) const fn read(name: &'static str, argument: &'static str, load: Load) -> Self {
        Self { argument, generated: false, short: with_last_part, ..Self::made(name, load) }
    }
}

impl Kind {
    /// The same, with a use for these options.
    pub(super) const fn taking(self, takes: &'static [Takes]) -> Self {
        Self { takes, ..self }
    }

    // Fails for options that it would pass over.
    fn check(&self, options: &Options) -> Result<()> {
        let given: [(&[Takes], _, _); 3] = [
            (&[Takes::Labels, Takes::LabelFile], "--labels", options.labels_at.is_some()),
            (&[Takes::Layout], "--layout", options.layout.is_some()),
            (&[Takes::Divisor], "--divide-by", options.divide_by.is_some()),
        ];
        let takes = |kind: &Self, any: &[Takes]| any.iter().any(|what| kind.takes.contains(what));
        match given.iter().find(|(any, _, given)| *given && !takes(self, any)) {
            Some((any, flag, _)) => {
                let able: Vec<_> = KINDS.iter().filter(|kind| takes(kind, any)).map(|k| k.name).collect();
                let expected = format!("a source that has a use for it: {}", able.join(", "));
                Err(Error::input(flag, expected, self.name))
            }
            None => Ok(()),
        }
    }
}

// The kind, with the last part of a path.
fn with_last_part(name: &str, path: &str) -> String {
    let Some(last) = std::path::Path::new(path).file_name() else { return name.to_owned() };
    let last: String = last.to_string_lossy().chars().take(40).collect();
    format!("{name} {last}")
}

/// What `--data` takes, for the help.
pub fn help() -> String {
    let (made, read): (Vec<&Kind>, Vec<&Kind>) = KINDS.iter().partition(|kind| kind.generated);
    let made: Vec<_> = made.iter().map(|kind| kind.name).collect();
    let read: Vec<_> = read.iter().map(|kind| format!("{}:{}", kind.name, kind.argument)).collect();
    let (last, first) = made.split_last().expect("some are made here");
    format!(
        "{} or {last} (each with `:key=value,…`), or {} [default: {}]",
        first.join(", "),
        read.join(", "),
        KINDS[0].name
    )
}

impl Spec {
    /// The kind of source.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// What follows the colon: a path, or the arguments of a generator.
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// Whether `--labels` of this source, `said`, is a file of labels: it belongs to these images and no others.
    pub fn has_label_file(&self, said: &str) -> bool {
        let takes = |what| self.kind.takes.contains(&what);
        takes(Takes::LabelFile) && (!takes(Takes::Labels) || npz::is_npy(Path::new(said)))
    }

    /// A name short enough for a figure: the kind, with the last part of a path; of
    /// planted cues the cue and what it is planted in.
    pub fn short(&self) -> String {
        (self.kind.short)(self.kind.name, &self.argument)
    }

    /// Reads or makes the images, see [`super::load`].
    ///
    /// # Errors
    /// As there.
    pub fn load(&self, options: &Options) -> Result<ImageSet> {
        self.kind.check(options)?;
        let home = if self.kind.generated { None } else { at_home(&self.argument) };
        let set = (self.kind.load)(home.as_deref().unwrap_or(&self.argument), options)?;
        let mut set = if self.kind.generated { finish(set, options)? } else { set };
        let split = &options.split;
        if !self.kind.generated && set.source.split.is_none() && split::part(split) != Some("train") {
            let note = format!("the set has no splits: all of it is read where '{split}' was asked for");
            // Of one source in another it is said once.
            if !set.source.told.notes.contains(&note) {
                set.source.told.notes.push(note);
            }
        }
        self.complete(&mut set, options)?;
        Ok(set)
    }

    // The last step of loading: drops targets that nobody wants, and checks.
    pub(super) fn complete(&self, set: &mut ImageSet, options: &Options) -> Result<()> {
        if !options.labels {
            set.targets = Targets::Real(Array2::zeros((set.len(), 0)));
        }
        check(set, self, options.labels)
    }
}

// A path below `~`, which shells leave as it is behind a colon.
fn at_home(path: &str) -> Option<String> {
    let rest = path.strip_prefix("~/")?;
    let home = std::env::var("HOME").ok().filter(|home| !home.is_empty())?;
    Some(format!("{}/{rest}", home.trim_end_matches('/')))
}

/// The source that reads what is at `path`, by what is there; None where nothing is, or nothing that
/// is known.
///
/// # Errors
/// For a folder of which it cannot be told.
pub fn at(path: &str) -> Result<Option<Spec>> {
    let home = at_home(path);
    let place = Path::new(home.as_deref().unwrap_or(path));
    let name = place.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let kind = if place.is_dir() {
        match () {
            () if cifar::is_there(place) => &cifar::KIND,
            () if idx::is_there(place) => &idx::KIND,
            () => {
                let shards::Guess { shards: mut kinds, images } = shards::guess(place);
                kinds.extend(npz::is_there(place, true).then_some(&npz::KIND));
                kinds.extend(images.then_some(&folder::KIND));
                match kinds.as_slice() {
                    [only] => only,
                    [] if npz::is_there(place, false) => &npz::KIND,
                    [] if cifar::is_packed_in(place) => &cifar::KIND,
                    [] => &folder::KIND,
                    several => {
                        let able: Vec<String> =
                            several.iter().map(|kind| format!("{}:{path}", kind.name)).collect();
                        let expected = "one kind of files, or its name before the folder";
                        return Err(Error::input("--data", expected, able.join(" or ")));
                    }
                }
            }
        }
    } else if !place.is_file() {
        return Ok(None);
    } else if cifar::is_packed(&name) {
        &cifar::KIND
    } else if name.ends_with(".npz") || name.ends_with(".npy") {
        &npz::KIND
    } else if name.contains("images") && (name.contains("idx3") || name.contains("idx4")) {
        &idx::KIND
    } else if let Some(kind) = shards::kind_of(place) {
        kind
    } else {
        return Ok(None);
    };
    Ok(Some(Spec { kind, argument: path.to_owned() }))
}

impl FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (word, argument) = text.split_once(':').unwrap_or((text, ""));
        let Some(kind) = KINDS.into_iter().find(|kind| kind.name == word) else {
            let all = KINDS.map(|kind| kind.name);
            let hint = match nearest(all, word) {
                Some((name, likeness)) if likeness > LIKELY => format!("'{word}' (did you mean {name}?)"),
                _ => format!("'{word}'"),
            };
            return Err(Error::input("--data", format!("one of {}", all.join(", ")), hint));
        };
        if argument.is_empty() && !kind.generated {
            return Err(Error::input("--data", format!("{word}:{}", kind.argument), format!("'{text}'")));
        }
        Ok(Self { kind, argument: argument.to_owned() })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name)?;
        if !self.argument.is_empty() {
            write!(f, ":{}", self.argument)?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Spec {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Spec> for String {
    fn from(spec: Spec) -> Self {
        spec.to_string()
    }
}

/// Applies `options` to a set that was made in one piece: selects samples,
/// takes the mean of the channels, resizes. A set that was made with one class
/// may have one.
///
/// # Errors
/// Those of [`select`](super::select::select) and [`select_real`], and unequal numbers of images and
/// targets.
pub fn finish(set: ImageSet, options: &Options) -> Result<ImageSet> {
    let (count, channels, height, width) = set.images.dim();
    if set.targets.len() != count {
        return Err(Error::input("data set", format!("{count} targets, one per image"), set.targets.len()));
    }
    let (rows, targets) = match set.targets {
        Targets::Classes { labels, names } => {
            let selection = select_least(&labels, &names, options, names.len().min(least(options)))?;
            (selection.rows, Targets::Classes { labels: selection.labels, names: selection.names })
        }
        Targets::Real(y) => {
            let kept = select_real(count, options)?;
            ((0..kept).collect(), Targets::Real(y.slice_move(ndarray::s![..kept, ..])))
        }
    };
    let out_channels = if options.grey { 1 } else { channels };
    let (size, _) = options.sized(rows.len(), out_channels, (height, width), true);
    let same_size = options.shorter.is_none() && size == (height, width);
    let images = if rows.len() == count && same_size && !(options.grey && channels > 1) {
        set.images
    } else {
        render(rows.len(), [channels, height, width], 1.0, options, |k, planes| {
            planes
                .iter_mut()
                .zip(set.images.index_axis(Axis(0), rows[k]))
                .for_each(|(out, &value)| *out = value);
            Ok(())
        })?
    };
    let reduced = options.reduced_to([channels, height, width], &images).or(set.source.reduced);
    Ok(ImageSet { images, targets, source: Provenance { reduced, ..set.source } })
}

// What every set must fulfil, wherever it came from.
fn check(set: &ImageSet, spec: &Spec, labels: bool) -> Result<()> {
    let count = set.len();
    if count == 0 || set.images.is_empty() {
        return Err(Error::input(spec, "images", format!("shape {:?}", set.images.shape())));
    }
    if set.targets.len() != count {
        return Err(Error::input(spec, format!("{count} targets"), set.targets.len()));
    }
    let bad = (0..count)
        .into_par_iter()
        .find_first(|&i| !set.images.index_axis(Axis(0), i).iter().all(|value| value.is_finite()));
    if let Some(i) = bad {
        return Err(Error::input(spec, "finite pixels", format!("NaN or infinity in image {i}")));
    }
    match &set.targets {
        Targets::Classes { labels, names } => {
            let mut present = vec![false; names.len()];
            for (i, &label) in labels.iter().enumerate() {
                *present.get_mut(label as usize).ok_or_else(|| {
                    let expected = format!("a label below {}", names.len());
                    Error::input(format!("{spec}: sample {i}"), expected, label)
                })? = true;
            }
            at_least(spec.kind.least_classes, present.iter().filter(|&&p| p).count(), &spec.to_string())
        }
        Targets::Real(y) => {
            if y.ncols() == 0 && labels {
                return Err(Error::input(spec, "at least 1 target per image", 0));
            }
            match y.indexed_iter().find(|(_, value)| !value.is_finite()) {
                Some(((i, k), value)) => {
                    Err(Error::input(format!("{spec}: target {k} of sample {i}"), "a finite number", value))
                }
                None => Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array4};
    use proptest::prelude::*;

    fn refusal(text: &str) -> String {
        text.parse::<Spec>().expect_err("must be refused").to_string()
    }

    // Pixel values tell sample, channel, row and column apart.
    fn made(targets: Targets) -> ImageSet {
        let count = targets.len();
        let images =
            Array4::from_shape_fn((count, 3, 2, 4), |(n, c, y, x)| (n * 100 + c * 20 + y * 8 + x) as f32);
        ImageSet { images, targets, source: Provenance::default() }
    }

    fn classes(labels: &[u32]) -> Targets {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        Targets::Classes { labels: labels.to_vec(), names }
    }

    #[test]
    fn specs_are_read_and_written() {
        for kind in KINDS {
            let text = format!("{}:some/where:odd", kind.name);
            let spec: Spec = text.parse().unwrap();
            assert_eq!((spec.kind(), spec.argument(), spec.to_string()), (kind, "some/where:odd", text));
            assert_eq!(kind.name.parse::<Spec>().is_ok(), kind.generated);
        }
        assert_eq!("shapes:".parse::<Spec>().unwrap().to_string(), "shapes");
        let short = |text: &str| text.parse::<Spec>().unwrap().short();
        assert_eq!(short("parquet:/data/cifar10/"), "parquet cifar10");
        assert_eq!(short("cosines:size=8,classes=3"), "cosines");
        let spec: Spec = serde_json::from_str("\"npz:a.npz\"").unwrap();
        assert_eq!(serde_json::to_string(&spec).unwrap(), "\"npz:a.npz\"");
        assert!(serde_json::from_str::<Spec>("\"nzp:a\"").is_err());
    }

    #[test]
    fn unknown_kinds_get_the_nearest_one_and_the_list() {
        let text = refusal("parket:x");
        assert!(text.contains("did you mean parquet?") && text.contains("cosines, spread, shapes"), "{text}");
        assert!(refusal("texture").contains("did you mean textures?"));
        let text = refusal("qqq:x");
        assert!(!text.contains("did you mean") && text.contains("'qqq'"), "{text}");
        assert!(refusal("folder").contains("folder:DIR") && refusal("npz:").contains("npz:PATH"));
        assert!(refusal("").contains("one of"));
    }

    #[test]
    fn sets_made_in_one_piece_are_selected_greyed_and_resized() {
        let options = Options { classes: vec!["c".into(), "a".into()], ..Options::default() };
        let set = finish(made(classes(&[0, 1, 2, 0])), &options).unwrap();
        assert_eq!(set.images.dim(), (3, 3, 2, 4));
        assert_eq!(set.images[[1, 2, 1, 3]], 251.0);
        let Targets::Classes { labels, names } = &set.targets else { panic!("classes") };
        assert_eq!((labels.as_slice(), names.join("")), (&[1, 0, 1][..], "ca".to_owned()));

        let grey = finish(made(classes(&[0, 1])), &Options { grey: true, ..Options::default() }).unwrap();
        assert_eq!((grey.images.dim(), grey.images[[1, 0, 1, 3]]), ((2, 1, 2, 4), 131.0));
        // The same size by another way is another picture.
        let cut = Options { size: Some((2, 4)), shorter: Some(4), ..Options::default() };
        let cut = finish(made(classes(&[0, 1, 2])), &cut).unwrap();
        assert_eq!(cut.images.dim(), (3, 3, 2, 4));
        assert!(cut.images[[0, 0, 0, 0]] > 0.0);
        let alone = Options { shorter: Some(4), ..Options::default() };
        assert!(finish(made(classes(&[0, 1])), &alone).unwrap_err().to_string().contains("--size"));
        let small = Options { size: Some((1, 4)), limit: Some(2), ..Options::default() };
        let small = finish(made(classes(&[0, 1, 2])), &small).unwrap();
        assert_eq!(small.images.dim(), (2, 3, 1, 4));
        approx::assert_abs_diff_eq!(small.images[[1, 0, 0, 2]], 106.0, epsilon = 1e-3);

        let real = made(Targets::Real(Array2::from_elem((3, 2), 0.5)));
        let kept = finish(real.clone(), &Options { limit: Some(2), ..Options::default() }).unwrap();
        assert_eq!((kept.len(), kept.targets.len()), (2, 2));
        assert!(finish(real, &options).is_err());
        let mut uneven = made(classes(&[0, 1]));
        uneven.targets = classes(&[0]);
        assert!(finish(uneven, &Options::default()).unwrap_err().to_string().contains("2 targets"));
    }

    #[test]
    fn every_set_is_checked_at_the_end() {
        let spec: Spec = "npz:a".parse().unwrap();
        let text = |set: &ImageSet| check(set, &spec, true).expect_err("must be refused").to_string();
        let fine = made(classes(&[0, 1]));
        assert!(check(&fine, &spec, true).is_ok());
        let mut set = fine.clone();
        set.images[[1, 0, 0, 0]] = f32::NAN;
        assert!(text(&set).contains("image 1"));
        assert!(text(&made(classes(&[0, 3]))).contains("sample 1"));
        assert!(text(&made(classes(&[1, 1]))).contains("at least 2 classes"));
        assert!(check(&made(classes(&[1, 1])), &"spread".parse().unwrap(), true).is_ok());
        assert!(text(&made(classes(&[]))).contains("images"));
        let mut set = fine.clone();
        set.targets = classes(&[0]);
        assert!(text(&set).contains("2 targets"));
        let bare = made(Targets::Real(Array2::zeros((2, 0))));
        assert!(text(&bare).contains("1 target") && check(&bare, &spec, false).is_ok());
        let mut y = Array2::zeros((2, 2));
        y[[1, 0]] = f32::INFINITY;
        assert!(text(&made(Targets::Real(y))).contains("target 0 of sample 1"));
    }

    #[test]
    fn options_without_a_use_are_refused() {
        let labels = Options { labels_at: Some("a".into()), ..Options::default() };
        let divided = Options { divide_by: Some(2.0), ..Options::default() };
        let layout = Options { layout: Some(super::super::AxisOrder::Nhwc), ..Options::default() };
        let text = |spec: &str, options: &Options| {
            spec.parse::<Spec>().unwrap().load(options).expect_err("must be refused").to_string()
        };
        for (spec, options, refused) in [
            ("folder:x", &labels, true),
            ("cifar:x", &labels, true),
            ("cosines", &labels, true),
            ("parquet:/absent", &labels, false),
            ("idx:/absent", &labels, false),
            ("idx:x", &divided, true),
            ("npz:/absent", &divided, false),
            ("parquet:x", &layout, true),
            ("filtered:by=white,over=folder:x", &layout, true),
        ] {
            let text = text(spec, options);
            assert_eq!(text.contains("a source that has a use for it"), refused, "{spec}: {text}");
        }
    }

    #[test]
    fn what_is_at_a_path_tells_the_source() {
        let tmp = tempfile::tempdir().unwrap();
        for file in [
            "p/data/train/0.parquet",
            "c/test_batch.bin",
            "f/a/1.png",
            "m/train-images-idx3-ubyte",
            "x.npz",
            "t-images-idx3-ubyte.gz",
            "q.parquet",
            "z.bin",
            "s/dataset_info.json",
            "s/state.json",
            "s/train/0.parquet",
            "d/dataset_dict.json",
            "a/x.arrow",
            "w/train/0.tar",
            "w.tar",
            "a.arrow",
            "n/X_train.npy",
            "n.npy",
            "o/other.npy",
            "CIFAR-10-python.tar.gz",
            "other.tar.gz",
            // What lies beside images in their classes, or below them.
            "classes/a/1.png",
            "classes/b/1.JPG",
            "classes/b/old/backup.tar",
            "classes/data.npy",
            "packed/train/a/1.png",
            "packed/train/b/1.png",
            "packed/train.tar",
            "one/docs/a.png",
            "one/a.tar",
            "docs/docs/a.png",
            "docs/assets/a.png",
            "docs/a.tar",
            "pair/X.npy",
            "pair/y.npy",
            "pair/plots/1.png",
            "pair/figures/1.png",
            "stray/a.tar",
            "stray/data.npy",
            "flat/1.png",
            "flat/a.tar",
            "archive/cifar-10-python.tar",
            "cifar-10-train-000000.tar",
            "two/a.arrow",
            "two/b.tar",
            "images/a/1.png",
            "images/b/1.png",
            "images/all.parquet",
        ] {
            crate::data::testing::put(tmp.path(), file, b"");
        }
        let found = |path: &str| {
            let spec = at(tmp.path().join(path).to_str().unwrap())?;
            Ok::<_, Error>(spec.map_or("none", |spec| spec.kind.name))
        };
        for (path, kind) in [
            ("p", "parquet"),
            ("c", "cifar"),
            ("f", "folder"),
            ("m", "idx"),
            ("x.npz", "npz"),
            ("t-images-idx3-ubyte.gz", "idx"),
            ("q.parquet", "parquet"),
            ("z.bin", "none"),
            ("s", "arrow"),
            ("d", "arrow"),
            ("a", "arrow"),
            ("w", "webdataset"),
            ("w.tar", "webdataset"),
            ("a.arrow", "arrow"),
            ("n", "npz"),
            ("n.npy", "npz"),
            ("o", "folder"),
            ("CIFAR-10-python.tar.gz", "cifar"),
            ("other.tar.gz", "none"),
            ("absent", "none"),
            ("classes", "folder"),
            ("packed", "folder"),
            ("one", "webdataset"),
            ("stray", "webdataset"),
            ("archive", "cifar"),
            ("cifar-10-train-000000.tar", "webdataset"),
        ] {
            assert_eq!(found(path).unwrap(), kind, "{path}");
        }
        for (path, words) in [
            ("two", ["arrow:", "webdataset:"]),
            ("images", ["parquet:", "folder:"]),
            ("docs", ["webdataset:", "folder:"]),
            ("pair", ["npz:", "folder:"]),
            ("flat", ["webdataset:", "folder:"]),
        ] {
            let text = found(path).unwrap_err().to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
        assert_eq!(at_home("a/~/b"), None);
        let home = std::env::var("HOME").unwrap_or_default();
        assert_eq!(at_home("~/b"), (!home.is_empty()).then(|| format!("{}/b", home.trim_end_matches('/'))));
    }

    #[test]
    fn load_reaches_the_reader_and_names_its_file() {
        for kind in ["parquet", "arrow", "webdataset", "cifar", "idx", "folder", "npz"] {
            let spec: Spec = format!("{kind}:/absent/place").parse().unwrap();
            let text = spec.load(&Options::default()).expect_err("nothing is there").to_string();
            assert!(text.contains("/absent/place"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,30}") {
            if let Ok(spec) = text.parse::<Spec>() {
                prop_assert_eq!(spec.to_string().parse::<Spec>().unwrap(), spec);
            }
        }
    }
}
