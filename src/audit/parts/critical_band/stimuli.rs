//! The published images of critical band masking, as they are.
//!
//! `DIR/<block>/<index>_cbm_noise<sd>_freq<octave>_gray_g_<category>.JPEG`, as in ajaysub110/critical-band-masking,
//! `stimuli/CBMSplit`: faint grey images, each in one of five levels of noise in one of seven octaves. The block
//! `train` is of other images, for people to learn the task with, and is left aside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::Array4;

use crate::audit::parts::masking::channel::LEVELS;
use crate::audit::parts::masking::tuning::PUBLISHED;
use crate::data::Options;
use crate::data::decode::{Item, Payload, decode_all};
use crate::data::folder::{add, entries, name, pictures};
use crate::error::{Error, Result};
use crate::field::{Provenance, Targets, left_aside};

/// What tells them from others.
const MARK: &str = "_cbm_noise";
/// The block that is left aside.
const TRAIN: &str = "train";

/// An octave, from 0, and a level of noise, an index into [`LEVELS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Octave, from 0.
    pub octave: usize,
    /// Level of noise.
    pub level: usize,
}

/// Images with noise in one octave.
#[derive(Clone, Debug)]
pub struct Masked {
    /// `[N, C, H, W]` in [0, 1].
    pub images: Array4<f32>,
    /// The categories, sorted.
    pub names: Vec<String>,
    /// Category of each image, an index into `names`.
    pub classes: Vec<u32>,
    /// Condition of each image.
    pub conditions: Vec<Condition>,
    /// Where they came from.
    pub source: Provenance,
}

/// Condition and category in a file name.
///
/// # Errors
/// What was expected.
pub fn condition(file: &str) -> Result<(Condition, &str), String> {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let found = stem.split_once(MARK).and_then(|(_, rest)| {
        let (noise, rest) = rest.split_once("_freq")?;
        let (octave, rest) = rest.split_once('_')?;
        let noise: f64 = noise.parse().ok()?;
        let level = LEVELS.iter().position(|level| *level == noise)?;
        let octave = octave.parse().ok().filter(|octave| *octave < PUBLISHED)?;
        let category = rest.rsplit('_').next().filter(|category| !category.is_empty())?;
        Some((Condition { octave, level }, category))
    });
    found.ok_or_else(|| {
        format!(
            "`<index>{MARK}<sd>_freq<octave>_gray_g_<category>.JPEG`, sd of {LEVELS:?}, octave of 0 to {}",
            PUBLISHED - 1
        )
    })
}

// The images of each block, `DIR` itself being one, without `train`.
fn blocks(dir: &Path) -> Result<Vec<PathBuf>> {
    let (directories, _) = entries(dir)?;
    let blocks = directories.into_iter().filter(|block| name(block) != TRAIN);
    Ok(std::iter::once(dir.to_owned()).chain(blocks).collect())
}

/// The first block of `dir` that has such images.
///
/// # Errors
/// [`Error::Io`].
pub fn block(dir: &Path) -> Result<Option<PathBuf>> {
    for block in blocks(dir)? {
        if entries(&block)?.1.iter().any(|file| name(file).contains(MARK)) {
            return Ok(Some(block));
        }
    }
    Ok(None)
}

/// Whether `dir` has images of critical band masking.
///
/// # Errors
/// [`Error::Io`].
pub fn are_masked(dir: &Path) -> Result<bool> {
    Ok(block(dir)?.is_some())
}

impl Masked {
    /// Reads `DIR`. Of `options` count `size`, `grey` and `skip_bad`. Images of another size are resized as a
    /// whole. Files that are no images are left aside and counted; hidden ones do not exist.
    ///
    /// # Errors
    /// A file name of another form; no images; those of [`decode_all`].
    pub fn read(dir: &Path, options: &Options) -> Result<Self> {
        let (mut stored, mut aside) = (Vec::new(), BTreeMap::new());
        for block in blocks(dir)? {
            let (inner, files) = entries(&block)?;
            let mut pictures = pictures(files)?;
            if block != dir {
                pictures.count_directories(&inner);
            }
            add(&mut aside, &pictures.aside);
            for path in pictures.images {
                let file = name(&path);
                let (condition, category) = condition(&file)
                    .map_err(|expected| Error::input(path.display(), expected, format_args!("`{file}`")))?;
                stored.push((condition, category.to_owned(), path));
            }
        }
        if stored.is_empty() {
            return Err(Error::input(dir.display(), "images", "none"));
        }
        let mut names: Vec<String> = stored.iter().map(|(_, category, _)| category.clone()).collect();
        names.sort();
        names.dedup();
        // Labelled by its file, each image says which ones were left out.
        let items: Vec<Item<'_>> = stored
            .iter()
            .enumerate()
            .map(|(i, (.., path))| Item { label: i as u32, payload: Payload::File(path.clone()) })
            .collect();
        let place = |i: usize| stored[i].2.display().to_string();
        let files = (0..stored.len()).map(place).collect();
        let mut description = format!("critical band masking, {} images", stored.len());
        description += &left_aside(&aside);
        let mut set = decode_all(&items, files, description, place, options)?;
        set.source.told.aside = aside;
        let Targets::Classes { labels, .. } = set.targets else { unreachable!("images have labels") };
        let kept = || labels.iter().map(|i| &stored[*i as usize]);
        let class = |name: &String| names.binary_search(name).expect("every name is listed") as u32;
        Ok(Self {
            images: set.images,
            classes: kept().map(|(_, category, _)| class(category)).collect(),
            conditions: kept().map(|(condition, ..)| *condition).collect(),
            source: set.source,
            names,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{png, put};

    #[test]
    fn conditions_are_in_the_names() {
        let of = |file| condition(file).map(|(c, category)| (c.octave, c.level, category));
        assert_eq!(of("18_cbm_noise0.16_freq4_gray_g_clock.JPEG"), Ok((4, 4, "clock")));
        assert_eq!(of("0_cbm_noise0_freq0_gray_g_bear.png"), Ok((0, 0, "bear")));
        assert_eq!(of("7_cbm_noise0.02_freq6_gray_g_airplane.jpg"), Ok((6, 1, "airplane")));
        for wrong in [
            "airplane1-bicycle2.png",
            "1_cbm_noise0.03_freq1_gray_g_dog.JPEG",
            "1_cbm_noise0.02_freq7_gray_g_dog.JPEG",
            "1_cbm_noise0.02_freq-1_gray_g_dog.JPEG",
            "1_cbm_noise_freq1_gray_g_dog.JPEG",
            "1_cbm_noise0.02_freq1.JPEG",
            "1_cbm_noise0.02_freq1_gray_g_.JPEG",
        ] {
            assert!(of(wrong).unwrap_err().contains("<category>"), "{wrong}");
        }
    }

    #[test]
    fn blocks_are_read_and_the_one_for_people_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let image = png(2, 3, 51);
        for file in [
            "0/1_cbm_noise0.08_freq2_gray_g_dog.JPEG",
            "0/2_cbm_noise0_freq6_gray_g_cat.JPEG",
            "1/3_cbm_noise0.16_freq0_gray_g_dog.JPEG",
            "train/4_cbm_noise0_freq1_gray_g_oven.JPEG",
        ] {
            put(dir.path(), file, &image);
        }
        put(dir.path(), "1/notes.txt", b"none");
        assert!(are_masked(dir.path()).unwrap());
        assert_eq!(block(dir.path()).unwrap().unwrap(), dir.path().join("0"));
        let read = |dir: &Path| Masked::read(dir, &Options::default());
        let masked = read(dir.path()).unwrap();
        assert_eq!((masked.names.as_slice(), masked.classes.as_slice()), (&["cat", "dog"].map(str::to_owned)[..], &[1, 0, 1][..]));
        let conditions: Vec<_> = masked.conditions.iter().map(|c| (c.octave, c.level)).collect();
        assert_eq!(conditions, [(2, 3), (6, 0), (0, 4)]);
        assert_eq!(masked.images.shape()[0], 3);
        assert!(masked.source.description.contains("3 images, 1 other entries"), "{}", masked.source.description);
        // A block alone.
        assert_eq!(read(&dir.path().join("0")).unwrap().classes, [1, 0]);

        put(dir.path(), "1/bear1-dog2.png", &image);
        let text = read(dir.path()).unwrap_err().to_string();
        assert!(text.contains("bear1-dog2.png") && text.contains("<octave>"), "{text}");
        let empty = tempfile::tempdir().unwrap();
        assert!(!are_masked(empty.path()).unwrap());
        assert!(read(empty.path()).unwrap_err().to_string().contains("found none"));
    }
}
