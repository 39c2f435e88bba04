//! Arguments of the sets made here (`cosines:classes=4,size=24x32`), and the
//! loop over images that they share.
//!
//! Arguments are `key=value` pairs separated by commas. Lists are separated by
//! `/` or `;`. A key that no getter asks for is an error, found by
//! [`Args::finish`], so a misspelt key never passes for a default.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ndarray::Array4;
use rayon::prelude::*;

use crate::data::{Options, Spec};
use crate::error::{Error, LIKELY, Result, nearest};
use crate::field::{ImageSet, Provenance, Targets};
use crate::seed::{self, ChaCha8Rng};

/// Heights and widths that a generator makes.
pub const SIDE: RangeInclusive<usize> = 1..=512;
/// Numbers of images that a generator makes.
pub const COUNT: RangeInclusive<usize> = 1..=1_000_000;
const MAX_BYTES: u128 = 16 << 30;

/// The arguments of one generator, taken out one by one by typed getters.
#[derive(Clone, Debug)]
pub struct Args {
    kind: &'static str,
    text: String,
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
}

const OVER: &str = "over=";
/// Sources in one another.
const DEEPEST: usize = 8;

impl Args {
    /// Splits `key=value,key=value`; `text` may be empty.
    ///
    /// # Errors
    /// For a part that is not `key=value` and for a key given twice.
    pub fn parse(kind: &'static str, text: &str) -> Result<Self> {
        let mut args = Self { kind, text: text.trim().to_owned(), given: Vec::new(), known: Vec::new() };
        if args.text.is_empty() {
            return Ok(args);
        }
        for part in text.split(',') {
            let pair = part.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
            let Some((key, value)) = pair.filter(|(key, value)| !key.is_empty() && !value.is_empty()) else {
                return Err(Error::input(args.place(), "`key=value` between commas", quoted(part.trim())));
            };
            if args.given.iter().any(|(k, _)| k == key) {
                return Err(args.error(key, "the key once", "it twice"));
            }
            args.given.push((key.to_owned(), value.to_owned()));
        }
        Ok(args)
    }

    /// The arguments before `over=`, and the source that all after it names: what a
    /// source is made from that changes the images of another.
    ///
    /// # Errors
    /// As [`Args::parse`], for no `over=`, for what is no source, and for more than 8
    /// sources in one another.
    pub fn over(kind: &'static str, text: &str) -> Result<(Self, Spec)> {
        let starts = |at: &usize| {
            let before = text[..*at].trim_end();
            before.is_empty() || before.ends_with([',', ':'])
        };
        let found: Vec<usize> = text.match_indices(OVER).map(|(at, _)| at).filter(starts).collect();
        let Some(&at) = found.first() else {
            let expected = "`over=SPEC` at the end, the source that is changed";
            return Err(Self::parse(kind, text)?.wrong(expected, "none"));
        };
        let own = text[..at].trim();
        let args = Self::parse(kind, own.strip_suffix(',').unwrap_or(own))?;
        if found.len() > DEEPEST {
            let expected = format!("at most {DEEPEST} sources in one another");
            return Err(args.error("over", expected, found.len()));
        }
        let over = text[at + OVER.len()..].trim().parse::<Spec>();
        let over = over.map_err(|e| args.error("over", "a source of images", e))?;
        Ok((args, over))
    }

    /// Bad input at `key` of these arguments.
    pub fn error(&self, key: &str, expected: impl Display, found: impl Display) -> Error {
        Error::input(format_args!("{}, key `{key}`", self.place()), expected, found)
    }

    /// The arguments as they were written, with the name of the generator.
    pub fn spec(&self) -> String {
        if self.text.is_empty() { self.kind.to_owned() } else { format!("{}:{}", self.kind, self.text) }
    }

    fn place(&self) -> String {
        format!("data `{}`", self.spec())
    }

    /// Bad input somewhere in these arguments.
    pub fn wrong(&self, expected: impl Display, found: impl Display) -> Error {
        Error::input(self.place(), expected, found)
    }

    /// Whether `key` is given, and not yet taken.
    pub fn has(&self, key: &str) -> bool {
        self.given.iter().any(|(given, _)| given == key)
    }

    // The text of `key`, which is then known and no longer to be explained.
    fn take(&mut self, key: &'static str) -> Option<String> {
        self.known.push(key);
        let at = self.given.iter().position(|(k, _)| k == key)?;
        Some(self.given.swap_remove(at).1)
    }

    /// A whole number within `range`.
    ///
    /// # Errors
    /// For anything else.
    pub fn usize(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
        default: usize,
    ) -> Result<usize> {
        let Some(text) = self.take(key) else { return Ok(default) };
        number(&text, &range).ok_or_else(|| {
            self.error(key, format_args!("a whole number in {}", interval(&range)), quoted(&text))
        })
    }

    /// A finite number within `range`.
    ///
    /// # Errors
    /// For anything else.
    pub fn f64(&mut self, key: &'static str, range: RangeInclusive<f64>, default: f64) -> Result<f64> {
        let Some(text) = self.take(key) else { return Ok(default) };
        number(&text, &range)
            .ok_or_else(|| self.error(key, format_args!("a number in {}", interval(&range)), quoted(&text)))
    }

    /// `(height, width)`, written `32` for a square or `24x32`, each in [`SIDE`].
    ///
    /// # Errors
    /// For anything else.
    pub fn size(&mut self, key: &'static str, default: usize) -> Result<(usize, usize)> {
        let Some(text) = self.take(key) else { return Ok((default, default)) };
        let (height, width) = text.split_once('x').unwrap_or((&text, &text));
        number(height, &SIDE).zip(number(width, &SIDE)).ok_or_else(|| {
            let expected = format!("`32` or `24x32` (height x width), each side in {}", interval(&SIDE));
            self.error(key, expected, quoted(&text))
        })
    }

    /// One of several words, the first of which is the default.
    ///
    /// # Errors
    /// For any other word.
    pub fn choice<T: Copy, const N: usize>(
        &mut self,
        key: &'static str,
        choices: [(&'static str, T); N],
    ) -> Result<T> {
        let Some(text) = self.take(key) else { return Ok(choices[0].1) };
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => {
                let words = choices.map(|(word, _)| quoted(word)).join(", ");
                Err(self.error(key, format_args!("one of {words}"), quoted(&text)))
            }
        }
    }

    /// A list whose parts are separated by `/` or `;`; None where the key is absent.
    ///
    /// # Errors
    /// For a part that `parse` refuses; `expected` says what a part should be.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(text) = self.take(key) else { return Ok(None) };
        let parts = text.split(['/', ';']).map(|part| {
            parse(part.trim())
                .ok_or_else(|| self.error(key, format_args!("{expected}, separated by `/`"), quoted(part)))
        });
        parts.collect::<Result<Vec<T>>>().map(Some)
    }

    /// A list of numbers within `range`; None where the key is absent.
    ///
    /// # Errors
    /// For any other part.
    pub fn f64_list(&mut self, key: &'static str, range: RangeInclusive<f64>) -> Result<Option<Vec<f64>>> {
        self.list(key, &format!("numbers in {}", interval(&range)), |part| number(part, &range))
    }

    /// Ends the reading: whatever no getter has asked for is unknown.
    ///
    /// # Errors
    /// For an unknown key, naming the nearest one and all there are.
    pub fn finish(&self) -> Result<()> {
        let Some((key, _)) = self.given.first() else { return Ok(()) };
        let found = match nearest(self.known.iter().copied(), key) {
            Some((known, likeness)) if likeness > LIKELY => {
                format!("an unknown key; did you mean `{known}`?")
            }
            _ => "an unknown key".to_owned(),
        };
        let all: Vec<_> = self.known.iter().map(|key| quoted(key)).collect();
        Err(self.error(key, format_args!("one of {}", all.join(", ")), found))
    }

    /// The random stream of image `i`.
    pub(super) fn stream(&self, options: &Options, i: usize) -> ChaCha8Rng {
        seed::rng(options.seed, &format!("{}/{}", self.kind, options.split), i as u64)
    }

    /// Whether a set of this shape `[N, C, H, W]` can be made.
    ///
    /// # Errors
    /// As [`Args::make`].
    pub(super) fn check(&self, options: &Options, shape: [usize; 4]) -> Result<()> {
        let [count, channels, height, width] = shape;
        if !["train", "validation", "test"].contains(&options.split.as_str()) {
            let place = format!("{}, split", self.place());
            return Err(Error::input(place, "`train`, `validation` or `test`", quoted(&options.split)));
        }
        let bytes = shape.iter().fold(4u128, |bytes, &n| bytes * n as u128);
        if bytes > MAX_BYTES {
            let found = format!(
                "{:.1} GiB ({count} images of {channels}x{height}x{width})",
                bytes as f64 / (1u64 << 30) as f64
            );
            return Err(Error::input(self.place(), "a set of at most 16 GiB", found));
        }
        Ok(())
    }

    /// Makes `shape = [N, C, H, W]` images, in parallel; `draw` gets the
    /// generator of the image, its class and its `C*H*W` zeroed pixels.
    ///
    /// Classes are interleaved (image i is of class i mod K), and every image
    /// has a random stream of its own, named by the seed, the split and its
    /// index: the images depend neither on the number of threads nor on how
    /// many follow.
    ///
    /// # Errors
    /// For a set beyond 16 GiB and for a split other than `train`,
    /// `validation` and `test`.
    pub fn make(
        &self,
        options: &Options,
        shape: [usize; 4],
        names: Vec<String>,
        draw: impl Fn(&mut ChaCha8Rng, usize, &mut [f32]) + Sync,
    ) -> Result<ImageSet> {
        self.check(options, shape)?;
        let [count, channels, height, width] = shape;
        let pixels = channels * height * width;
        let mut values = vec![0f32; count * pixels];
        values.par_chunks_exact_mut(pixels).enumerate().for_each(|(i, image)| {
            draw(&mut self.stream(options, i), i % names.len(), image);
        });
        let images = Array4::from_shape_vec((count, channels, height, width), values)
            .expect("the vector was made for this shape");
        let labels = (0..count).map(|i| (i % names.len()) as u32).collect();
        let split = Some(options.split.clone());
        let source =
            Provenance { description: format!("made by {}", self.spec()), split, ..Provenance::default() };
        Ok(ImageSet { images, targets: Targets::Classes { labels, names }, source })
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("`{text}`") }
}

fn interval<T: Display>(range: &RangeInclusive<T>) -> String {
    format!("{}..={}", range.start(), range.end())
}

// NaN lies in no range, so floats that pass are finite wherever the range is.
fn number<T: FromStr + PartialOrd>(text: &str, range: &RangeInclusive<T>) -> Option<T> {
    text.trim().parse().ok().filter(|value| range.contains(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::spec::{KINDS, Kind};
    use crate::data::{conflict, cosines, leaves, shapes, shortcut, spread, textures};
    use ndarray::s;
    use proptest::prelude::*;
    use rand::Rng;

    type Load = fn(&str, &Options) -> Result<ImageSet>;

    fn made() -> impl Iterator<Item = &'static Kind> {
        KINDS.into_iter().filter(|kind| kind.generated)
    }

    fn parsed(text: &str) -> Args {
        Args::parse("test", text).unwrap()
    }

    #[test]
    fn getters_read_what_is_given_and_default_otherwise() {
        let mut args = parsed(" a=3, b = -0.5 ,size=24x32,word=two,list=1;2/3");
        assert_eq!(args.usize("a", 1..=5, 1).unwrap(), 3);
        assert_eq!(args.f64("b", -1.0..=1.0, 0.0).unwrap(), -0.5);
        assert_eq!(args.size("size", 16).unwrap(), (24, 32));
        assert_eq!(args.choice("word", [("one", 1), ("two", 2)]).unwrap(), 2);
        assert_eq!(args.f64_list("list", 0.0..=9.0).unwrap(), Some(vec![1.0, 2.0, 3.0]));
        args.finish().unwrap();

        let mut args = parsed("");
        assert_eq!(args.usize("a", 1..=5, 1).unwrap(), 1);
        assert_eq!(args.f64("b", -1.0..=1.0, 0.25).unwrap(), 0.25);
        assert_eq!(args.size("size", 16).unwrap(), (16, 16));
        assert_eq!(args.choice("word", [("one", 1), ("two", 2)]).unwrap(), 1);
        assert_eq!(args.f64_list("list", 0.0..=9.0).unwrap(), None);
        args.finish().unwrap();
        assert_eq!(parsed("size=32").size("size", 16).unwrap(), (32, 32));
    }

    #[test]
    fn errors_say_place_expectation_and_finding() {
        let text = |error: Error| error.to_string();
        for (args, found) in [("a", "`a`"), ("a=1,", "nothing"), ("a=", "`a=`"), ("=1", "`=1`")] {
            let error = text(Args::parse("test", args).unwrap_err());
            let wanted = format!("data `test:{args}`: expected `key=value` between commas, found {found}");
            assert_eq!(error, wanted);
        }
        assert_eq!(
            text(Args::parse("test", "a=1,a=1").unwrap_err()),
            "data `test:a=1,a=1`, key `a`: expected the key once, found it twice"
        );
        assert_eq!(
            text(parsed("a=6").usize("a", 1..=5, 1).unwrap_err()),
            "data `test:a=6`, key `a`: expected a whole number in 1..=5, found `6`"
        );
        for bad in ["-1", "1.5", "x", "99999999999999999999999"] {
            assert!(parsed(&format!("a={bad}")).usize("a", 0..=5, 1).is_err(), "{bad}");
        }
        for bad in ["nan", "inf", "2", "0x1"] {
            assert!(parsed(&format!("b={bad}")).f64("b", 0.0..=1.0, 0.0).is_err(), "{bad}");
        }
        for bad in ["0", "513", "8x", "x8", "8x8x8", "8x0"] {
            assert!(parsed(&format!("size={bad}")).size("size", 16).is_err(), "{bad}");
        }
        assert!(text(parsed("l=1//2").f64_list("l", 0.0..=9.0).unwrap_err()).ends_with("found nothing"));
    }

    #[test]
    fn unknown_keys_name_the_nearest_and_all() {
        let mut args = parsed("amplitud=2");
        args.f64("noise", 0.0..=1.0, 0.0).unwrap();
        args.f64_list("amplitudes", 0.0..=1.0).unwrap();
        assert_eq!(
            args.finish().unwrap_err().to_string(),
            "data `test:amplitud=2`, key `amplitud`: expected one of `noise`, `amplitudes`, \
             found an unknown key; did you mean `amplitudes`?"
        );
        let mut args = parsed("zzz=2");
        args.f64("noise", 0.0..=1.0, 0.0).unwrap();
        assert!(args.finish().unwrap_err().to_string().ends_with("found an unknown key"));
    }

    #[test]
    fn sets_too_large_are_refused_before_any_memory_is_taken() {
        for kind in made() {
            let error = (kind.load)("count=999996,size=512", &Options::default()).unwrap_err().to_string();
            assert!(error.contains("a set of at most 16 GiB, found"), "{error}");
        }
    }

    #[test]
    fn splits_are_disjoint_draws_and_unknown_ones_an_error() {
        let split = |split: &str| {
            let options = Options { split: split.to_owned(), ..Options::default() };
            shapes::load("count=10,size=8", &options)
        };
        assert_ne!(split("train").unwrap().images, split("test").unwrap().images);
        let error = split("tset").unwrap_err().to_string();
        assert!(error.contains("expected `train`, `validation` or `test`, found `tset`"), "{error}");
    }

    #[test]
    fn sets_do_not_depend_on_threads_and_start_with_the_shorter() {
        let sets: [(Load, &str); 7] = [
            (cosines::load, "noise=1,size=6x9,classes=3"),
            (spread::load, "noise=1,size=6x9,frequencies=1/2/3"),
            (shapes::load, "size=9x6,channels=3,classes=3"),
            (leaves::load, "size=6x9,channels=3,classes=3"),
            (textures::load, "size=9x6,classes=3,phase=random"),
            (conflict::load, "size=12x9,classes=3,agree=0.5"),
            (shortcut::load, "size=12x9,classes=3,noise=1"),
        ];
        for (load, args) in sets {
            let made = |threads: usize, count: usize, seed: u64| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let options = Options { seed, ..Options::default() };
                pool.install(|| load(&format!("{args},count={count}"), &options).unwrap())
            };
            let long = made(1, 30, 5);
            assert_eq!(long.images, made(3, 30, 5).images, "{args}");
            let short = made(2, 12, 5);
            assert_eq!(long.images.slice(s![..12, .., .., ..]), short.images, "{args}");
            assert_eq!(long.targets.matrix().slice(s![..12, ..]), short.targets.matrix(), "{args}");
            assert_ne!(short.images, made(2, 12, 6).images, "{args}");
            // No two images are the same draw.
            assert_ne!(long.images.slice(s![0, .., .., ..]), long.images.slice(s![3, .., .., ..]), "{args}");
        }
    }

    #[test]
    fn every_image_has_its_class_and_a_stream_of_its_own() {
        let names = ["a", "b"].map(str::to_owned).to_vec();
        let set = parsed("").make(&Options::default(), [5, 1, 2, 3], names, |rng, class, pixels| {
            pixels[0] = class as f32;
            pixels[5] = rng.random();
        });
        let set = set.unwrap();
        assert_eq!(set.images.slice(s![.., 0, 0, 0]).to_vec(), [0.0, 1.0, 0.0, 1.0, 0.0]);
        assert!(matches!(&set.targets, Targets::Classes { labels, .. } if *labels == [0, 1, 0, 1, 0]));
        for i in 0..5 {
            let drawn: f32 = seed::rng(0, "test/train", i).random();
            assert_eq!(set.images[[i as usize, 0, 1, 2]], drawn);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}", key in "[a-z]{1,12}", value in ".{0,12}") {
            for text in [text, format!("size=4,count=8,{key}={value}")] {
                for kind in made() {
                    // Whatever it is: a set or an error that names the place.
                    if let Err(error) = (kind.load)(&text, &Options::default()) {
                        prop_assert!(error.to_string().starts_with("data `"), "{}", error);
                    }
                }
            }
        }
    }
}
