//! Python pickles of numbers, strings, lists, tuples, dictionaries and numpy
//! arrays of integers, protocols 0 to 5, as Python 2 and Python 3 write them.
//!
//! Nothing is executed: the few calls that rebuild a numpy array are recognised
//! by name, every other one is an error ([`super`]).

use std::borrow::Cow;

use super::{Heap, Id, Step, Value, Vocabulary, integer};
use crate::error::{Error, Result, listed, shown};

type Object<'a> = super::Object<'a, Numpy>;

/// A pickle that has been read.
#[derive(Debug)]
pub struct Pickle<'a> {
    heap: Heap<'a, Numpy>,
    root: Id,
    place: String,
}

/// An array of bytes, row by row.
#[derive(Debug, PartialEq, Eq)]
pub struct Bytes2<'p> {
    /// Rows and columns.
    pub shape: (usize, usize),
    /// Lengths of the axes as they are stored.
    pub axes: Vec<usize>,
    /// `rows · columns` bytes.
    pub data: Cow<'p, [u8]>,
}

/// The calls that rebuild numpy arrays.
#[derive(Debug, Default)]
struct Numpy {
    // bytes made by `_codecs.encode` so far
    encoded: usize,
}

#[derive(Debug)]
enum Made {
    Dtype { kind: u8, size: usize, big: bool },
    Array { shape: Vec<usize>, dtype: Id, fortran: bool, data: Id },
    // made by _reconstruct, waiting for BUILD
    Unbuilt,
}

#[derive(Clone, Copy, Debug)]
enum Global {
    Reconstruct,
    Ndarray,
    Dtype,
    FromBuffer,
    Encode,
}

impl<'a> Pickle<'a> {
    /// Reads `bytes`; `place` names the file in errors.
    ///
    /// # Errors
    /// Anything that is not a complete pickle of the kinds of objects above,
    /// with the byte where reading stopped.
    pub fn read(bytes: &'a [u8], place: &str) -> Result<Self> {
        let pickle = super::read(bytes, Numpy::default()).map_err(|refusal| refusal.error(place))?;
        Ok(Self { heap: pickle.heap, root: pickle.root, place: place.to_owned() })
    }

    /// The object that was pickled.
    pub fn root(&self) -> Id {
        self.root
    }

    /// The value under `key` (a string or bytes) in the dictionary `id`.
    ///
    /// # Errors
    /// `id` is no dictionary, or has no such key: the keys are listed.
    pub fn entry(&self, id: Id, key: &str) -> Result<Id> {
        let Object::Dict(pairs) = &self.heap[id] else {
            return Err(self.wrong("a dict", id));
        };
        let text = |id: Id| self.heap.text(id);
        // As in Python, the last one wins.
        pairs.iter().rev().find(|&&(k, _)| text(k) == Some(key)).map(|&(_, value)| value).ok_or_else(|| {
            let keys: Vec<&str> = pairs.iter().filter_map(|&(k, _)| text(k)).collect();
            Error::input(&self.place, format!("the key '{key}'"), listed(&keys))
        })
    }

    /// Integers of a list, a tuple or an integer array.
    ///
    /// # Errors
    /// Anything else.
    pub fn integers(&self, id: Id) -> Result<Vec<i64>> {
        match &self.heap[id] {
            Object::List(items) | Object::Tuple(items) => items
                .iter()
                .map(|&item| match self.heap[item] {
                    Object::Int(value) => Ok(value),
                    _ => Err(self.wrong("integers", item)),
                })
                .collect(),
            Object::Made(Made::Array { shape, .. }) if shape.len() == 1 => {
                let (kind, size, big, data) = self.array(id)?;
                if !matches!(kind, b'i' | b'u') || !matches!(size, 1 | 2 | 4 | 8) {
                    let found = format!("dtype {}{size}", kind as char);
                    return Err(Error::input(&self.place, "an array of integers", found));
                }
                Ok(data.chunks_exact(size).map(|bytes| integer(bytes, kind == b'i', big)).collect())
            }
            _ => Err(self.wrong("a list of integers", id)),
        }
    }

    /// Strings of a list or tuple.
    ///
    /// # Errors
    /// Anything else.
    pub fn strings(&self, id: Id) -> Result<Vec<String>> {
        let (Object::List(items) | Object::Tuple(items)) = &self.heap[id] else {
            return Err(self.wrong("a list of strings", id));
        };
        let mut total = 0;
        items
            .iter()
            .map(|&item| {
                let text = self.heap[item].text().ok_or_else(|| self.wrong("strings", item))?;
                // One long string may be listed any number of times.
                total += text.len();
                if total > self.heap.limit() {
                    let expected = "strings within the size of the file";
                    return Err(Error::input(&self.place, expected, "the same one repeated"));
                }
                Ok(text.to_owned())
            })
            .collect()
    }

    /// An array of dtype u1, in either memory order: the axes behind the first are one.
    ///
    /// # Errors
    /// Anything else.
    pub fn bytes2(&self, id: Id) -> Result<Bytes2<'_>> {
        let Object::Made(Made::Array { shape, fortran, .. }) = &self.heap[id] else {
            return Err(self.wrong("an array", id));
        };
        let (kind, size, _, data) = self.array(id)?;
        let &[rows, ref behind @ ..] = shape.as_slice() else {
            return Err(Error::input(&self.place, "an array of 2 dimensions or more", "none"));
        };
        if behind.is_empty() {
            let expected = "an array of 2 dimensions or more";
            return Err(Error::input(&self.place, expected, format!("shape {shape:?}")));
        }
        if (kind, size) != (b'u', 1) {
            let found = format!("dtype {}{size}", kind as char);
            return Err(Error::input(&self.place, "an array of dtype u1", found));
        }
        // The product of all lengths is that of the data.
        let columns: usize = behind.iter().product();
        // Where the first axis is the fastest, the place of an item is the sum of its indices times their steps.
        let place = |mut i: usize| {
            let mut step = data.len();
            shape.iter().rev().fold(0, |place, &length| {
                let index = i % length;
                i /= length;
                step /= length;
                place + index * step
            })
        };
        let data = if *fortran {
            (0..data.len()).map(|i| data[place(i)]).collect::<Vec<_>>().into()
        } else {
            Cow::Borrowed(data)
        };
        Ok(Bytes2 { shape: (rows, columns), axes: shape.clone(), data })
    }

    // dtype kind, item size, endianness and contents, whose length was checked.
    fn array(&self, id: Id) -> Result<(u8, usize, bool, &[u8])> {
        if let Object::Made(Made::Array { dtype, data, .. }) = self.heap[id]
            && let Object::Made(Made::Dtype { kind, size, big }) = self.heap[dtype]
            && let Object::Bytes(bytes) = &self.heap[data]
        {
            return Ok((kind, size, big, bytes));
        }
        Err(self.wrong("an array", id))
    }

    fn wrong(&self, expected: &str, id: Id) -> Error {
        Error::input(&self.place, expected, self.heap.kind(id))
    }
}

impl Vocabulary for Numpy {
    type Global = Global;
    type Made = Made;
    const CONTENT: &'static str = "numpy arrays and plain data";
    const LONG: bool = false;

    fn find(module: &str, name: &str) -> Option<Global> {
        Some(match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Global::Reconstruct,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Global::FromBuffer,
            ("numpy", "ndarray") => Global::Ndarray,
            ("numpy", "dtype") => Global::Dtype,
            ("_codecs", "encode") => Global::Encode,
            _ => return None,
        })
    }

    fn kind(made: &Made) -> &'static str {
        match made {
            Made::Dtype { .. } => "a dtype",
            Made::Array { .. } => "an array",
            Made::Unbuilt => "an array without contents",
        }
    }

    fn call<'a>(&mut self, heap: &Heap<'a, Self>, function: Global, arguments: Id) -> Step<Value<'a, Self>> {
        let object = match (function, heap.tuple(arguments, "a tuple of arguments")?) {
            // (ndarray, (0,), b'b')
            (Global::Reconstruct, &[class, _, _])
                if matches!(heap[class], Object::Global(Global::Ndarray)) =>
            {
                Object::Made(Made::Unbuilt)
            }
            (Global::Dtype, &[code, ..]) => dtype(heap, code)?,
            (Global::Encode, &[text, codec]) => self.encode(heap, text, codec)?,
            (Global::FromBuffer, &[data, dtype, shape, order]) => {
                array(heap, shape, dtype, heap.text(order) == Some("F"), data)?
            }
            _ => return Err(("a call that rebuilds an array", format!("{function:?}"))),
        };
        Ok(Value::New(object))
    }

    // An array or a dtype.
    fn build<'a>(&mut self, heap: &Heap<'a, Self>, target: Id, state: Id) -> Step<Option<Object<'a>>> {
        let state = heap.tuple(state, "a state to build from")?;
        let built = match (&heap[target], state) {
            // (version, '<', …)
            (&Object::Made(Made::Dtype { kind, size, .. }), &[_, order, ..]) => {
                Object::Made(Made::Dtype { kind, size, big: heap.text(order) == Some(">") })
            }
            // (version, shape, dtype, is Fortran, data)
            (Object::Made(Made::Unbuilt), &[_, shape, dtype, fortran, data]) => {
                let fortran = match heap[fortran] {
                    Object::Bool(value) => value,
                    Object::Int(value) => value != 0,
                    ref other => return Err(("the order of an array", other.kind().to_owned())),
                };
                array(heap, shape, dtype, fortran, data)?
            }
            (other, _) => return Err(("an array or dtype to build", other.kind().to_owned())),
        };
        Ok(Some(built))
    }
}

impl Numpy {
    // How Python 3 writes bytes in the protocols that know only strings.
    fn encode<'a>(&mut self, heap: &Heap<'a, Self>, text: Id, codec: Id) -> Step<Object<'a>> {
        let latin1 = matches!(heap.text(codec), Some("latin1" | "latin-1"));
        let Object::Text(text) = &heap[text] else {
            return Err(("a string to encode", heap.kind(text).to_owned()));
        };
        if !latin1 {
            return Err(("the codec latin1", heap.kind(codec).to_owned()));
        }
        // Each string is encoded once in honest files; without a bound, a short
        // program could copy one long string over and over.
        self.encoded += text.len();
        if self.encoded > heap.limit() {
            return Err(("strings within the size of the file", "the same one repeated".to_owned()));
        }
        let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let bytes = bytes.ok_or(("characters of latin1", "others".to_owned()))?;
        Ok(Object::Bytes(Cow::Owned(bytes)))
    }
}

fn dtype<'a>(heap: &Heap<'a, Numpy>, code: Id) -> Step<Object<'a>> {
    let text = heap.text(code).ok_or(("a dtype", heap.kind(code).to_owned()))?;
    let (big, code) = match text.as_bytes() {
        [b'>', code @ ..] => (true, code),
        [b'<' | b'|' | b'=', code @ ..] => (false, code),
        code => (false, code),
    };
    match code {
        &[kind @ (b'b' | b'i' | b'u' | b'f'), digit @ (b'1' | b'2' | b'4' | b'8')] => {
            Ok(Object::Made(Made::Dtype { kind, size: usize::from(digit - b'0'), big }))
        }
        _ => Err(("a dtype of numbers", shown(text))),
    }
}

fn array<'a>(heap: &Heap<'a, Numpy>, shape: Id, dtype: Id, fortran: bool, data: Id) -> Step<Object<'a>> {
    let sides = heap.tuple(shape, "a shape")?;
    let shape = sides.iter().map(|&side| heap.length(side)).collect::<Step<Vec<usize>>>()?;
    let Object::Made(Made::Dtype { size, .. }) = heap[dtype] else {
        return Err(("a dtype", heap.kind(dtype).to_owned()));
    };
    let Object::Bytes(bytes) = &heap[data] else {
        return Err(("the bytes of an array", heap.kind(data).to_owned()));
    };
    let need = shape.iter().try_fold(size, |all, &side| all.checked_mul(side));
    if need != Some(bytes.len()) {
        let found = format!("{} for shape {shape:?} of {size}-byte items", bytes.len());
        return Err(("as many bytes as the shape says", found));
    }
    Ok(Object::Made(Made::Array { shape, dtype, fortran, data }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BATCHES: [&[u8]; 6] = [
        include_bytes!("testdata/batch.p0"),
        include_bytes!("testdata/batch.p1"),
        include_bytes!("testdata/batch.p2"),
        include_bytes!("testdata/batch.p3"),
        include_bytes!("testdata/batch.p4"),
        include_bytes!("testdata/batch.p5"),
    ];

    fn refusal(bytes: &[u8]) -> String {
        Pickle::read(bytes, "file").expect_err("must be refused").to_string()
    }

    #[test]
    fn reads_what_python_3_writes_in_every_protocol() {
        for (protocol, bytes) in BATCHES.iter().enumerate() {
            let p = Pickle::read(bytes, "batch").unwrap_or_else(|e| panic!("protocol {protocol}: {e}"));
            let get = |key| p.entry(p.root(), key).unwrap();
            let data = p.bytes2(get("data")).unwrap();
            assert_eq!(data.shape, (2, 6));
            assert_eq!(*data.data, (200..212).collect::<Vec<u8>>());
            assert_eq!(p.integers(get("labels")).unwrap(), [3, 258]);
            assert_eq!(p.integers(get("more")).unwrap(), [-1, 70000]);
            assert_eq!(p.strings(get("names")).unwrap(), ["a", "bé"]);
            let fortran = p.bytes2(get("fortran")).unwrap();
            assert_eq!((fortran.shape, &*fortran.data), ((2, 3), &[0, 1, 2, 3, 4, 5][..]));
            let text = p.entry(p.root(), "absent").unwrap_err().to_string();
            assert!(text.contains("'absent'") && text.contains("data, labels"), "{text}");
            assert!(p.integers(get("data")).is_err() && p.bytes2(get("more")).is_err());
            assert!(p.integers(get("nested")).is_err() && p.strings(get("labels")).is_err());
            assert!(p.entry(get("labels"), "x").is_err());
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        for bytes in BATCHES {
            for len in 0..bytes.len() {
                refusal(&bytes[..len]);
            }
        }
    }

    #[test]
    fn functions_outside_the_list_are_refused_by_name() {
        assert!(refusal(b"cos\nsystem\n(S'true'\ntR.").contains("os.system"));
        assert!(refusal(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.").contains("builtins.eval"));
        assert!(refusal(b"cnumpy\nndarray\n)R.").contains("Ndarray"));
        assert!(refusal(b"N)R.").contains("None"));
        assert!(refusal(b"(ios\nsystem\n.").contains("os.system"));
        assert!(refusal(b"(inumpy\nndarray\n.").contains("0x69"));
        assert!(refusal(b"\x80\x09.").contains("protocol 9"));
    }

    #[test]
    fn arrays_must_hold_what_their_shape_says() {
        let head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR";
        let dtype = b"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR";
        let array = |shape: &str, data: &str| {
            [&head[..], b"(I1\n(", shape.as_bytes(), b"t", dtype, b"I00\nS'", data.as_bytes(), b"'\ntb."]
                .concat()
        };
        let fine = array("I1\nI3\n", "abc");
        let fine = Pickle::read(&fine, "f").unwrap();
        assert_eq!(
            fine.bytes2(fine.root()).unwrap(),
            Bytes2 { shape: (1, 3), axes: vec![1, 3], data: b"abc"[..].into() }
        );
        for shape in ["I1\nI4\n", "I4294967296\nI4294967296\n", "I-1\nI-3\n", "S'x'\n"] {
            refusal(&array(shape, "abc"));
        }
    }

    #[test]
    fn a_long_string_encoded_again_and_again_is_refused() {
        let mut bytes = b"\x80\x02X".to_vec();
        bytes.extend(1_000_000u32.to_le_bytes());
        bytes.extend(std::iter::repeat_n(b'a', 1_000_000));
        bytes.extend(b"q\x00c_codecs\nencode\nq\x01X\x06\x00\x00\x00latin1q\x02");
        for _ in 0..1000 {
            bytes.extend(b"h\x01h\x00h\x02\x86R");
        }
        bytes.push(b'.');
        assert!(refusal(&bytes).contains("repeated"));
    }

    #[test]
    fn nesting_costs_no_stack() {
        let mut bytes = vec![b']'; 1_000_000];
        bytes.extend(vec![b'a'; 999_999]);
        bytes.push(b'.');
        let p = Pickle::read(&bytes, "deep").unwrap();
        assert!(p.integers(p.root()).is_err());
    }

    // Asks for everything that could be in a pickle.
    fn use_all(bytes: &[u8]) {
        let Ok(p) = Pickle::read(bytes, "fuzz") else { return };
        for id in 0..p.heap.len() {
            let _ = (p.entry(id, "data"), p.integers(id), p.strings(id));
            if let Ok(array) = p.bytes2(id) {
                assert_eq!(array.data.len(), array.shape.0 * array.shape.1);
            }
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            use_all(&bytes);
        }

        #[test]
        fn damaged_pickles_never_panic(
            which in 0usize..6,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut bytes = BATCHES[which].to_vec();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            use_all(&bytes);
        }
    }
}
