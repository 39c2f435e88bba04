//! Cues that are a loss of quality: blur, JPEG.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Cue, Make, Part};
use crate::data::args::Args;
use crate::data::blur::blurred;
use crate::error::Result;
use crate::seed::ChaCha8Rng;

struct Blur {
    shape: [usize; 3],
    sigma: f64,
}

impl Cue for Blur {
    fn change(&self, image: &[f32], _: usize, _: &mut ChaCha8Rng) -> Vec<f64> {
        let [_, h, w] = self.shape;
        let channels = image.chunks_exact(h * w);
        channels
            .flat_map(|channel| {
                let values: Vec<f64> = channel.iter().map(|&v| f64::from(v)).collect();
                let mut blurred = blurred(&values, h, w, self.sigma);
                blurred.iter_mut().zip(&values).for_each(|(b, v)| *b -= v);
                blurred
            })
            .collect()
    }

    fn most(&self) -> Option<Part> {
        Some(Part::UpToNorm)
    }
}

pub(super) fn blur(args: &mut Args) -> Result<Make> {
    let sigma = args.f64("sigma", 0.1..=100.0, 1.0)?;
    Ok(Box::new(move |_, context| Ok(Box::new(Blur { shape: context.shape, sigma }))))
}

struct Jpeg {
    shape: [usize; 3],
    quality: u8,
}

// JPEG has 16 bits for a side.
const LONGEST: usize = 65_535;

impl Jpeg {
    // Pixels [h, w, c] in bytes, encoded and decoded.
    fn coded(&self, pixels: &[u8]) -> Option<Vec<u8>> {
        let [c, h, w] = self.shape;
        let (colours, space) = if c == 1 {
            (ExtendedColorType::L8, ColorSpace::Luma)
        } else {
            (ExtendedColorType::Rgb8, ColorSpace::RGB)
        };
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, self.quality);
        encoder.encode(pixels, w as u32, h as u32, colours).ok()?;
        let options = DecoderOptions::default()
            .set_max_width(LONGEST)
            .set_max_height(LONGEST)
            .jpeg_set_out_colorspace(space);
        JpegDecoder::new_with_options(ZCursor::new(&bytes), options).decode().ok()
    }
}

impl Cue for Jpeg {
    fn change(&self, image: &[f32], _: usize, _: &mut ChaCha8Rng) -> Vec<f64> {
        let [c, h, w] = self.shape;
        let plane = h * w;
        let pixels: Vec<u8> =
            (0..image.len()).map(|at| (image[at % c * plane + at / c] * 255.0).round() as u8).collect();
        let coded = self.coded(&pixels).expect("what was encoded here can be decoded");
        let coded = |at: usize| f64::from(coded[at % plane * c + at / plane]) / 255.0;
        image.iter().enumerate().map(|(at, x)| coded(at) - f64::from(*x)).collect()
    }

    fn most(&self) -> Option<Part> {
        Some(Part::UpToNorm)
    }
}

pub(super) fn jpeg(args: &mut Args) -> Result<Make> {
    let quality = args.usize("quality", 1..=100, 30)? as u8;
    Ok(Box::new(move |args, context| {
        let shape @ [c, h, w] = context.shape;
        if c != 1 && c != 3 {
            return Err(args.error("cue", "with `jpeg` images of 1 or 3 channels", c));
        }
        if h.max(w) > LONGEST {
            return Err(args.error("cue", format_args!("with `jpeg` sides up to {LONGEST}"), h.max(w)));
        }
        Ok(Box::new(Jpeg { shape, quality }))
    }))
}
