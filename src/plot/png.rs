//! Pixels to a PNG file, all or nothing.

use std::io::Error as IoError;
use std::path::Path;

use ::png::{BitDepth, ColorType, Compression, Encoder, Filter, PixelDimensions, SrgbRenderingIntent, Unit};

use crate::disk;
use crate::error::{Error, Result};

/// A finished picture: 8-bit sRGB, rows from top to bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `[height, width, 3]`.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Colour at column `x` of row `y`.
    ///
    /// # Panics
    /// Outside the picture.
    #[cfg(test)]
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// The bytes of a PNG file that is printed at `dpi` pixels per inch.
    fn encode(&self, dpi: f64) -> Result<Vec<u8>, ::png::EncodingError> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_source_srgb(SrgbRenderingIntent::RelativeColorimetric);
        encoder.set_compression(Compression::Balanced);
        encoder.set_filter(Filter::Adaptive);
        let per_metre = (dpi / 0.0254).round() as u32;
        encoder.set_pixel_dims(Some(PixelDimensions { xppu: per_metre, yppu: per_metre, unit: Unit::Meter }));
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb)?;
        writer.finish()?;
        Ok(bytes)
    }

    /// Writes the picture to `path`. The file appears complete or not at all;
    /// whatever was there before stays until then.
    ///
    /// # Errors
    /// [`Error::Io`] where the directory is missing, not writable or full.
    pub fn save(&self, path: &Path, dpi: f64) -> Result<()> {
        let bytes = self.encode(dpi).map_err(|e| Error::io(path, "encode")(IoError::other(e)))?;
        disk::write_bytes(path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        // 2 rows of 3: a picture that a swap of width and height would spoil.
        let rgb = (0..18).map(|i| (i * 14) as u8).collect();
        Picture { width: 3, height: 2, rgb }
    }

    #[test]
    fn file_decodes_to_the_same_pixels_and_says_its_resolution() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        picture().save(&path, 240.0).unwrap();
        let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
        let mut reader = ::png::Decoder::new(file).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (3, 2, ColorType::Rgb));
        assert_eq!(rgb, picture().rgb);
        let dims = reader.info().pixel_dims.unwrap();
        assert_eq!((dims.xppu, dims.yppu), (9449, 9449)); // 240 / 0.0254
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn overwrites_a_figure_and_spares_it_when_it_cannot() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        std::fs::write(&path, b"old").unwrap();
        picture().save(&path, 240.0).unwrap();
        assert_eq!(&std::fs::read(&path).unwrap()[1..4], b"PNG");

        let missing = dir.path().join("nowhere").join("a.png");
        let error = picture().save(&missing, 240.0).unwrap_err();
        assert!(matches!(&error, Error::Io { path, .. } if *path == missing), "{error}");

        // A directory in the place of the file: the last step, the rename, fails.
        let taken = dir.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        std::fs::write(taken.join("keep"), b"x").unwrap();
        assert!(matches!(picture().save(&taken, 240.0), Err(Error::Io { .. })));
        assert!(taken.join("keep").exists());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file stays");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn directory_that_takes_no_files_is_an_error() {
        // Even root cannot create a file there.
        let error = picture().save(Path::new("/proc/a.png"), 240.0).unwrap_err();
        assert!(matches!(error, Error::Io { action: "create", .. }), "{error}");
    }
}
