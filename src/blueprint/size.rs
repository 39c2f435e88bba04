//! Sizes in pixels, as configurations have them: `full`, `32`, `24x32`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, Result};

/// Height and width: `32` or `24x32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Height.
    pub h: usize,
    /// Width.
    pub w: usize,
}

impl FromStr for Size {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let (h, w) = text.split_once('x').unwrap_or((text, text));
        match (h.trim().parse(), w.trim().parse()) {
            (Ok(h), Ok(w)) if (1..=4096).contains(&h) && (1..=4096).contains(&w) => Ok(Self { h, w }),
            _ => Err(Error::input("size", "`N` or `HxW`, each 1 to 4096", format_args!("`{text}`"))),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}x{}", self.h, self.w)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a size such as 32 or \"24x32\"")
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> std::result::Result<Size, E> {
                self.visit_str(&v.to_string())
            }
            fn visit_str<E: de::Error>(self, v: &str) -> std::result::Result<Size, E> {
                v.parse().map_err(E::custom)
            }
        }
        d.deserialize_any(Visitor)
    }
}

/// Size of convolution kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// That of the images.
    Full,
    /// Fixed.
    Fixed(Size),
}

impl Kernel {
    /// (height, width) on images of size `full`.
    pub fn size(self, full: (usize, usize)) -> (usize, usize) {
        match self {
            Kernel::Full => full,
            Kernel::Fixed(s) => (s.h, s.w),
        }
    }
}

impl FromStr for Kernel {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        if text == "full" { Ok(Kernel::Full) } else { text.parse().map(Kernel::Fixed) }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Kernel::Full => f.write_str("full"),
            Kernel::Fixed(size) => size.fmt(f),
        }
    }
}

impl Serialize for Kernel {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Kernel {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Kernel;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("\"full\" or a size such as 5 or \"5x3\"")
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> std::result::Result<Kernel, E> {
                self.visit_str(&v.to_string())
            }
            fn visit_str<E: de::Error>(self, v: &str) -> std::result::Result<Kernel, E> {
                v.parse().map_err(E::custom)
            }
        }
        d.deserialize_any(Visitor)
    }
}
