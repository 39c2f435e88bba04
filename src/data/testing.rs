//! Image files for tests.

use std::io::Cursor;
use std::path::Path;

use image::{GrayImage, ImageFormat, Luma};

/// A grey PNG of one value.
pub(crate) fn png(height: u32, width: u32, value: u8) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    GrayImage::from_pixel(width, height, Luma([value])).write_to(&mut out, ImageFormat::Png).unwrap();
    out.into_inner()
}

/// Writes a file below `dir`, with the directories it is in.
pub(crate) fn put(dir: &Path, file: &str, bytes: &[u8]) {
    let path = dir.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
