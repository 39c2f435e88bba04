//! Tensors as views of the bytes of a file.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Data, Dtype, NamedTensor, StateDict, shape_text, volume};
use crate::disk::extent::{Extent, most, most_text};
use crate::disk::input::Input;
use crate::error::Result;

/// A tensor as a view of some stored bytes; [`View::new`] has checked it.
#[derive(Debug)]
pub struct View {
    /// Index of the extent with its numbers.
    pub extent: usize,
    dtype: Dtype,
    // In numbers, from the start of the extent.
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl View {
    /// Numbers of `shape` at `strides` from `offset` on, among `available` ones;
    /// else what was expected and what was found.
    pub fn new(
        extent: usize,
        dtype: Dtype,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
        available: usize,
    ) -> std::result::Result<Self, (String, String)> {
        let impossible = || ("a tensor that can exist".to_owned(), format!("shape {}", shape_text(&shape)));
        if strides.len() != shape.len() {
            let expected = format!("a stride for each axis of shape {}", shape_text(&shape));
            return Err((expected, format!("strides {}", shape_text(&strides))));
        }
        let count = volume(&shape).filter(|n| n.checked_mul(8).is_some()).ok_or_else(impossible)?;
        if count > 0 {
            let last = shape
                .iter()
                .zip(&strides)
                .try_fold(offset, |last, (side, stride)| last.checked_add((side - 1).checked_mul(*stride)?));
            if last.is_none_or(|last| last >= available) {
                let expected = format!("numbers among the {available} of its storage");
                let [shape, strides] = [&shape, &strides].map(|list| shape_text(list));
                return Err((expected, format!("shape {shape} at strides {strides} from {offset} on")));
            }
        }
        Ok(Self { extent, dtype, offset, shape, strides })
    }

    /// How many axes.
    pub fn axes(&self) -> usize {
        self.shape.len()
    }

    fn count(&self) -> usize {
        self.shape.iter().product()
    }

    fn bytes(&self) -> u64 {
        self.count() as u64 * self.dtype.size() as u64
    }

    // The numbers lie one after another.
    fn contiguous(&self) -> bool {
        let mut step = 1;
        self.count() == 0
            || self.shape.iter().zip(&self.strides).rev().all(|(&side, &stride)| {
                let fits = side == 1 || stride == step;
                step *= side;
                fits
            })
    }

    /// Its numbers row by row, from the bytes of its extent.
    pub fn gather(&self, bytes: &[u8]) -> Data {
        let size = self.dtype.size();
        let count = self.count();
        if self.contiguous() {
            let bytes = if count == 0 { &[] } else { &bytes[self.offset * size..][..count * size] };
            return Data::from_le_bytes(self.dtype, bytes);
        }
        let mut data = Data::with_capacity(self.dtype, count);
        let (&inner, outer) = self.shape.split_last().expect("one number is contiguous");
        let (&stride, strides) = self.strides.split_last().expect("a stride for each axis");
        let mut row = vec![0; inner.min(ROW) * size];
        let mut place = vec![0; outer.len()];
        let mut start = self.offset;
        loop {
            for from in (0..inner).step_by(ROW) {
                let part = &mut row[..(inner - from).min(ROW) * size];
                for (i, out) in part.chunks_exact_mut(size).enumerate() {
                    out.copy_from_slice(&bytes[(start + (from + i) * stride) * size..][..size]);
                }
                data.extend_le_bytes(part);
            }
            // The next row: a counter with a digit for each axis. Between rows its
            // place may lie beyond all numbers.
            let more = (0..outer.len()).rev().any(|axis| {
                place[axis] += 1;
                start = start.wrapping_add(strides[axis]);
                let more = place[axis] < outer[axis];
                if !more {
                    start = start.wrapping_sub(strides[axis].wrapping_mul(outer[axis]));
                    place[axis] = 0;
                }
                more
            });
            if !more {
                return data;
            }
        }
    }
}

// Numbers of a row that are gathered at a time.
const ROW: usize = 1 << 12;

/// Reads the numbers of all `tensors` from `extents`, which have names for errors;
/// every extent is read once.
pub fn tensors(
    input: &mut Input,
    extents: &[(String, Extent)],
    tensors: Vec<(String, View)>,
) -> Result<StateDict> {
    let mut uses: HashMap<usize, usize> = HashMap::new();
    let mut made = 0u64;
    for (_, view) in tensors.iter().filter(|(_, view)| view.count() > 0) {
        *uses.entry(view.extent).or_default() += 1;
        made = made.saturating_add(view.bytes());
    }
    let read: u64 = uses.keys().map(|&extent| extents[extent].1.size).fold(0, u64::saturating_add);
    let most = most(input.size());
    if made.max(read) > most {
        let found = format!("{} bytes in {} tensors", made.max(read), tensors.len());
        return Err(input.wrong(most_text(input.size()), found));
    }
    let mut shared: HashMap<usize, Rc<Vec<u8>>> = HashMap::new();
    let mut dict = StateDict::new();
    for (name, view) in tensors {
        let data = if view.count() == 0 {
            Data::with_capacity(view.dtype, 0)
        } else {
            let left = uses.get_mut(&view.extent).expect("it was counted");
            let first = !shared.contains_key(&view.extent);
            *left -= 1;
            let (place, extent) = &extents[view.extent];
            if *left == 0 && first && view.contiguous() && view.bytes() == extent.size {
                // Straight to its place.
                extent.read(input, place, |source| Data::read_le(view.dtype, view.count(), source))?
            } else {
                let bytes = match shared.get(&view.extent) {
                    Some(bytes) => Rc::clone(bytes),
                    None => Rc::new(extent.bytes(input, place)?),
                };
                if *left > 0 {
                    shared.insert(view.extent, Rc::clone(&bytes));
                } else {
                    shared.remove(&view.extent);
                }
                view.gather(&bytes)
            }
        };
        dict.push(NamedTensor::new(name, view.shape, data)?)?;
    }
    Ok(dict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn view(shape: &[usize], strides: &[usize], offset: usize, available: usize) -> Result<View, String> {
        View::new(0, Dtype::I16, offset, shape.to_vec(), strides.to_vec(), available)
            .map_err(|(_, found)| found)
    }

    fn gathered(shape: &[usize], strides: &[usize], offset: usize) -> Vec<i16> {
        let bytes: Vec<u8> = (0..100i16).flat_map(i16::to_le_bytes).collect();
        match view(shape, strides, offset, 100).unwrap().gather(&bytes) {
            Data::I16(numbers) => numbers,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn views_by_hand() {
        assert_eq!(gathered(&[2, 3], &[3, 1], 5), [5, 6, 7, 8, 9, 10]);
        assert_eq!(gathered(&[3, 2], &[1, 3], 0), [0, 3, 1, 4, 2, 5]);
        assert_eq!(gathered(&[2, 2, 2], &[50, 0, 7], 1), [1, 8, 1, 8, 51, 58, 51, 58]);
        assert_eq!(gathered(&[], &[], 99), [99]);
        assert!(gathered(&[2, 0], &[usize::MAX, 5], usize::MAX).is_empty());
        // Of an axis with one number the stride says nothing.
        assert_eq!(gathered(&[1, 2], &[usize::MAX, 1], 3), [3, 4]);
        assert_eq!(gathered(&[2, 1, 2], &[4, usize::MAX, 2], 0), [0, 2, 4, 6]);
    }

    #[test]
    fn views_beyond_their_storage_are_refused() {
        assert!(view(&[100], &[1], 0, 100).is_ok() && view(&[3], &[33], 33, 100).is_ok());
        for (shape, strides, offset) in [
            (&[101][..], &[1][..], 0),
            (&[100], &[1], 1),
            (&[3], &[50], 0),
            (&[], &[], 100),
            (&[2, 2], &[usize::MAX, usize::MAX], 2),
            (&[usize::MAX], &[1], 0),
            (&[1 << 40, 1 << 40], &[0, 0], 0),
            (&[2], &[], 0),
        ] {
            assert!(view(shape, strides, offset, 100).is_err(), "{shape:?} {strides:?} {offset}");
        }
    }

    proptest! {
        #[test]
        fn views_are_what_the_formula_says(
            axes in prop::collection::vec((1usize..5, 0usize..12), 0..5),
            offset in 0usize..20,
        ) {
            let (shape, strides): (Vec<_>, Vec<_>) = axes.into_iter().unzip();
            let last = offset + shape.iter().zip(&strides).map(|(n, s)| (n - 1) * s).sum::<usize>();
            prop_assert_eq!(view(&shape, &strides, offset, 100).is_ok(), last < 100);
            if last < 100 {
                let index = |mut i: usize| {
                    let mut at = offset;
                    for (side, stride) in shape.iter().zip(&strides).rev() {
                        at += i % side * stride;
                        i /= side;
                    }
                    at as i16
                };
                let naive: Vec<i16> = (0..shape.iter().product()).map(index).collect();
                prop_assert_eq!(gathered(&shape, &strides, offset), naive);
            }
        }
    }
}
