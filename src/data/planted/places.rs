//! Cues that lie somewhere: patches, glyphs, frames.

use rand::Rng;

use super::{Cue, Make, Part};
use crate::data::args::Args;
use crate::error::Result;
use crate::seed::{self, ChaCha8Rng};

// Gives the pixels that are `inside` the mean of the others of their channel; where there are
// no others, of all.
fn fill(image: &mut [f32], plane: usize, inside: impl Fn(usize) -> bool) {
    for channel in image.chunks_exact_mut(plane) {
        let mean = |of: &dyn Fn(usize) -> bool| {
            let values = channel.iter().enumerate().filter(|(at, _)| of(*at)).map(|(_, &v)| f64::from(v));
            let (sum, count) = values.fold((0.0, 0), |(sum, count), v| (sum + v, count + 1));
            (count > 0).then(|| sum / f64::from(count))
        };
        let mean = mean(&|at| !inside(at)).or_else(|| mean(&|_| true)).unwrap_or(0.0);
        for (at, pixel) in channel.iter_mut().enumerate() {
            if inside(at) {
                *pixel = mean as f32;
            }
        }
    }
}

struct Patch {
    shape: [usize; 3],
    side: usize,
    // [c, side, side]
    pattern: Vec<f64>,
    // Row and column; None where each image has its own.
    at: Option<(usize, usize)>,
}

impl Patch {
    fn corner(&self, rng: &mut ChaCha8Rng) -> (usize, usize) {
        let [_, h, w] = self.shape;
        self.at.unwrap_or_else(|| (rng.random_range(0..=h - self.side), rng.random_range(0..=w - self.side)))
    }
}

impl Cue for Patch {
    fn change(&self, image: &[f32], _: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let [_, h, w] = self.shape;
        let (row, col) = self.corner(rng);
        let mut change = vec![0.0; image.len()];
        let square = self.side * self.side;
        for (at, value) in self.pattern.iter().enumerate() {
            let (channel, at) = (at / square, at % square);
            let pixel = channel * h * w + (row + at / self.side) * w + col + at % self.side;
            change[pixel] = value - f64::from(image[pixel]);
        }
        change
    }

    fn most(&self) -> Option<Part> {
        Some(Part::UpToNorm)
    }

    fn remove(&self, image: &mut [f32], _: f64, rng: &mut ChaCha8Rng) {
        let [_, h, w] = self.shape;
        let (row, col) = self.corner(rng);
        let within = |at: usize, from: usize| (from..from + self.side).contains(&at);
        fill(image, h * w, |at| within(at / w, row) && within(at % w, col));
    }

    fn place(&self, rng: &mut ChaCha8Rng) -> Option<[usize; 4]> {
        let (row, col) = self.corner(rng);
        Some([row, col, self.side, self.side])
    }
}

pub(super) fn patch(args: &mut Args) -> Result<Make> {
    let given = args.list("at", "whole numbers `row/column`", |part| part.parse::<usize>().ok())?;
    let at = match given.as_deref() {
        None => None,
        Some(&[row, col]) => Some((row, col)),
        Some(other) => {
            let found = format!("{} numbers", other.len());
            return Err(args.error("at", "`row/column` in pixels from the top left", found));
        }
    };
    square(args, true, at)
}

pub(super) fn patch_random(args: &mut Args) -> Result<Make> {
    square(args, false, None)
}

fn square(args: &mut Args, fixed: bool, given: Option<(usize, usize)>) -> Result<Make> {
    let side = args.usize("side", 1..=4096, 4)?;
    Ok(Box::new(move |args, context| {
        let shape @ [c, h, w] = context.shape;
        if side > h.min(w) {
            let expected = format!("a patch within the image, at most {}", h.min(w));
            return Err(args.error("side", expected, side));
        }
        if let Some((row, col)) = given.filter(|&(row, col)| row > h - side || col > w - side) {
            let expected = format!("row <= {} and column <= {}, for a patch of {side}", h - side, w - side);
            return Err(args.error("at", expected, format_args!("`{row}/{col}`")));
        }
        let corner = |length: usize| (length - side).saturating_sub(1);
        let at = fixed.then(|| given.unwrap_or((corner(h), corner(w))));
        let mut rng = seed::rng(context.seed, "planted/patch", 0);
        let pattern = (0..c * side * side).map(|_| f64::from(u8::from(rng.random::<bool>()))).collect();
        Ok(Box::new(Patch { shape, side, pattern, at }))
    }))
}

/// White over part of the image, as much as `cover` says of each pixel.
struct White {
    // [h, w]
    cover: Vec<f64>,
    opacity: Option<f64>,
    place: [usize; 4],
}

impl Cue for White {
    fn change(&self, image: &[f32], _: usize, _: &mut ChaCha8Rng) -> Vec<f64> {
        let pixels = image.iter().zip(self.cover.iter().cycle());
        pixels.map(|(x, cover)| cover * (1.0 - f64::from(*x))).collect()
    }

    fn most(&self) -> Option<Part> {
        Some(self.opacity.map_or(Part::UpToNorm, Part::Fixed))
    }

    fn remove(&self, image: &mut [f32], _: f64, _: &mut ChaCha8Rng) {
        fill(image, self.cover.len(), |at| self.cover[at] > 0.0);
    }

    fn place(&self, _: &mut ChaCha8Rng) -> Option<[usize; 4]> {
        Some(self.place)
    }
}

// Two glyphs, written in turn; a dot is bare.
const GLYPHS: [[&str; 7]; 2] = [
    ["#.###..", "..#.#..", "#.###..", "#..#...", "#.###..", "#.#.#..", ".######"],
    ["#..####", ".#...#.", "#...#.#", "##.....", "#..###.", "#...#..", "#.#####"],
];
const COUNT: usize = 6;
// In parts of the height and width: top and height, left and width.
const TOP: f64 = 0.40;
const HEIGHT: f64 = 0.16;
const LEFT: f64 = 0.01;
const WIDTH: f64 = 0.96;
// Points per pixel and direction.
const GRID: usize = 8;

// The part of each pixel that the glyphs cover.
fn glyphs(height: usize, width: usize) -> Vec<f64> {
    // Rows and columns of a glyph's grid are one wider than what is drawn of it.
    let cells = 8.0;
    let covered = |down: f64, right: f64| {
        let row = (down - TOP) / HEIGHT * cells;
        let col = (right - LEFT) / WIDTH * COUNT as f64 * cells;
        if row < 0.0 || col < 0.0 {
            return false;
        }
        let (row, col) = (row as usize, col as usize);
        let (glyph, col) = (col / 8, col % 8);
        glyph < COUNT && row < 7 && col < 7 && GLYPHS[glyph % 2][row].as_bytes()[col] == b'#'
    };
    let point =
        |pixel: usize, k: usize, side: usize| (pixel as f64 + (k as f64 + 0.5) / GRID as f64) / side as f64;
    (0..height * width)
        .map(|at| {
            let hits = (0..GRID * GRID)
                .filter(|k| covered(point(at / width, k / GRID, height), point(at % width, k % GRID, width)));
            hits.count() as f64 / (GRID * GRID) as f64
        })
        .collect()
}

pub(super) fn watermark(args: &mut Args) -> Result<Make> {
    if args.has("norm") && args.has("opacity") {
        return Err(args.error("opacity", "`norm` or `opacity`", "both"));
    }
    let by_norm = args.has("norm");
    let given = args.f64("opacity", 0.0..=1.0, 0.5)?;
    let opacity = (!by_norm).then_some(given);
    Ok(Box::new(move |args, context| {
        let [_, h, w] = context.shape;
        let cover = glyphs(h, w);
        let within = |axis: fn(usize, usize) -> usize| {
            let covered = cover.iter().enumerate().filter(|(_, c)| **c > 0.0).map(|(at, _)| axis(at, w));
            covered.clone().min().zip(covered.max())
        };
        let (Some((top, bottom)), Some((left, right))) = (within(|at, w| at / w), within(|at, w| at % w))
        else {
            let found = format!("images of {h}×{w}");
            return Err(args.error("cue", "with `watermark` images with room for it", found));
        };
        let place = [top, left, bottom - top + 1, right - left + 1];
        Ok(Box::new(White { cover, opacity, place }))
    }))
}

pub(super) fn border(args: &mut Args) -> Result<Make> {
    let frame = args.usize("width", 1..=4096, 1)?;
    Ok(Box::new(move |args, context| {
        let [_, h, w] = context.shape;
        if 2 * frame >= h.min(w) {
            let expected = format!("a frame with room within it, at most {}", (h.min(w) - 1) / 2);
            return Err(args.error("width", expected, frame));
        }
        let edge = |at: usize, side: usize| at < frame || at >= side - frame;
        let cover = (0..h * w).map(|at| f64::from(u8::from(edge(at / w, h) || edge(at % w, w)))).collect();
        Ok(Box::new(White { cover, opacity: None, place: [0, 0, h, w] }))
    }))
}
