//! The drawing surface: plotters over a buffer three times the size.
//!
//! plotters' own bitmap output has jagged thick lines, drops the left bearing
//! of every glyph and knows no sub- nor superscripts. [`Page`] is a plotters
//! backend that mends those two and leaves the rest to `BitMapBackend`.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};
use plotters::coord::Shift;
use plotters::element::{BitMapElement, Circle, PathElement, Polygon, Text};
use plotters::prelude::{BitMapBackend, DrawingArea, DrawingBackend, IntoDrawingArea};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind};

use super::png::Picture;
use crate::error::{Error, Result};

/// Drawn pixels per final pixel, in each direction.
const OVERSAMPLING: usize = 3;

/// Sets the next character as a subscript. A private-use character, so that
/// the underscore of a class name stays an underscore.
pub const SUB: char = '\u{F001}';

/// Height of a capital letter over the em, DejaVu Sans.
const CAP_HEIGHT: f64 = 0.729;

static REGULAR: LazyLock<FontRef<'static>> =
    LazyLock::new(|| embedded(include_bytes!("../../assets/fonts/DejaVuSans.subset.ttf")));
static BOLD: LazyLock<FontRef<'static>> =
    LazyLock::new(|| embedded(include_bytes!("../../assets/fonts/DejaVuSans-Bold.subset.ttf")));

fn embedded(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the embedded font is a TrueType font")
}

fn face(bold: bool) -> &'static FontRef<'static> {
    if bold { &BOLD } else { &REGULAR }
}

struct Placed {
    id: GlyphId,
    scale: PxScale,
    x: f32,
    y: f32,
}

/// Glyphs of one line, baseline at 0, with the advance of the whole.
/// `em` is in pixels of whatever grid the caller draws on.
fn lay_out(text: &str, em: f64, bold: bool) -> (Vec<Placed>, f64) {
    let font = face(bold);
    let scale_of = |em: f64| {
        let units = f64::from(font.units_per_em().unwrap_or(2048.0));
        PxScale::from((em * f64::from(font.height_unscaled()) / units) as f32)
    };
    let mut glyphs: Vec<Placed> = Vec::new();
    let (mut x, mut previous, mut sub) = (0.0f32, None, false);
    for c in text.chars().map(|c| if c.is_whitespace() && c != '\u{2009}' { ' ' } else { c }) {
        if c == SUB {
            (sub, previous) = (true, None);
            continue;
        }
        if c.is_control() {
            continue;
        }
        let (scale, drop) = if sub { (scale_of(0.7 * em), (0.18 * em) as f32) } else { (scale_of(em), 0.0) };
        let scaled = font.as_scaled(scale);
        let id = font.glyph_id(c);
        // A combining accent goes over the middle of the letter before it.
        if let ('\u{300}'..='\u{308}', Some(base)) = (c, glyphs.last()) {
            let middle = |g: &Placed| {
                let glyph = g.id.with_scale_and_position(g.scale, point(g.x, 0.0));
                font.outline_glyph(glyph).map(|o| 0.5 * (o.px_bounds().min.x + o.px_bounds().max.x))
            };
            let mut accent = Placed { id, scale: base.scale, x: 0.0, y: base.y };
            if let (Some(to), Some(from)) = (middle(base), middle(&accent)) {
                accent.x = to - from;
            }
            glyphs.push(accent);
            continue;
        }
        if let Some(p) = previous {
            x += scaled.kern(p, id);
        }
        glyphs.push(Placed { id, scale, x, y: drop });
        x += scaled.h_advance(id);
        previous = if sub { None } else { Some(id) };
        sub = false;
    }
    (glyphs, f64::from(x))
}

/// Width of one line of text in final pixels, for a font of `em` pixels.
pub fn text_width(text: &str, em: f64, bold: bool) -> f64 {
    lay_out(text, em, bold).1
}

/// A plotters backend over a borrowed RGB buffer.
pub struct Page<'a> {
    inner: BitMapBackend<'a>,
}

type Drawn<'a> = std::result::Result<(), DrawingErrorKind<<BitMapBackend<'a> as DrawingBackend>::ErrorType>>;

impl Page<'_> {
    /// Fills every pixel within `radius` of the segment, row by row: the shape
    /// is convex, so that each row of it is one stretch.
    fn capsule(&mut self, from: (f64, f64), to: (f64, f64), radius: f64, colour: BackendColor) -> Drawn<'_> {
        let (w, h) = self.inner.get_size();
        let low = (from.1.min(to.1) - radius).ceil().max(0.0) as i32;
        let high = (from.1.max(to.1) + radius).floor().min(f64::from(h) - 1.0) as i32;
        for y in low..=high {
            let (left, right) = capsule_row(from, to, radius, f64::from(y));
            let (left, right) = (left.ceil().max(0.0), right.floor().min(f64::from(w) - 1.0));
            if left <= right {
                self.inner.draw_line((left as i32, y), (right as i32, y), &colour)?;
            }
        }
        Ok(())
    }
}

/// Ends of the stretch of row `y` within `radius` of a segment; the first is
/// greater than the second where there is none.
fn capsule_row(from: (f64, f64), to: (f64, f64), radius: f64, y: f64) -> (f64, f64) {
    let mut stretch = (f64::INFINITY, f64::NEG_INFINITY);
    let mut include = |low: f64, high: f64| {
        if low <= high {
            stretch = (stretch.0.min(low), stretch.1.max(high));
        }
    };
    for end in [from, to] {
        let rest = radius * radius - (y - end.1).powi(2);
        if rest >= 0.0 {
            include(end.0 - rest.sqrt(), end.0 + rest.sqrt());
        }
    }
    // The straight part: 0 ≤ p·along ≤ length² and |p×along| ≤ radius·length,
    // with p = (x, y) − from, each an interval of x.
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (length2, py) = (dx * dx + dy * dy, y - from.1);
    let bounds = |slope: f64, offset: f64, low: f64, high: f64| {
        if slope == 0.0 {
            let inside = (low..=high).contains(&offset);
            return if inside { (f64::NEG_INFINITY, f64::INFINITY) } else { (1.0, 0.0) };
        }
        let (a, b) = ((low - offset) / slope, (high - offset) / slope);
        (a.min(b), a.max(b))
    };
    let along = bounds(dx, py * dy, 0.0, length2);
    let reach = radius * length2.sqrt();
    let across = bounds(-dy, py * dx, -reach, reach);
    let (low, high) = (along.0.max(across.0), along.1.min(across.1));
    if low.is_finite() && high.is_finite() {
        include(from.0 + low, from.0 + high);
    }
    stretch
}

impl<'a> DrawingBackend for Page<'a> {
    type ErrorType = <BitMapBackend<'a> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.inner.get_size()
    }

    fn ensure_prepared(&mut self) -> Drawn<'a> {
        self.inner.ensure_prepared()
    }

    fn present(&mut self) -> Drawn<'a> {
        self.inner.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, colour: BackendColor) -> Drawn<'a> {
        self.inner.draw_pixel(point, colour)
    }

    /// Round caps and joins. For opaque colours: pieces overlap.
    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn<'a> {
        // Short pieces keep the box around a slanted piece small.
        const PIECE: f64 = 48.0;
        let radius = 0.5 * f64::from(style.stroke_width());
        let mut points = path.into_iter().map(|(x, y)| (f64::from(x), f64::from(y)));
        let Some(mut from) = points.next() else { return Ok(()) };
        for to in points {
            let along = (to.0 - from.0, to.1 - from.1);
            let pieces = (along.0.hypot(along.1) / PIECE).ceil().max(1.0);
            let at = |i: f64| (from.0 + along.0 * i / pieces, from.1 + along.1 * i / pieces);
            for i in 0..pieces as usize {
                self.capsule(at(i as f64), at(i as f64 + 1.0), radius, style.color())?;
            }
            from = to;
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        _fill: bool,
    ) -> Drawn<'a> {
        let c = (f64::from(center.0), f64::from(center.1));
        self.capsule(c, c, f64::from(radius), style.color())
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, at: BackendCoord) -> Drawn<'a> {
        let bold = matches!(style.style(), FontStyle::Bold);
        let (glyphs, width) = lay_out(text, style.size(), bold);
        let Pos { h_pos, v_pos } = style.anchor();
        let left = match h_pos {
            HPos::Left => 0.0,
            HPos::Center => -0.5 * width,
            HPos::Right => -width,
        } as f32;
        let cap = CAP_HEIGHT * style.size();
        let baseline = match v_pos {
            VPos::Top => cap,
            VPos::Center => 0.5 * cap,
            VPos::Bottom => 0.0,
        } as f32;
        let (turn, colour) = (style.transform(), style.color());
        for g in glyphs {
            let glyph = g.id.with_scale_and_position(g.scale, point(left + g.x, baseline + g.y));
            let Some(outline) = face(bold).outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            let mut drawn = Ok(());
            outline.draw(|x, y, coverage| {
                if drawn.is_err() || coverage <= 0.0 {
                    return;
                }
                let (dx, dy) = turn.transform(corner.x as i32 + x as i32, corner.y as i32 + y as i32);
                let alpha = colour.alpha * f64::from(coverage.min(1.0));
                drawn =
                    self.inner.draw_pixel((at.0 + dx, at.1 + dy), BackendColor { alpha, rgb: colour.rgb });
            });
            drawn?;
        }
        Ok(())
    }

    fn blit_bitmap(&mut self, at: BackendCoord, size: (u32, u32), rgb: &[u8]) -> Drawn<'a> {
        self.inner.blit_bitmap(at, size, rgb)
    }
}

/// Which point of a text is put at the given place.
pub type Anchor = (HPos, VPos);

/// How a text is set.
#[derive(Clone, Copy, Debug)]
pub struct Lettering {
    /// Font size (em) in final pixels.
    pub em: f64,
    /// Ink.
    pub colour: RGBColor,
    /// Bold face.
    pub bold: bool,
    /// Reads upwards instead of to the right.
    pub upwards: bool,
}

/// A page to draw on. All coordinates, widths and sizes are in final pixels,
/// fractions welcome; y grows downwards.
pub struct Canvas<'a> {
    area: DrawingArea<Page<'a>, Shift>,
}

fn fine(v: f64) -> i32 {
    (v * OVERSAMPLING as f64).round() as i32
}

fn fine_width(v: f64) -> u32 {
    fine(v).max(1) as u32
}

impl Canvas<'_> {
    fn draw<'e, E>(&self, element: &'e E) -> Result<()>
    where
        &'e E: plotters::element::PointCollection<'e, (i32, i32)>,
        E: for<'p> plotters::element::Drawable<Page<'p>>,
    {
        self.area.draw(element).map_err(|e| Error::input("figure", "a drawing within its page", e))
    }

    /// A polyline of opaque `colour` with round joins; one point is a dot.
    ///
    /// # Errors
    /// [`Error::Input`] where plotters refuses; so for every method here.
    pub fn line(&self, points: &[(f64, f64)], colour: RGBColor, width: f64) -> Result<()> {
        let mut path: Vec<_> = points.iter().map(|&(x, y)| (fine(x), fine(y))).collect();
        if let [only] = path[..] {
            path.push(only);
        }
        self.draw(&PathElement::new(path, ShapeStyle::from(colour).stroke_width(fine_width(width))))
    }

    /// A polyline in dashes of `on` pixels with gaps of `off`.
    ///
    /// # Errors
    /// See [`Canvas::line`].
    pub fn dashes(
        &self,
        points: &[(f64, f64)],
        colour: RGBColor,
        width: f64,
        (on, off): (f64, f64),
    ) -> Result<()> {
        for dash in cut_into_dashes(points, on, off) {
            self.line(&dash, colour, width)?;
        }
        Ok(())
    }

    /// A filled disc.
    ///
    /// # Errors
    /// See [`Canvas::line`].
    pub fn dot(&self, (x, y): (f64, f64), radius: f64, colour: RGBColor) -> Result<()> {
        self.draw(&Circle::new((fine(x), fine(y)), fine_width(radius), ShapeStyle::from(colour).filled()))
    }

    /// A filled polygon.
    ///
    /// # Errors
    /// See [`Canvas::line`].
    pub fn polygon(&self, corners: &[(f64, f64)], colour: RGBColor) -> Result<()> {
        let corners: Vec<_> = corners.iter().map(|&(x, y)| (fine(x), fine(y))).collect();
        self.draw(&Polygon::new(corners, ShapeStyle::from(colour).filled()))
    }

    /// The outline of a rectangle, `width` thick, centred on its edge.
    ///
    /// # Errors
    /// See [`Canvas::line`].
    pub fn frame(&self, (x, y): (f64, f64), (w, h): (f64, f64), colour: RGBColor, width: f64) -> Result<()> {
        self.line(&[(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)], colour, width)
    }

    /// One line of text; [`SUB`] before a character lowers it, a combining
    /// accent sits on the letter before it.
    ///
    /// # Errors
    /// See [`Canvas::line`].
    pub fn text(&self, text: &str, (x, y): (f64, f64), anchor: Anchor, how: Lettering) -> Result<()> {
        // The family is a name only: Page sets the type itself.
        let weight = if how.bold { FontStyle::Bold } else { FontStyle::Normal };
        let turn = if how.upwards { FontTransform::Rotate270 } else { FontTransform::None };
        let font = FontDesc::new(FontFamily::SansSerif, how.em * OVERSAMPLING as f64, weight).transform(turn);
        let style = TextStyle::from(font).color(&how.colour).pos(Pos::new(anchor.0, anchor.1));
        self.draw(&Text::new(text, (fine(x), fine(y)), style))
    }

    /// Fills a rectangle with colours: `colour(u, v)` for u and v in (0, 1)
    /// from the left and from the top.
    ///
    /// # Errors
    /// See [`Canvas::line`].
    pub fn paint(
        &self,
        (x, y): (f64, f64),
        (w, h): (f64, f64),
        colour: impl Fn(f64, f64) -> RGBColor,
    ) -> Result<()> {
        let (left, top) = (fine(x), fine(y));
        let (columns, rows) = ((fine(x + w) - left).max(1), (fine(y + h) - top).max(1));
        let mut rgb = Vec::with_capacity(3 * (columns * rows) as usize);
        for r in 0..rows {
            let v = (f64::from(r) + 0.5) / f64::from(rows);
            for c in 0..columns {
                let RGBColor(red, green, blue) = colour((f64::from(c) + 0.5) / f64::from(columns), v);
                rgb.extend([red, green, blue]);
            }
        }
        match BitMapElement::<_>::with_owned_buffer((left, top), (columns as u32, rows as u32), rgb) {
            Some(bitmap) => self.draw(&bitmap),
            None => Ok(()),
        }
    }
}

/// Pieces of a polyline that are `on` long with `off` between them, along its
/// length; the first starts at its first point.
fn cut_into_dashes(points: &[(f64, f64)], on: f64, off: f64) -> Vec<Vec<(f64, f64)>> {
    let mut dashes = Vec::new();
    let Some(&first) = points.first() else { return dashes };
    let mut current = vec![first];
    let (mut inked, mut left) = (true, on);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let rest = (to.0 - from.0).hypot(to.1 - from.1);
            if rest <= left {
                left -= rest;
                if inked {
                    current.push(to);
                }
                break;
            }
            let t = left / rest;
            from = (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1));
            if inked {
                current.push(from);
                dashes.push(std::mem::take(&mut current));
            } else {
                current.push(from);
            }
            inked = !inked;
            left = if inked { on } else { off };
        }
    }
    if !current.is_empty() {
        dashes.push(current);
    }
    dashes
}

/// Averages blocks of `OVERSAMPLING`² pixels.
fn downsample(fine: &[u8], width: usize, height: usize) -> Vec<u8> {
    let stride = 3 * OVERSAMPLING * width;
    let mut rgb = Vec::with_capacity(3 * width * height);
    let count = (OVERSAMPLING * OVERSAMPLING) as u32;
    for rows in fine.chunks_exact(OVERSAMPLING * stride) {
        for x in 0..width {
            let mut sum = [0u32; 3];
            for row in rows.chunks_exact(stride) {
                for pixel in row[3 * OVERSAMPLING * x..][..3 * OVERSAMPLING].chunks_exact(3) {
                    for (s, &v) in sum.iter_mut().zip(pixel) {
                        *s += u32::from(v);
                    }
                }
            }
            rgb.extend(sum.map(|s| ((s + count / 2) / count) as u8));
        }
    }
    rgb
}

/// Draws on a white page of `width` × `height` final pixels.
///
/// # Errors
/// Those of `draw`, and [`Error::Input`] for a page too large to be a figure.
pub fn render(width: usize, height: usize, draw: impl FnOnce(&Canvas<'_>) -> Result<()>) -> Result<Picture> {
    const LARGEST: usize = 12_000_000;
    let area = width.saturating_mul(height);
    if area == 0 || area > LARGEST {
        let found = format!("{width} × {height}");
        return Err(Error::input("figure", format!("a page of 1 to {LARGEST} pixels"), found));
    }
    let (w, h) = (OVERSAMPLING * width, OVERSAMPLING * height);
    let mut buffer = vec![255; 3 * w * h];
    {
        let inner = BitMapBackend::with_buffer(&mut buffer, (w as u32, h as u32));
        let canvas = Canvas { area: Page { inner }.into_drawing_area() };
        draw(&canvas)?;
    }
    Ok(Picture { width, height, rgb: downsample(&buffer, width, height) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLACK: RGBColor = RGBColor(0, 0, 0);

    fn plain(em: f64) -> Lettering {
        Lettering { em, colour: BLACK, bold: false, upwards: false }
    }

    /// Rows and columns that hold ink: (left, top, right, bottom), inclusive.
    fn ink(picture: &Picture) -> Option<(usize, usize, usize, usize)> {
        let mut found: Option<(usize, usize, usize, usize)> = None;
        for y in 0..picture.height {
            for x in 0..picture.width {
                if picture.pixel(x, y) != [255; 3] {
                    let b = found.unwrap_or((x, y, x, y));
                    found = Some((b.0.min(x), b.1.min(y), b.2.max(x), b.3.max(y)));
                }
            }
        }
        found
    }

    #[test]
    fn average_of_blocks_by_hand() {
        // Two final pixels of one row: the left one has a red block row of 255
        // (3 of 9 subpixels), the right one a single blue subpixel of 200.
        let mut fine = vec![0u8; 3 * 6 * 3];
        for x in 0..3 {
            fine[3 * x] = 255;
        }
        fine[3 * (6 + 5) + 2] = 200;
        assert_eq!(downsample(&fine, 2, 1), [85, 0, 0, 0, 0, 22]);
    }

    #[test]
    fn every_sign_the_figures_need_is_in_the_font() {
        let signs = "AZaz09αλρΣσεηπ√·×−≤≥½²³ᵀûŵŷ⁰¹⁴⁵⁶⁷⁸⁹⁻⁺₀₁→…–—‖⟨⟩≈∞°ÄÖÜäöüßéñ\u{302}";
        for bold in [false, true] {
            for sign in signs.chars() {
                let id = face(bold).glyph_id(sign);
                assert_ne!(id.0, 0, "{sign} (bold: {bold})");
                assert!(face(bold).outline(id).is_some(), "{sign} (bold: {bold})");
            }
        }
    }

    #[test]
    fn text_is_set_where_it_is_asked_for() {
        let draw = |anchor, how| {
            let at = (100.0, 50.0);
            render(200, 100, |c| c.text("HEH", at, anchor, how)).unwrap()
        };
        let width = text_width("HEH", 24.0, false);
        let close =
            |found: usize, wanted: f64| assert!((found as f64 - wanted).abs() <= 2.0, "{found} {wanted}");
        // Side bearings of H are about a tenth of the em.
        let b = ink(&draw((HPos::Left, VPos::Bottom), plain(24.0))).unwrap();
        close(b.0, 100.0 + 0.098 * 24.0);
        close(b.2, 100.0 + width - 0.098 * 24.0);
        close(b.1, 50.0 - CAP_HEIGHT * 24.0);
        close(b.3, 50.0);
        let b = ink(&draw((HPos::Right, VPos::Top), plain(24.0))).unwrap();
        close(b.2, 100.0 - 0.098 * 24.0);
        close(b.1, 50.0);
        let b = ink(&draw((HPos::Center, VPos::Center), plain(24.0))).unwrap();
        close(b.0 + b.2, 200.0);
        close(b.1 + b.3, 100.0);
        // Reading upwards: as wide as it was high, its end on top.
        let b = ink(&draw((HPos::Left, VPos::Bottom), Lettering { upwards: true, ..plain(24.0) })).unwrap();
        close(b.3, 50.0 - 0.098 * 24.0);
        close(b.1, 50.0 - width + 0.098 * 24.0);
        close(b.2, 100.0);
        close(b.0, 100.0 - CAP_HEIGHT * 24.0);
    }

    #[test]
    fn type_is_kerned_and_accents_and_subscripts_take_their_places() {
        let width = |text: &str| text_width(text, 100.0, false);
        assert!(width("AV") < width("A") + width("V") - 2.0);
        assert!((width("v\u{302}") - width("v")).abs() < 1e-3, "an accent takes no room");
        assert!(width(&format!("a{SUB}α")) < width("aα") - 10.0, "a subscript is smaller");
        assert!((width("a\u{a0}b") - width("a b")).abs() < 1e-3);
        assert!((width("a\nb\u{7}") - width("a b")).abs() < 1e-3, "control characters take no room");

        let boxed = |text: &str| {
            ink(&render(100, 100, |c| c.text(text, (20.0, 70.0), (HPos::Left, VPos::Bottom), plain(60.0)))
                .unwrap())
            .unwrap()
        };
        let (bare, accented) = (boxed("v"), boxed("v\u{302}"));
        assert_eq!((bare.0, bare.2, bare.3), (accented.0, accented.2, accented.3));
        assert!(accented.1 + 5 < bare.1, "the accent stands above the letter");
        let lowered = boxed(&format!("{SUB}v"));
        assert!(lowered.3 > bare.3 + 5, "a subscript hangs below the baseline");
    }

    #[test]
    fn line_has_its_width_and_its_colour() {
        let red = RGBColor(200, 10, 20);
        let picture = render(60, 40, |c| c.line(&[(10.0, 20.0), (50.0, 20.0)], red, 6.0)).unwrap();
        assert_eq!(picture.pixel(30, 20), [200, 10, 20]);
        let inked = (0..40).filter(|&y| picture.pixel(30, y) == [200, 10, 20]).count();
        assert!((5..=6).contains(&inked), "{inked}");
        assert_eq!(picture.pixel(30, 10), [255; 3]);
        // A single point is a dot, no point is nothing.
        let dot = render(60, 40, |c| c.line(&[(30.0, 20.0)], red, 6.0)).unwrap();
        assert_eq!(dot.pixel(30, 20), [200, 10, 20]);
        assert_eq!(ink(&render(60, 40, |c| c.line(&[], red, 6.0)).unwrap()), None);
    }

    proptest! {
        #[test]
        fn rows_of_a_stroke_hold_the_pixels_near_it(
            (ax, ay) in (0i32..30, 0i32..30),
            (bx, by) in (0i32..30, 0i32..30),
            radius in 0.5f64..8.0,
        ) {
            let (from, to) = ((f64::from(ax), f64::from(ay)), (f64::from(bx), f64::from(by)));
            let along = (to.0 - from.0, to.1 - from.1);
            let length2 = along.0 * along.0 + along.1 * along.1;
            for y in -10..40 {
                let (left, right) = capsule_row(from, to, radius, f64::from(y));
                for x in -10..40 {
                    let p = (f64::from(x) - from.0, f64::from(y) - from.1);
                    let t = (p.0 * along.0 + p.1 * along.1) / length2.max(1.0);
                    let t = t.clamp(0.0, 1.0);
                    let distance = (p.0 - t * along.0).hypot(p.1 - t * along.1);
                    let inside = (left..=right).contains(&f64::from(x));
                    prop_assert!(inside == (distance <= radius) || (distance - radius).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn dashes_by_hand() {
        // 10 long around a corner: ink 0–3, gap 3–5, ink 5–8, gap 8–10.
        let path = [(0.0, 0.0), (6.0, 0.0), (6.0, 4.0)];
        let expected = [vec![(0.0, 0.0), (3.0, 0.0)], vec![(5.0, 0.0), (6.0, 0.0), (6.0, 2.0)]];
        assert_eq!(cut_into_dashes(&path, 3.0, 2.0)[..2], expected);
        assert!(cut_into_dashes(&[], 3.0, 2.0).is_empty());
        assert_eq!(cut_into_dashes(&[(1.0, 2.0)], 3.0, 2.0), [vec![(1.0, 2.0)]]);
    }

    #[test]
    fn polygon_is_filled_to_its_corners() {
        let corners = [(10.0, 10.0), (40.0, 10.0), (40.0, 30.0), (10.0, 30.0)];
        let picture = render(60, 40, |c| c.polygon(&corners, BLACK)).unwrap();
        let (left, top, right, bottom) = ink(&picture).unwrap();
        for (found, wanted) in [(left, 10), (top, 10), (right, 40), (bottom, 30)] {
            assert!(found.abs_diff(wanted) <= 1, "{found} {wanted}");
        }
        assert_eq!(picture.pixel(25, 20), [0, 0, 0]);
    }

    #[test]
    fn painted_rectangle_keeps_left_and_top() {
        let picture = render(30, 20, |c| {
            c.paint((4.0, 6.0), (20.0, 8.0), |u, v| RGBColor((u * 200.0) as u8, (v * 200.0) as u8, 0))
        })
        .unwrap();
        assert_eq!(ink(&picture), Some((4, 6, 23, 13)));
        let [left, top, _] = picture.pixel(4, 6);
        let [right, bottom, _] = picture.pixel(23, 13);
        assert!(left < 10 && right > 190 && top < 20 && bottom > 180);
        assert!(picture.pixel(23, 6)[0] > 190 && picture.pixel(23, 6)[1] < 20);
    }

    #[test]
    fn pages_that_are_no_figures_are_refused() {
        for (w, h) in [(0, 10), (10, 0), (100_000, 1000), (usize::MAX, 2)] {
            assert!(matches!(render(w, h, |_| Ok(())), Err(Error::Input { .. })), "{w} × {h}");
        }
    }
}
