//! `--transform`: images as torchvision's weights want them. `prescribed.txt` has a line for each
//! of its files; `make.py` makes it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::blueprint::{ModelKind, Size};
use crate::data::{Interpolation, Normalize};
use crate::error::{Error, shown};
use crate::run::config::DataConfig;

const PRESCRIBED: &str = include_str!("prescribed.txt");

/// What is prescribed for a file of weights.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Prescription {
    /// torchvision's name of the network.
    network: &'static str,
    /// Its name for the weights ("IMAGENET1K_V1").
    entry: &'static str,
    /// Hexadecimal digits with which the SHA-256 of the file begins.
    digest: &'static str,
    /// Pixels of the sides that are cut out of the middle.
    crop: usize,
    /// Shorter side before that.
    shorter: usize,
    interpolation: Interpolation,
    normalize: Normalize,
}

fn prescriptions() -> impl Iterator<Item = Prescription> {
    let lines = PRESCRIBED.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let parts: Vec<&'static str> = line.split(' ').collect();
        let [network, entry, digest, crop, shorter, interpolation, normalize] = parts[..] else {
            return None;
        };
        Some(Prescription {
            network,
            entry,
            digest,
            crop: crop.parse().ok()?,
            shorter: shorter.parse().ok()?,
            interpolation: interpolation.parse().ok()?,
            normalize: normalize.parse().ok()?,
        })
    })
}

/// Sets what is prescribed for the weights in `file`, of the network `kind` for images of `side` pixels
/// where it is for one size alone: `said` is the name of an entry, or `auto` for the one whose SHA-256 the
/// file has, the first of the network where it is none of torchvision's. What was taken, in a sentence.
pub fn apply(
    config: &mut DataConfig,
    said: &str,
    file: &Path,
    kind: ModelKind,
    side: Option<usize>,
) -> Result<String> {
    let network = kind.to_string();
    let all: Vec<_> = prescriptions().filter(|p| p.network == network).collect();
    let fitting: Vec<_> = all.iter().filter(|p| side.is_none_or(|side| side == p.crop)).collect();
    let (taken, how) = if said == "auto" {
        let digest = digest(file)?;
        let own = all.iter().find(|p| digest.as_deref().is_some_and(|digest| digest.starts_with(p.digest)));
        match (own, fitting.first()) {
            (Some(own), _) => (*own, "by the SHA-256 of the file"),
            (None, Some(first)) => (**first, "the file is none of torchvision's, whose first this is"),
            (None, None) => {
                let found = if all.is_empty() {
                    format!("{network}, for which torchvision has no weights")
                } else {
                    format!("{network} for images of another size than all of torchvision's weights")
                };
                let expected =
                    "a network with weights in torchvision; --size and --normalize say it for others";
                return Err(Error::input("--transform", expected, found).into());
            }
        }
    } else {
        let entry = fitting.iter().find(|p| p.entry.eq_ignore_ascii_case(said)).map(|p| **p);
        let names: Vec<_> = fitting.iter().map(|p| p.entry).collect();
        let expected = || match names.is_empty() {
            true => format!("a network with weights in torchvision, which this {network} is not"),
            false => format!("auto, or one of torchvision's weights of this {network}: {}", names.join(", ")),
        };
        let entry = entry.ok_or_else(|| Error::input("--transform", expected(), shown(said)))?;
        (entry, "as was said")
    };
    config.size = Some(Size { h: taken.crop, w: taken.crop });
    config.shorter = Some(taken.shorter);
    config.interpolation = taken.interpolation;
    config.normalize = Some(taken.normalize);
    let Prescription { entry, crop, shorter, interpolation, normalize, .. } = taken;
    Ok(format!(
        "images as {network} {entry} wants them ({how}): --shorter {shorter} --size {crop} --interpolation \
         {interpolation} --normalize {normalize}"
    ))
}

// Hexadecimal; None for a folder.
fn digest(file: &Path) -> Result<Option<String>> {
    if file.is_dir() {
        return Ok(None);
    }
    let mut from = File::open(file).map_err(Error::io(file, "read"))?;
    let mut state = Sha256::new();
    let mut bytes = vec![0; 1 << 20];
    loop {
        match from.read(&mut bytes).map_err(Error::io(file, "read"))? {
            0 => break,
            read => state.update(&bytes[..read]),
        }
    }
    Ok(Some(format!("{:x}", state.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_line_is_read_and_every_network_of_torchvision_is_there() {
        let lines = PRESCRIBED.lines().filter(|line| !line.starts_with('#')).count();
        let all: Vec<_> = prescriptions().collect();
        assert_eq!((lines, all.len()), (114, 114));
        for p in &all {
            assert!(<ModelKind as ValueEnum>::from_str(p.network, false).is_ok(), "{}", p.network);
            assert!(p.digest.len() >= 8 && p.digest.bytes().all(|b| b.is_ascii_hexdigit()), "{}", p.digest);
            assert!(p.shorter >= p.crop && p.crop >= 224);
        }
        let without =
            ["fcnn", "lcnn", "cnn", "resnet8", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110"];
        for kind in ModelKind::value_variants() {
            let name = kind.to_string();
            let torchvisions = !without.contains(&name.as_str()) && kind.twin().is_none();
            assert_eq!(all.iter().any(|p| p.network == name), torchvisions, "{name}");
        }
    }

    #[test]
    fn files_are_known_by_their_digest_and_others_by_what_was_said() {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("weights.pth");
        std::fs::write(&file, "abc").unwrap();
        // The published digest of "abc".
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(&file).unwrap().as_deref(), Some(known));
        let applied = |said: &str, kind, side| {
            let mut config = DataConfig::default();
            apply(&mut config, said, &file, kind, side).map(|text| (text, config)).map_err(|e| e.to_string())
        };
        let (text, config) = applied("auto", ModelKind::Resnet50, None).unwrap();
        assert!(text.contains("IMAGENET1K_V1 wants them (the file is none of torchvision's"), "{text}");
        assert_eq!((config.shorter, config.normalize), (Some(256), Some(Normalize::Imagenet)));
        let (_, config) = applied("imagenet1k_v2", ModelKind::Resnet50, None).unwrap();
        assert_eq!((config.shorter, config.size), (Some(232), Some(Size { h: 224, w: 224 })));
        let (_, config) = applied("auto", ModelKind::VitB_16, Some(384)).unwrap();
        assert_eq!(config.interpolation, Interpolation::Bicubic);
        assert_eq!((config.shorter, config.size), (Some(384), Some(Size { h: 384, w: 384 })));
        let (_, config) = applied("auto", ModelKind::InceptionV3, None).unwrap();
        assert_eq!((config.shorter, config.normalize), (Some(342), Some(Normalize::Half)));
        let text = applied("IMAGENET1K_V3", ModelKind::Resnet50, None).unwrap_err();
        assert!(text.contains("IMAGENET1K_V1, IMAGENET1K_V2"), "{text}");
        assert!(applied("auto", ModelKind::Resnet20, None).unwrap_err().contains("no weights"));
        assert!(applied("auto", ModelKind::VitB_16, Some(64)).unwrap_err().contains("another size"));
        assert!(applied("x", ModelKind::Resnet20, None).unwrap_err().contains("which this resnet20 is not"));
        // Weights for images of another size are not of this network.
        let text = applied("IMAGENET1K_V1", ModelKind::VitB_16, Some(384)).unwrap_err();
        assert!(text.contains("vit_b_16: IMAGENET1K_SWAG_E2E_V1, found"), "{text}");
    }
}
