//! Which axes of an array of images are channels, rows and columns.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The order of the axes of arrays with four, or what images that are rows of numbers hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AxisOrder {
    /// Images, channels, rows, columns.
    Nchw,
    /// Images, rows, columns, channels.
    Nhwc,
    /// Each image is a row of numbers, of so many channels, rows and columns.
    Flat {
        /// Channels, rows and columns.
        shape: [usize; 3],
        /// Whether the channels of a pixel stand side by side.
        by_pixel: bool,
    },
}

impl FromStr for AxisOrder {
    type Err = Error;

    /// `nchw`, `nhwc`, `HxW`, `CxHxW` or `HxWxC`, where C is at most 4.
    fn from_str(text: &str) -> Result<Self> {
        let sides: Option<Vec<usize>> = text.split('x').map(|side| side.parse().ok()).collect();
        match (text, sides.as_deref()) {
            ("nchw", _) => Ok(Self::Nchw),
            ("nhwc", _) => Ok(Self::Nhwc),
            (_, Some(&[h, w])) if h > 0 && w > 0 => Ok(Self::Flat { shape: [1, h, w], by_pixel: false }),
            (_, Some(&[c @ 1..=MOST_CHANNELS, h, w])) if h > 0 && w > 0 && suits(c) >= suits(w) => {
                Ok(Self::Flat { shape: [c, h, w], by_pixel: false })
            }
            (_, Some(&[h, w, c @ 1..=MOST_CHANNELS])) if h > 0 && w > 0 => {
                Ok(Self::Flat { shape: [c, h, w], by_pixel: true })
            }
            _ => {
                let expected = "nchw or nhwc, or of rows of numbers HxW, CxHxW or HxWxC";
                Err(Error::input("--layout", expected, format_args!("`{text}`")))
            }
        }
    }
}

impl std::fmt::Display for AxisOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nchw => f.write_str("nchw"),
            Self::Nhwc => f.write_str("nhwc"),
            Self::Flat { shape: [c, h, w], by_pixel: true } => write!(f, "{h}x{w}x{c}"),
            Self::Flat { shape: [1, h, w], .. } => write!(f, "{h}x{w}"),
            Self::Flat { shape: [c, h, w], .. } => write!(f, "{c}x{h}x{w}"),
        }
    }
}

impl TryFrom<String> for AxisOrder {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<AxisOrder> for String {
    fn from(order: AxisOrder) -> Self {
        order.to_string()
    }
}

/// What was decided about an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes {
    /// Which axis holds the channels, where one does; the rows; the columns.
    pub places: (Option<usize>, usize, usize),
    /// Channels that are read.
    pub channels: usize,
    /// What was decided, where it could have been meant otherwise.
    pub notes: Vec<String>,
}

/// More are taken for rows, columns or slices.
pub(super) const MOST_CHANNELS: usize = 4;

/// The axes of an array of this shape, from (N, H, W), (N, C, H, W) or (N, H, W, C). `said` is what its user
/// says; without it, the axis that can be one of channels is (1 and 3 before 2 and 4, the second axis
/// before the last). A fourth channel of `whole` numbers is alpha, and left out.
///
/// # Errors
/// For other numbers of axes, and for four where neither or none can be channels; `place` names the array.
pub fn of(place: &str, shape: &[usize], whole: bool, said: Option<AxisOrder>) -> Result<Axes> {
    let wrong = |expected: &str| Err(Error::input(place, expected, format!("{shape:?}")));
    if let Some(AxisOrder::Flat { .. }) = said {
        return wrong("rows of numbers (N, d), as --layout says");
    }
    let &[_, second, third, last] = shape else {
        return match shape {
            [_, _, _] if said.is_none() => Ok(Axes { places: (None, 1, 2), channels: 1, notes: Vec::new() }),
            _ if said.is_some() => wrong("four axes, as --layout says"),
            _ => wrong("shape (N, H, W), (N, C, H, W) or (N, H, W, C)"),
        };
    };
    let mut notes = Vec::new();
    let layout = match (said, suits(second), suits(last)) {
        (Some(said), ..) => said,
        (None, 0, 0) => {
            return wrong(
                "1 to 4 channels, on the second or the last of four axes (--layout nchw or nhwc for more)",
            );
        }
        (None, first, second) => {
            let taken = if first >= second { AxisOrder::Nchw } else { AxisOrder::Nhwc };
            if first > 0 && second > 0 {
                let (read, other) = match taken {
                    AxisOrder::Nhwc => ("rows, columns, channels", "--layout nchw"),
                    _ => ("channels, rows, columns", "--layout nhwc"),
                };
                notes.push(format!(
                    "{place} {shape:?} is read as images, {read} ({other} reads it the other way)"
                ));
            }
            taken
        }
    };
    let (places, channels, sides) = match layout {
        AxisOrder::Nhwc => ((Some(3), 1, 2), last, [second, third]),
        AxisOrder::Nchw | AxisOrder::Flat { .. } => ((Some(1), 2, 3), second, [third, last]),
    };
    let alpha = whole && channels == MOST_CHANNELS;
    if alpha {
        let [h, w] = sides;
        notes.push(format!("the fourth channel of {place} ({h}×{w}) is taken for alpha, and left out"));
    }
    Ok(Axes { places, channels: if alpha { 3 } else { channels }, notes })
}

// How well a length suits channels.
fn suits(length: usize) -> u8 {
    match length {
        1 | 3 => 2,
        2 | MOST_CHANNELS => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_found_by_their_number() {
        let read =
            |shape: &[usize]| of("X", shape, false, None).map(|a| (a.places, a.channels, a.notes.len()));
        let (first, last) = ((Some(1), 2, 3), (Some(3), 1, 2));
        for (shape, places, channels, notes) in [
            (&[9, 28, 28][..], (None, 1, 2), 1, 0),
            (&[9, 3, 20, 20], first, 3, 0),
            (&[9, 20, 20, 3], last, 3, 0),
            (&[9, 1, 20, 20], first, 1, 0),
            (&[9, 20, 20, 4], last, 4, 0),
            (&[9, 2, 20, 20], first, 2, 0),
            // Both could be: 1 and 3 before 2 and 4, the second before the last.
            (&[9, 2, 20, 3], last, 3, 1),
            (&[9, 3, 20, 3], first, 3, 1),
            (&[9, 3, 3, 3], first, 3, 1),
            (&[9, 4, 5, 2], first, 4, 1),
        ] {
            assert_eq!(read(shape).unwrap(), (places, channels, notes), "{shape:?}");
        }
        for shape in [&[9, 28, 28, 28][..], &[9, 5, 20, 20], &[9, 0, 20, 20]] {
            let text = read(shape).unwrap_err().to_string();
            assert!(text.contains("--layout") && text.contains(&format!("{shape:?}")), "{text}");
        }
        for shape in [&[9, 28][..], &[9, 1, 2, 3, 4], &[9], &[]] {
            assert!(read(shape).unwrap_err().to_string().contains("(N, H, W)"), "{shape:?}");
        }
    }

    #[test]
    fn what_is_said_counts_and_fourth_channels_of_whole_numbers_are_alpha() {
        let said = |shape: &[usize], layout| of("X", shape, true, Some(layout));
        let volume = said(&[9, 28, 28, 28], AxisOrder::Nchw).unwrap();
        assert_eq!((volume.places, volume.channels, volume.notes.len()), ((Some(1), 2, 3), 28, 0));
        assert_eq!(said(&[9, 3, 20, 3], AxisOrder::Nhwc).unwrap().places, (Some(3), 1, 2));
        assert!(said(&[9, 28, 28], AxisOrder::Nhwc).unwrap_err().to_string().contains("--layout"));
        let rgba = of("X", &[9, 20, 20, 4], true, None).unwrap();
        assert_eq!((rgba.channels, rgba.notes.len()), (3, 1));
        assert!(rgba.notes[0].contains("alpha"));
    }

    #[test]
    fn layouts_are_read_and_written() {
        for text in ["nchw", "nhwc", "28x20", "3x32x30", "32x30x3", "3x4x3", "4x16x3", "3x16x4"] {
            assert_eq!(text.parse::<AxisOrder>().unwrap().to_string(), text);
        }
        let by_pixel = AxisOrder::Flat { shape: [3, 32, 30], by_pixel: true };
        assert_eq!("32x30x3".parse::<AxisOrder>().unwrap(), by_pixel);
        for text in ["", "28", "0x28", "28x28x28", "2x2x2x2", "axb", "NCHW"] {
            assert!(text.parse::<AxisOrder>().unwrap_err().to_string().contains("HxW"), "{text}");
        }
        let flat = of("X", &[9, 3, 28, 28], true, Some("28x28".parse().unwrap())).unwrap_err().to_string();
        assert!(flat.contains("rows of numbers (N, d)"), "{flat}");
    }
}
