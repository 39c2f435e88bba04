//! What tests of drawings share.

use std::path::Path;

use plotters::style::RGBColor;

use super::page::{Block, picture};
use super::png::Picture;
use super::style::DPI;
use crate::error::{Error, Result};

/// Draws and checks what holds for every figure: the rim of the page stays
/// free. With DOMFREQ_FIGURES set, the drawing also goes to that directory,
/// to be looked at.
pub fn shows(name: &str, blocks: &[Block], width: f64) -> Picture {
    let picture = picture(blocks, width).unwrap();
    if let Some(dir) = std::env::var_os("DOMFREQ_FIGURES") {
        picture.save(&Path::new(&dir).join(format!("{name}.png")), DPI).unwrap();
    }
    free_rim(&picture);
    picture
}

pub fn free_rim(picture: &Picture) {
    let (w, h) = (picture.width, picture.height);
    for y in 0..h {
        assert!((0..4).chain(w - 4..w).all(|x| picture.pixel(x, y) == [255; 3]), "row {y}");
    }
    assert!((0..w).all(|x| [0, 1, h - 2, h - 1].iter().all(|&y| picture.pixel(x, y) == [255; 3])));
}

/// Pixels of exactly this colour.
pub fn counts(picture: &Picture, colour: RGBColor) -> usize {
    picture.rgb.chunks_exact(3).filter(|p| *p == [colour.0, colour.1, colour.2]).count()
}

/// Every case is an error that holds its words, leaves no file where there
/// was none and spares one that was there.
pub fn refuses<T>(cases: &[(T, &str)], draw: impl Fn(&T, &Path) -> Result<()>) {
    let dir = tempfile::tempdir().unwrap();
    let (new, old) = (dir.path().join("new.png"), dir.path().join("old.png"));
    std::fs::write(&old, "before").unwrap();
    for (data, words) in cases {
        for path in [&new, &old] {
            let error = draw(data, path).unwrap_err();
            assert!(matches!(error, Error::Input { .. }), "{error}");
            assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        }
        assert_eq!(std::fs::read(&old).unwrap(), b"before");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
