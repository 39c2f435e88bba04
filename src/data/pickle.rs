//! A reader of Python pickles that executes nothing: numbers, strings, lists,
//! tuples, dictionaries and numpy arrays of integers, protocols 0 to 5, as
//! Python 2 and Python 3 write them.
//!
//! A pickle is a program for a stack machine that may call any Python
//! function. Here the few calls that rebuild a numpy array are recognised by
//! name and every other one is an error. Objects live in one list and refer to
//! each other by index, so nothing here recurses; and as every opcode makes at
//! most one object, memory is bounded by the length of the file.
//! (`serde-pickle` 1.2 drops what BUILD sets on an object, and with it the
//! contents of the arrays.)

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::{Error, Result};

/// Index of an object in its [`Pickle`].
pub type Id = usize;

/// A pickle that has been read.
#[derive(Debug)]
pub struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    root: Id,
    place: String,
    len: usize,
}

/// A two-dimensional array of bytes, row by row.
#[derive(Debug, PartialEq, Eq)]
pub struct Bytes2<'p> {
    /// Rows and columns.
    pub shape: (usize, usize),
    /// `rows · columns` bytes.
    pub data: Cow<'p, [u8]>,
}

#[derive(Debug)]
enum Object<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float,
    // str of Python 2, bytes and bytearray of Python 3
    Bytes(Cow<'a, [u8]>),
    Text(Cow<'a, str>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
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

impl Global {
    fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Self::Reconstruct,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Self::FromBuffer,
            ("numpy", "ndarray") => Self::Ndarray,
            ("numpy", "dtype") => Self::Dtype,
            ("_codecs", "encode") => Self::Encode,
            _ => return None,
        })
    }
}

impl Object<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Object::None => "None",
            Object::Bool(_) => "a bool",
            Object::Int(_) => "an integer",
            Object::Float => "a float",
            Object::Bytes(_) => "bytes",
            Object::Text(_) => "a string",
            Object::Tuple(_) => "a tuple",
            Object::List(_) => "a list",
            Object::Dict(_) => "a dict",
            Object::Global(_) => "a function",
            Object::Dtype { .. } => "a dtype",
            Object::Array { .. } => "an array",
            Object::Unbuilt => "an array without contents",
        }
    }

    // The text of a key or a name, however Python stored it.
    fn text(&self) -> Option<&str> {
        match self {
            Object::Text(text) => Some(text),
            Object::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

impl<'a> Pickle<'a> {
    /// Reads `bytes`; `place` names the file in errors.
    ///
    /// # Errors
    /// Anything that is not a complete pickle of the kinds of objects above,
    /// with the byte where reading stopped.
    pub fn read(bytes: &'a [u8], place: &str) -> Result<Self> {
        let mut machine = Machine {
            bytes,
            at: 0,
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            encoded: 0,
        };
        match machine.run() {
            Ok(root) => {
                Ok(Self { objects: machine.objects, root, place: place.to_owned(), len: bytes.len() })
            }
            Err((expected, found)) => {
                Err(Error::input(format!("{place}: byte {}", machine.at), expected, found))
            }
        }
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
        let Object::Dict(pairs) = &self.objects[id] else {
            return Err(self.wrong("a dict", id));
        };
        let text = |id: Id| self.objects[id].text();
        // As in Python, the last one wins.
        pairs.iter().rev().find(|&&(k, _)| text(k) == Some(key)).map(|&(_, value)| value).ok_or_else(|| {
            let keys: Vec<&str> = pairs.iter().filter_map(|&(k, _)| text(k)).collect();
            Error::input(&self.place, format!("the key '{key}'"), super::select::listed(&keys))
        })
    }

    /// Integers of a list, a tuple or an integer array.
    ///
    /// # Errors
    /// Anything else.
    pub fn integers(&self, id: Id) -> Result<Vec<i64>> {
        match &self.objects[id] {
            Object::List(items) | Object::Tuple(items) => items
                .iter()
                .map(|&item| match self.objects[item] {
                    Object::Int(value) => Ok(value),
                    _ => Err(self.wrong("integers", item)),
                })
                .collect(),
            Object::Array { shape, .. } if shape.len() == 1 => {
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
        let (Object::List(items) | Object::Tuple(items)) = &self.objects[id] else {
            return Err(self.wrong("a list of strings", id));
        };
        let mut total = 0;
        items
            .iter()
            .map(|&item| {
                let text = self.objects[item].text().ok_or_else(|| self.wrong("strings", item))?;
                // One long string may be listed any number of times.
                total += text.len();
                if total > self.len {
                    let expected = "strings within the size of the file";
                    return Err(Error::input(&self.place, expected, "the same one repeated"));
                }
                Ok(text.to_owned())
            })
            .collect()
    }

    /// A two-dimensional array of dtype u1, in either memory order.
    ///
    /// # Errors
    /// Anything else.
    pub fn bytes2(&self, id: Id) -> Result<Bytes2<'_>> {
        let Object::Array { shape, fortran, .. } = &self.objects[id] else {
            return Err(self.wrong("an array", id));
        };
        let (kind, size, _, data) = self.array(id)?;
        let &[rows, columns] = shape.as_slice() else {
            return Err(Error::input(&self.place, "an array of 2 dimensions", format!("shape {shape:?}")));
        };
        if (kind, size) != (b'u', 1) {
            let found = format!("dtype {}{size}", kind as char);
            return Err(Error::input(&self.place, "an array of dtype u1", found));
        }
        let data = if *fortran {
            (0..data.len()).map(|i| data[i % columns * rows + i / columns]).collect::<Vec<_>>().into()
        } else {
            Cow::Borrowed(data)
        };
        Ok(Bytes2 { shape: (rows, columns), data })
    }

    // dtype kind, item size, endianness and contents, whose length was checked.
    fn array(&self, id: Id) -> Result<(u8, usize, bool, &[u8])> {
        if let Object::Array { dtype, data, .. } = self.objects[id]
            && let Object::Dtype { kind, size, big } = self.objects[dtype]
            && let Object::Bytes(bytes) = &self.objects[data]
        {
            return Ok((kind, size, big, bytes));
        }
        Err(self.wrong("an array", id))
    }

    fn wrong(&self, expected: &str, id: Id) -> Error {
        Error::input(&self.place, expected, self.objects[id].kind())
    }
}

fn integer(bytes: &[u8], signed: bool, big: bool) -> i64 {
    let mut wide = 0u64;
    let shift_in = |wide: u64, &byte: &u8| (wide << 8) | u64::from(byte);
    wide = if big { bytes.iter().fold(wide, shift_in) } else { bytes.iter().rev().fold(wide, shift_in) };
    let unused = 64 - 8 * bytes.len() as u32;
    if signed { ((wide << unused) as i64) >> unused } else { i64::try_from(wide).unwrap_or(i64::MAX) }
}

// What was expected, and what was found.
type Wrong = (&'static str, String);
type Step<T> = std::result::Result<T, Wrong>;

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    // bytes made by `_codecs.encode` so far
    encoded: usize,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Step<Id> {
        loop {
            let op = self.take(1)?[0];
            match op {
                b'.' => return self.pop(),
                0x80 => {
                    let version = self.take(1)?[0];
                    if version > 5 {
                        return Err(("a pickle of protocol 0 to 5", format!("protocol {version}")));
                    }
                }
                // A frame only announces its length.
                0x95 => drop(self.take(8)?),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
                b'1' => drop(self.pop_to_mark()?),
                b'2' => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                b'N' => self.push(Object::None),
                0x88 => self.push(Object::Bool(true)),
                0x89 => self.push(Object::Bool(false)),
                b'I' => {
                    let object = match self.line()? {
                        b"01" => Object::Bool(true),
                        b"00" => Object::Bool(false),
                        digits => Object::Int(decimal(digits)?),
                    };
                    self.push(object);
                }
                b'L' => {
                    let line = self.line()?;
                    let value = decimal(line.strip_suffix(b"L").unwrap_or(line))?;
                    self.push(Object::Int(value));
                }
                b'K' => self.push_integer(1, false)?,
                b'M' => self.push_integer(2, false)?,
                b'J' => self.push_integer(4, true)?,
                0x8a => {
                    let len = self.length(1)?;
                    self.push_long(len)?;
                }
                0x8b => {
                    let len = self.length(4)?;
                    self.push_long(len)?;
                }
                b'F' => {
                    self.line()?;
                    self.push(Object::Float);
                }
                b'G' => {
                    self.take(8)?;
                    self.push(Object::Float);
                }
                b'U' | b'C' => self.push_bytes(1)?,
                b'T' | b'B' => self.push_bytes(4)?,
                0x8e | 0x96 => self.push_bytes(8)?,
                b'S' => {
                    let quoted = self.line()?;
                    self.push(Object::Bytes(Cow::Owned(unquote(quoted)?)));
                }
                0x8c => self.push_text(1)?,
                b'X' => self.push_text(4)?,
                0x8d => self.push_text(8)?,
                b'V' => {
                    let raw = self.line()?;
                    self.push(Object::Text(Cow::Owned(raw_unicode(raw)?)));
                }
                b']' => self.push(Object::List(Vec::new())),
                b'l' => {
                    let items = self.pop_to_mark()?;
                    self.push(Object::List(items));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend_list(vec![item])?;
                }
                b'e' => {
                    let items = self.pop_to_mark()?;
                    self.extend_list(items)?;
                }
                b')' => self.push(Object::Tuple(Vec::new())),
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push(Object::Tuple(items));
                }
                0x85..=0x87 => {
                    let len = usize::from(op - 0x84);
                    if self.stack.len() < self.floor() + len {
                        return Err(("a value on the stack", "none".to_owned()));
                    }
                    let items = self.stack.split_off(self.stack.len() - len);
                    self.push(Object::Tuple(items));
                }
                b'}' => self.push(Object::Dict(Vec::new())),
                b'd' => {
                    let items = self.pop_to_mark()?;
                    self.push(Object::Dict(Vec::new()));
                    self.extend_dict(&items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.extend_dict(&[key, value])?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.extend_dict(&items)?;
                }
                b'g' => {
                    let index = memo_index(self.line()?)?;
                    self.recall(index)?;
                }
                b'h' => {
                    let index = self.length(1)? as u64;
                    self.recall(index)?;
                }
                b'j' => {
                    let index = self.length(4)? as u64;
                    self.recall(index)?;
                }
                b'p' => {
                    let index = memo_index(self.line()?)?;
                    self.memorise(index)?;
                }
                b'q' => {
                    let index = self.length(1)? as u64;
                    self.memorise(index)?;
                }
                b'r' => {
                    let index = self.length(4)? as u64;
                    self.memorise(index)?;
                }
                0x94 => self.memorise(self.memo.len() as u64)?,
                b'c' => {
                    let module = utf8(self.line()?)?;
                    let name = utf8(self.line()?)?;
                    self.push_global(module, name)?;
                }
                0x93 => {
                    let name = self.pop()?;
                    let module = self.pop()?;
                    let global = match (self.objects[module].text(), self.objects[name].text()) {
                        (Some(module), Some(name)) => find_global(module, name)?,
                        _ => return Err(("the name of a function", self.objects[name].kind().to_owned())),
                    };
                    self.push(Object::Global(global));
                }
                b'R' => self.reduce()?,
                b'b' => self.build()?,
                _ => {
                    let expected = "an opcode of plain data";
                    return Err((expected, format!("0x{op:02x} '{}'", (op as char).escape_default())));
                }
            }
        }
    }

    fn take(&mut self, len: usize) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..len) else {
            return Err((
                "more of the pickle",
                format!("its end, {len} bytes asked and {} left", rest.len()),
            ));
        };
        self.at += len;
        Ok(taken)
    }

    fn line(&mut self) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let Some(len) = rest.iter().position(|&b| b == b'\n') else {
            return Err(("a line of text", "the end of the file".to_owned()));
        };
        self.at += len + 1;
        Ok(rest[..len].strip_suffix(b"\r").unwrap_or(&rest[..len]))
    }

    // An unsigned little-endian number of `size` bytes.
    fn length(&mut self, size: usize) -> Step<usize> {
        let value = self.take(size)?.iter().rev().fold(0u64, |all, &byte| (all << 8) | u64::from(byte));
        usize::try_from(value).map_err(|_| ("a length", value.to_string()))
    }

    fn push(&mut self, object: Object<'a>) {
        self.stack.push(self.objects.len());
        self.objects.push(object);
    }

    fn push_integer(&mut self, size: usize, signed: bool) -> Step<()> {
        let value = integer(self.take(size)?, signed, false);
        self.push(Object::Int(value));
        Ok(())
    }

    fn push_long(&mut self, len: usize) -> Step<()> {
        if len > 8 {
            return Err(("an integer of 64 bits", format!("one of {len} bytes")));
        }
        let bytes = self.take(len)?;
        let value = if len == 0 { 0 } else { integer(bytes, true, false) };
        self.push(Object::Int(value));
        Ok(())
    }

    fn push_bytes(&mut self, size: usize) -> Step<()> {
        let len = self.length(size)?;
        let bytes = self.take(len)?;
        self.push(Object::Bytes(Cow::Borrowed(bytes)));
        Ok(())
    }

    fn push_text(&mut self, size: usize) -> Step<()> {
        let len = self.length(size)?;
        let text = utf8(self.take(len)?)?;
        self.push(Object::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn push_global(&mut self, module: &str, name: &str) -> Step<()> {
        let global = find_global(module, name)?;
        self.push(Object::Global(global));
        Ok(())
    }

    // Values below the last mark belong to whoever set it.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Step<Id> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => Err(("a value on the stack", "none".to_owned())),
        }
    }

    fn pop(&mut self) -> Step<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or(("a mark on the stack", "none".to_owned()))?;
        Ok(self.stack.split_off(mark))
    }

    fn extend_list(&mut self, items: Vec<Id>) -> Step<()> {
        let top = self.top()?;
        match &mut self.objects[top] {
            Object::List(list) => list.extend(items),
            other => return Err(("a list to append to", other.kind().to_owned())),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Id]) -> Step<()> {
        if !items.len().is_multiple_of(2) {
            return Err(("keys with values", "a key alone".to_owned()));
        }
        let top = self.top()?;
        match &mut self.objects[top] {
            Object::Dict(pairs) => pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            other => return Err(("a dict to set items in", other.kind().to_owned())),
        }
        Ok(())
    }

    fn recall(&mut self, index: u64) -> Step<()> {
        let id = *self.memo.get(&index).ok_or(("an index in the memo", index.to_string()))?;
        self.stack.push(id);
        Ok(())
    }

    fn memorise(&mut self, index: u64) -> Step<()> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    // A call of one of the known functions.
    fn reduce(&mut self) -> Step<()> {
        let arguments = self.pop()?;
        let function = self.pop()?;
        let Object::Global(global) = self.objects[function] else {
            return Err(("a function to call", self.objects[function].kind().to_owned()));
        };
        let Object::Tuple(arguments) = &self.objects[arguments] else {
            return Err(("a tuple of arguments", self.objects[arguments].kind().to_owned()));
        };
        let object = match (global, arguments.as_slice()) {
            // (ndarray, (0,), b'b')
            (Global::Reconstruct, &[class, _, _])
                if matches!(self.objects[class], Object::Global(Global::Ndarray)) =>
            {
                Object::Unbuilt
            }
            (Global::Dtype, &[code, ..]) => self.dtype(code)?,
            (Global::Encode, &[text, codec]) => self.encode(text, codec)?,
            (Global::FromBuffer, &[data, dtype, shape, order]) => {
                let fortran = self.objects[order].text() == Some("F");
                self.array(shape, dtype, fortran, data)?
            }
            _ => return Err(("a call that rebuilds an array", format!("{global:?}"))),
        };
        self.push(object);
        Ok(())
    }

    fn dtype(&self, code: Id) -> Step<Object<'a>> {
        let text = self.objects[code].text().ok_or(("a dtype", self.objects[code].kind().to_owned()))?;
        let (big, code) = match text.as_bytes() {
            [b'>', code @ ..] => (true, code),
            [b'<' | b'|' | b'=', code @ ..] => (false, code),
            code => (false, code),
        };
        match code {
            &[kind @ (b'b' | b'i' | b'u' | b'f'), digit @ (b'1' | b'2' | b'4' | b'8')] => {
                Ok(Object::Dtype { kind, size: usize::from(digit - b'0'), big })
            }
            _ => Err(("a dtype of numbers", text.escape_default().to_string())),
        }
    }

    // How Python 3 writes bytes in the protocols that know only strings.
    fn encode(&mut self, text: Id, codec: Id) -> Step<Object<'a>> {
        let latin1 = matches!(self.objects[codec].text(), Some("latin1" | "latin-1"));
        let Object::Text(text) = &self.objects[text] else {
            return Err(("a string to encode", self.objects[text].kind().to_owned()));
        };
        if !latin1 {
            return Err(("the codec latin1", self.objects[codec].kind().to_owned()));
        }
        // Each string is encoded once in honest files; without a bound, a short
        // program could copy one long string over and over.
        self.encoded += text.len();
        if self.encoded > self.bytes.len() {
            return Err(("strings within the size of the file", "the same one repeated".to_owned()));
        }
        let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let bytes = bytes.ok_or(("characters of latin1", "others".to_owned()))?;
        Ok(Object::Bytes(Cow::Owned(bytes)))
    }

    fn array(&self, shape: Id, dtype: Id, fortran: bool, data: Id) -> Step<Object<'a>> {
        let Object::Tuple(sides) = &self.objects[shape] else {
            return Err(("a shape", self.objects[shape].kind().to_owned()));
        };
        let shape = sides
            .iter()
            .map(|&side| match self.objects[side] {
                Object::Int(side) => usize::try_from(side).map_err(|_| ("a length", side.to_string())),
                ref other => Err(("a length", other.kind().to_owned())),
            })
            .collect::<Step<Vec<usize>>>()?;
        let Object::Dtype { size, .. } = self.objects[dtype] else {
            return Err(("a dtype", self.objects[dtype].kind().to_owned()));
        };
        let Object::Bytes(bytes) = &self.objects[data] else {
            return Err(("the bytes of an array", self.objects[data].kind().to_owned()));
        };
        let need = shape.iter().try_fold(size, |all, &side| all.checked_mul(side));
        if need != Some(bytes.len()) {
            let found = format!("{} for shape {shape:?} of {size}-byte items", bytes.len());
            return Err(("as many bytes as the shape says", found));
        }
        Ok(Object::Array { shape, dtype, fortran, data })
    }

    // __setstate__ of an array or a dtype.
    fn build(&mut self) -> Step<()> {
        let state = self.pop()?;
        let target = self.top()?;
        let Object::Tuple(state) = &self.objects[state] else {
            return Err(("a state to build from", self.objects[state].kind().to_owned()));
        };
        let built = match (&self.objects[target], state.as_slice()) {
            // (version, '<', …)
            (&Object::Dtype { kind, size, .. }, &[_, order, ..]) => {
                Object::Dtype { kind, size, big: self.objects[order].text() == Some(">") }
            }
            // (version, shape, dtype, is Fortran, data)
            (Object::Unbuilt, &[_, shape, dtype, fortran, data]) => {
                let fortran = match self.objects[fortran] {
                    Object::Bool(value) => value,
                    Object::Int(value) => value != 0,
                    ref other => return Err(("the order of an array", other.kind().to_owned())),
                };
                self.array(shape, dtype, fortran, data)?
            }
            (other, _) => return Err(("an array or dtype to build", other.kind().to_owned())),
        };
        self.objects[target] = built;
        Ok(())
    }
}

fn find_global(module: &str, name: &str) -> Step<Global> {
    Global::find(module, name)
        .ok_or_else(|| ("numpy arrays and plain data", format!("the function {module}.{name}")))
}

fn utf8(bytes: &[u8]) -> Step<&str> {
    std::str::from_utf8(bytes).map_err(|e| ("UTF-8", format!("{e}")))
}

fn decimal(digits: &[u8]) -> Step<i64> {
    utf8(digits)?.parse().map_err(|_| ("an integer of 64 bits", String::from_utf8_lossy(digits).into_owned()))
}

fn memo_index(digits: &[u8]) -> Step<u64> {
    u64::try_from(decimal(digits)?).map_err(|_| ("an index in the memo", "a negative number".to_owned()))
}

// 'text' or "text" with the escapes that Python's repr writes.
fn unquote(line: &[u8]) -> Step<Vec<u8>> {
    let wrong = || ("a quoted string", String::from_utf8_lossy(&line[..line.len().min(40)]).into_owned());
    let inner = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return Err(wrong()),
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(&c @ (b'\\' | b'\'' | b'"')) => c,
            Some(b'x') => {
                let mut hex = || (*rest.next()? as char).to_digit(16);
                match (hex(), hex()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(wrong()),
                }
            }
            _ => return Err(wrong()),
        });
    }
    Ok(out)
}

// Latin-1 with \uXXXX and \UXXXXXXXX.
fn raw_unicode(line: &[u8]) -> Step<String> {
    let mut out = String::with_capacity(line.len());
    let mut at = 0;
    while at < line.len() {
        let digits = match line[at..] {
            [b'\\', b'u', ..] => 4,
            [b'\\', b'U', ..] => 8,
            _ => {
                out.push(char::from(line[at]));
                at += 1;
                continue;
            }
        };
        let code = line.get(at + 2..at + 2 + digits).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        out.push(code.ok_or(("four or eight hexadecimal digits", "others".to_owned()))?);
        at += 2 + digits;
    }
    Ok(out)
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
        assert!(refusal(b"(ios\nsystem\n.").contains("0x69"));
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
        assert_eq!(fine.bytes2(fine.root()).unwrap(), Bytes2 { shape: (1, 3), data: b"abc"[..].into() });
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

    #[test]
    fn integers_of_every_width_and_order() {
        assert_eq!(integer(&[0xff], true, false), -1);
        assert_eq!(integer(&[0xff], false, false), 255);
        assert_eq!(integer(&[0x01, 0x80], true, false), -32767);
        assert_eq!(integer(&[0x01, 0x80], true, true), 384);
        assert_eq!(integer(&[0xff; 8], true, true), -1);
        assert_eq!(integer(&[0xff; 8], false, true), i64::MAX);
    }

    #[test]
    fn text_of_protocol_0() {
        assert_eq!(unquote(br#"'a\x00\n\'\\'"#).unwrap(), b"a\0\n'\\");
        for bad in [&b"abc"[..], b"'", b"'a\\", b"'\\x0'", b"'\\q'"] {
            assert!(unquote(bad).is_err(), "{bad:?}");
        }
        assert_eq!(raw_unicode(b"a\xe9\\u20ac\\U0001F600").unwrap(), "aé€😀");
        assert!(raw_unicode(b"\\u12").is_err() && raw_unicode(b"\\ud800").is_err());
    }

    // Asks for everything that could be in a pickle.
    fn use_all(bytes: &[u8]) {
        let Ok(p) = Pickle::read(bytes, "fuzz") else { return };
        for id in 0..p.objects.len() {
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
