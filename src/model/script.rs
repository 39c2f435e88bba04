//! Programs of TorchScript: networks of which only the answers are known.
//!
//! A traced or scripted module carries its own code. Running it executes what is in the file, so
//! nothing here is called unless the user has asked for it.

use std::path::Path;

use rand::Rng;
use tch::{CModule, Device, IValue, Kind, Tensor};
use xxhash_rust::xxh3::Xxh3;

use super::convert;
use crate::error::{Error, Result};
use crate::seed;
use crate::weights::StateDict;

/// Answers of an image alone and beside another may differ by this share of the largest: half precision rounds, and
/// dynamic quantisation takes its scale from all images that pass together. Norms and dropout in training mode are
/// far beyond.
const ROUNDING: f64 = 0.03;

/// A program, in evaluation mode.
pub struct Script {
    module: CModule,
    place: String,
    /// `[c, h, w]` of the images that it is shown.
    pub shape: [usize; 3],
    /// Numbers that it puts out for an image.
    pub outputs: usize,
    /// Precision of its parameters; single where it has none.
    pub kind: Kind,
    /// Where it is.
    pub device: Device,
    /// XXH3-128 of its file.
    pub hash: String,
}

impl Script {
    /// Reads the program at `path`, and shows it images of noise of shape `[c, h, w]`: one, and two together and
    /// alone, the answers to which must be the same. Those of a program that was traced in training mode are not: its norms
    /// take the statistics of the batch, and its dropout drops.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] for what libtorch does not read, for what it cannot run on such
    /// images, for answers that are no `[B, K]`, for a program of one image at a time and for one in training mode;
    /// [`Error::Device`] where there is no memory.
    pub fn open(path: &Path, shape: [usize; 3], device: Device) -> Result<Self> {
        let (module, hash) = load(path, device)?;
        let place = path.display().to_string();
        let kinds = kinds(&place, &module)?;
        let mut script = Self { module, place, shape, outputs: 0, kind: kinds[0], device, hash };
        let _no_grad = tch::no_grad_guard();
        let [c, h, w] = shape.map(|n| n as i64);
        let mut rng = seed::rng(0, "model/script/noise", 0);
        let noise: Vec<f32> = (0..2 * c * h * w).map(|_| rng.random_range(-1.0..1.0)).collect();
        let noise = Tensor::f_from_slice(&noise)?.f_reshape([2, c, h, w])?.f_to_device(device)?;
        let mut first = script.forward(&noise.f_narrow(0, 0, 1)?);
        // A frozen program does not say in which precision its numbers are: the first one that it takes.
        for &kind in &kinds[1..] {
            if first.is_ok() {
                break;
            }
            script.kind = kind;
            first = script.forward(&noise.f_narrow(0, 0, 1)?).or(first);
        }
        let first = first?;
        let rows = |answers: &Tensor, count: i64| match answers.size()[0] {
            rows if rows == count => Ok(()),
            rows => {
                let expected = format!("answers to {count} images, a row each");
                Err(Error::input(&script.place, expected, format_args!("{rows} rows")))
            }
        };
        rows(&first, 1)?;
        let both = script.forward(&noise).map_err(|e| match e {
            Error::Input { found, .. } => {
                let expected = "a program for any number of images (trace it with more than one)";
                Error::input(
                    &script.place,
                    expected,
                    format_args!("one that fails for two at a time: {found}"),
                )
            }
            e => e,
        })?;
        rows(&both, 2)?;
        let second = script.forward(&noise.f_narrow(0, 1, 1)?)?;
        let apart = both.f_sub(&Tensor::f_cat(&[&first, &second], 0)?)?.f_abs()?.f_max()?;
        let (apart, most) = (f64::try_from(apart)?, f64::try_from(both.f_abs()?.f_max()?)?);
        if apart > ROUNDING * most {
            let expected =
                "the same answer to an image alone and beside another (trace it after model.eval())";
            return Err(Error::input(&script.place, expected, format_args!("answers {apart:.2e} apart")));
        }
        script.outputs = both.size()[1] as usize;
        Ok(script)
    }

    /// Logits `[B, K]` of images `[B, c, h, w]`, in the precision of the parameters; of several answers the
    /// first one (GoogLeNet and Inception v3 put out those of their other heads beside it).
    ///
    /// # Errors
    /// [`Error::Input`] where the program fails, and for answers that are no `[B, K]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let expected = "a program that makes logits [B, K] of images [B, c, h, w]";
        let wrong = |found: String| Error::input(&self.place, expected, found);
        let input = IValue::Tensor(x.f_to_kind(self.kind)?);
        let answers = self.module.forward_is(&[input]).map_err(|e| {
            let reason = reason(&e);
            // No fault of the program.
            if reason.contains("memory") { Error::from(e) } else { wrong(reason) }
        })?;
        let other = format!("one that makes {}", called(&answers));
        let answers = first(answers).ok_or_else(|| wrong(other))?;
        let size = answers.size();
        // [B, K, 1, 1] of networks that end in a convolution.
        match size.as_slice() {
            [_, outputs, rest @ ..] if *outputs > 0 && rest.iter().all(|n| *n == 1) => {
                Ok(answers.f_flatten(1, -1)?.f_to_kind(self.kind)?)
            }
            _ => Err(wrong(format!("answers of shape {size:?}"))),
        }
    }
}

/// Its parameters by their names, in its order; none where they were frozen into the code. Reading them
/// runs nothing but what builds the module.
///
/// # Errors
/// [`Error::Io`]; [`Error::Input`] for what libtorch does not read.
pub fn parameters(path: &Path) -> Result<(StateDict, String)> {
    let (module, hash) = load(path, Device::Cpu)?;
    let mut dict = StateDict::default();
    for (name, tensor) in named(&path.display().to_string(), &module)? {
        dict.push(convert::named(&name, &tensor)?)?;
    }
    Ok((dict, hash))
}

fn load(path: &Path, device: Device) -> Result<(CModule, String)> {
    let bytes = std::fs::read(path).map_err(Error::io(path, "read"))?;
    let mut hash = Xxh3::new();
    hash.update(&bytes);
    let place = path.display().to_string();
    let module = CModule::load_data_on_device(&mut bytes.as_slice(), device);
    let mut module =
        module.map_err(|e| Error::input(&place, "a program that libtorch can read", reason(&e)))?;
    module.f_set_eval()?;
    for (_, tensor) in named(&place, &module)? {
        // Gradients are those of images.
        let _ = tensor.f_set_requires_grad(false)?;
    }
    // Of this thread, which shows the images: the code as it stands, not rewritten after the first calls.
    tch::jit::f_set_graph_executor_optimize(false)?;
    Ok((module, format!("{:032x}", hash.digest128())))
}

fn named(place: &str, module: &CModule) -> Result<Vec<(String, Tensor)>> {
    module.named_parameters().map_err(|e| Error::input(place, "a program with parameters", reason(&e)))
}

// In which precisions the program may want its images: that of its parameters, or any where it has none.
fn kinds(place: &str, module: &CModule) -> Result<Vec<Kind>> {
    const FLOATING: [Kind; 4] = [Kind::Float, Kind::Double, Kind::Half, Kind::BFloat16];
    let found = named(place, module)?.into_iter().map(|(_, t)| t.kind()).find(|kind| FLOATING.contains(kind));
    Ok(found.map_or(FLOATING.to_vec(), |kind| vec![kind]))
}

fn first(answers: IValue) -> Option<Tensor> {
    match answers {
        IValue::Tensor(answers) => Some(answers),
        IValue::Tuple(answers) => answers.into_iter().next().and_then(first),
        _ => None,
    }
}

fn called(answers: &IValue) -> &'static str {
    match answers {
        IValue::None => "nothing",
        IValue::Tuple(_) => "a tuple without tensors",
        IValue::GenericDict(_) => "a dict",
        IValue::TensorList(_) | IValue::GenericList(_) => "a list",
        IValue::String(_) | IValue::StringList(_) => "text",
        _ => "numbers that are no tensor",
    }
}

// What failed is on the last line, below where in the code it did.
fn reason(e: &tch::TchError) -> String {
    let text = e.to_string();
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let last = lines().rev().find(|line| line.contains("Error: ")).or_else(|| lines().next());
    last.unwrap_or("a failure without a word").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::jit::IValue::Tuple;

    fn traced(dir: &Path, f: impl Fn(&Tensor) -> Tensor) -> std::path::PathBuf {
        let path = dir.join("net.pt");
        let x = Tensor::zeros([2, 1, 4, 4], (Kind::Float, Device::Cpu));
        let mut closure = |inputs: &[Tensor]| vec![f(&inputs[0])];
        CModule::create_by_tracing("Net", "forward", &[x], &mut closure).unwrap().save(&path).unwrap();
        path
    }

    #[test]
    fn a_program_answers_as_what_was_traced() {
        let tmp = tempfile::tempdir().unwrap();
        let of = |x: &Tensor| x.flatten(1, -1).narrow(1, 3, 5) * 2.0;
        let path = traced(tmp.path(), of);
        let script = Script::open(&path, [1, 4, 4], Device::Cpu).unwrap();
        assert_eq!((script.outputs, script.kind), (5, Kind::Float));
        let x = Tensor::arange(48, (Kind::Float, Device::Cpu)).reshape([3, 1, 4, 4]);
        assert_eq!(script.forward(&x).unwrap(), of(&x));
        // No parameters, and the hash of the file.
        let (dict, hash) = parameters(&path).unwrap();
        assert!(dict.is_empty() && hash == script.hash && hash.len() == 32);
        // The gradient with respect to the images: 2 at the five pixels.
        let x = x.set_requires_grad(true);
        let sum = script.forward(&x).unwrap().sum(None);
        let gradient = Tensor::run_backward(&[&sum], &[&x], false, false).remove(0);
        let first = convert::array(&gradient.select(0, 1).flatten(0, -1)).unwrap();
        assert_eq!(first.iter().filter(|g| **g == 2.0).count(), 5);
        assert_eq!(first.sum(), 10.0);
    }

    #[test]
    fn programs_of_something_else_are_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let refused = |f: &dyn Fn(&Tensor) -> Tensor, words: &str| {
            let path = traced(tmp.path(), f);
            let text = Script::open(&path, [1, 4, 4], Device::Cpu).err().unwrap().to_string();
            assert!(text.contains("net.pt: expected") && text.contains(words), "{text}");
        };
        refused(&|x| x * 2.0, "answers of shape [1, 1, 4, 4]");
        refused(&|x| x.flatten(0, -1).reshape([1, -1]).narrow(1, 0, 3), "1 rows");
        let path = traced(tmp.path(), |x| x.flatten(1, -1));
        let text = Script::open(&path, [3, 0, 4], Device::Cpu).err().map(|e| e.to_string());
        assert!(text.is_some_and(|text| text.contains("net.pt: expected")));
        std::fs::write(&path, b"PK\x03\x04 no archive").unwrap();
        let text = Script::open(&path, [1, 4, 4], Device::Cpu).err().unwrap().to_string();
        assert!(text.contains("a program that libtorch can read"), "{text}");
    }

    #[test]
    fn of_several_answers_the_first_counts() {
        let one = || IValue::Tensor(Tensor::from_slice(&[1.0f32]));
        let two = IValue::Tensor(Tensor::from_slice(&[2.0f32]));
        assert_eq!(f64::try_from(first(Tuple(vec![one(), two])).unwrap()).unwrap(), 1.0);
        assert!(first(IValue::Int(1)).is_none() && first(Tuple(vec![])).is_none());
        assert!(first(one()).is_some());
    }
}
