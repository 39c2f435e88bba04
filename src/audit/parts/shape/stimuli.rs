//! Cue-conflict folders: images with the shape of one class and the texture of
//! another, both in their file names.
//!
//! `DIR/<shape>/<shape><n>-<texture><m>.png`, as in the stimuli of Geirhos et al.
//! (2019), rgeirhos/texture-vs-shape: `airplane/airplane1-bicycle2.png`. Before the shape may be a tag that ends in `_`,
//! as in those of bethgelab/model-vs-human.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::Array4;

use crate::data::Options;
use crate::data::decode::{Item, Payload, decode_all};
use crate::data::folder::{add, entries, name, pictures};
use crate::data::select::select;
use crate::error::{Error, Result};
use crate::field::{Provenance, Targets, left_aside};

/// Cue-conflict images.
#[derive(Clone, Debug)]
pub struct Stimuli {
    /// `[N, C, H, W]` in [0, 1].
    pub images: Array4<f32>,
    /// The classes of shapes and textures, sorted.
    pub names: Vec<String>,
    /// Class of each image's shape, an index into `names`.
    pub shapes: Vec<u32>,
    /// Class of each image's texture, an index into `names`.
    pub textures: Vec<u32>,
    /// The files, in the order of the images.
    pub files: Vec<PathBuf>,
    /// Where they came from; images that did not decode, where they may be left out.
    pub source: Provenance,
}

/// The class of the texture in a file name `<shape><n>-<texture><m>.<ending>`, whose
/// shape is known; before it there may be a tag, `<tag>_`.
///
/// # Errors
/// What was expected.
pub fn texture<'a>(file: &'a str, shape: &str) -> Result<&'a str, String> {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let number = |text: &'a str| text.trim_start_matches(|c: char| c.is_ascii_digit());
    let tagged = format!("_{shape}");
    let tagged = stem.match_indices(&tagged).map(|(at, tag)| &stem[at + tag.len()..]);
    let found = stem.strip_prefix(shape).into_iter().chain(tagged).find_map(|rest| {
        let cue =
            number(rest).strip_prefix('-').filter(|_| rest.starts_with(|c: char| c.is_ascii_digit()))?;
        let class = cue.trim_end_matches(|c: char| c.is_ascii_digit());
        (!class.is_empty() && class.len() < cue.len()).then_some(class)
    });
    found.ok_or_else(|| {
        format!("`{shape}<n>-<texture><m>.png`, the shape being the directory's, as `{shape}1-bicycle2.png`")
    })
}

impl Stimuli {
    /// Reads `DIR`. Of `options` count `size`, `grey`, `skip_bad`, `classes` (of
    /// shapes), and the limits; there are no splits. Images of another size are
    /// resized as a whole, never cropped. The order goes round the shapes, so that a
    /// limit keeps all of them. Files that are no images are left aside and
    /// counted; hidden ones do not exist.
    ///
    /// # Errors
    /// A file name of another form; a directory without images; fewer than two
    /// directories; and those of [`decode_all`].
    pub fn read(dir: &Path, options: &Options) -> Result<Self> {
        let (directories, _) = entries(dir)?;
        if directories.is_empty() {
            return Err(Error::input(dir.display(), "one directory per shape", "none"));
        }
        let mut found = Vec::new();
        let mut aside = BTreeMap::new();
        for directory in &directories {
            let shape = name(directory);
            let (inner, files) = entries(directory)?;
            let mut pictures = pictures(files)?;
            pictures.count_directories(&inner);
            if pictures.images.is_empty() {
                return Err(Error::input(directory.display(), "images", pictures.found()));
            }
            add(&mut aside, &pictures.aside);
            let images = pictures.images.into_iter().map(|path| {
                let file = name(&path);
                match texture(&file, &shape) {
                    Ok(texture) => Ok((path, texture.to_owned())),
                    Err(expected) => Err(Error::input(path.display(), expected, format_args!("`{file}`"))),
                }
            });
            found.push((shape.clone(), images.collect::<Result<Vec<_>>>()?));
        }

        let mut names: Vec<String> = found
            .iter()
            .flat_map(|(shape, images)| images.iter().map(|(_, t)| t).chain([shape]))
            .cloned()
            .collect();
        names.sort();
        names.dedup();
        let class = |name: &String| names.binary_search(name).expect("every name is listed") as u32;
        let longest = found.iter().map(|(_, images)| images.len()).max().unwrap_or(0);
        let stored: Vec<(u32, u32, &PathBuf)> = (0..longest)
            .flat_map(|i| found.iter().filter_map(move |(shape, images)| Some((shape, images.get(i)?))))
            .map(|(shape, (path, texture))| (class(shape), class(texture), path))
            .collect();
        let shapes: Vec<u32> = stored.iter().map(|s| s.0).collect();
        let kept: Vec<_> =
            select(&shapes, &names, options)?.rows.into_iter().map(|row| stored[row]).collect();

        // Labelled by its file, each image says which ones were left out.
        let items: Vec<Item<'_>> = kept
            .iter()
            .enumerate()
            .map(|(i, s)| Item { label: i as u32, payload: Payload::File(s.2.clone()) })
            .collect();
        let place = |i: usize| kept[i].2.display().to_string();
        let files = (0..kept.len()).map(place).collect();
        let mut description = format!("cue conflict, {} images of {} shapes", stored.len(), found.len());
        description += &left_aside(&aside);
        let mut set = decode_all(&items, files, description, place, options)?;
        set.source.told.aside = aside;
        let Targets::Classes { labels, .. } = set.targets else { unreachable!("images have labels") };
        let kept: Vec<_> = labels.into_iter().map(|i| kept[i as usize]).collect();
        Ok(Self {
            images: set.images,
            shapes: kept.iter().map(|s| s.0).collect(),
            textures: kept.iter().map(|s| s.1).collect(),
            files: kept.iter().map(|s| s.2.clone()).collect(),
            source: set.source,
            names,
        })
    }
}
