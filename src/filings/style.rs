//! Typography of inline HTML: what tags and `style` attributes do to bold, italic, underline, size, alignment and colour.

use super::element::Style;

/// What a tag changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    set: u8,
    clear: u8,
    half_points: Option<u8>,
    /// The element is not shown (`display:none`).
    pub hidden: bool,
    /// The element begins on a new page.
    pub page_break: bool,
    /// The element is shown as a block of its own although its tag is inline.
    pub block: bool,
    /// The element is shown inline although its tag is a block.
    pub inline: bool,
}

impl Change {
    /// Returns a change that sets `flags`.
    pub fn setting(flags: u8) -> Self {
        Change { set: flags, ..Change::default() }
    }

    /// Returns a change that clears `flags`.
    pub fn clearing(flags: u8) -> Self {
        Change { clear: flags, ..Change::default() }
    }

    /// Applies the change to `style`.
    pub fn apply(self, style: Style) -> Style {
        Style {
            flags: (style.flags & !self.clear) | self.set,
            half_points: self.half_points.unwrap_or(style.half_points),
        }
    }

    /// Joins `later`, which wins where both speak.
    pub fn and(self, later: Change) -> Change {
        Change {
            set: (self.set & !later.clear) | later.set,
            clear: (self.clear & !later.set) | later.clear,
            half_points: later.half_points.or(self.half_points),
            hidden: self.hidden || later.hidden,
            page_break: self.page_break || later.page_break,
            block: self.block || later.block,
            inline: self.inline || later.inline,
        }
    }

    fn set_to(&mut self, flag: u8, on: bool) {
        let (add, remove) =
            if on { (&mut self.set, &mut self.clear) } else { (&mut self.clear, &mut self.set) };
        *add |= flag;
        *remove &= !flag;
    }
}

/// Reads a `style` attribute.
pub fn parse_style(css: &[u8]) -> Change {
    let mut change = Change::default();
    for declaration in css.split(|byte| *byte == b';') {
        let Some(colon) = memchr::memchr(b':', declaration) else {
            continue;
        };
        let name = declaration[..colon].trim_ascii();
        let value = declaration[colon + 1..].trim_ascii();
        parse_declaration(&mut change, name, value);
    }
    change
}

fn parse_declaration(change: &mut Change, name: &[u8], value: &[u8]) {
    let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
    let begins =
        |text: &str| value.get(..text.len()).is_some_and(|v| v.eq_ignore_ascii_case(text.as_bytes()));
    match name.first().map(u8::to_ascii_lowercase) {
        Some(b'f') if is("font-weight") => {
            let weight = std::str::from_utf8(value).ok().and_then(|v| v.parse::<u16>().ok());
            change.set_to(Style::BOLD, begins("bold") || weight.is_some_and(|weight| weight >= 600));
        }
        Some(b'f') if is("font-style") => {
            change.set_to(Style::ITALIC, begins("italic") || begins("oblique"));
        }
        Some(b'f') if is("font-size") => change.half_points = parse_size(value).or(change.half_points),
        Some(b'f') if is("font") => parse_font(change, value),
        Some(b't') if is("text-decoration") || is("text-decoration-line") => {
            if contains(value, b"underline") {
                change.set_to(Style::UNDERLINE, true);
            } else if begins("none") {
                change.set_to(Style::UNDERLINE, false);
            }
        }
        Some(b't') if is("text-align") => {
            change.set_to(Style::CENTER, begins("center") || begins("-moz-center"));
        }
        Some(b'c') if is("color") => change.set_to(Style::COLOR, !is_black(value)),
        Some(b'd') if is("display") => {
            change.hidden |= begins("none");
            change.block |= begins("block") || begins("table");
            change.inline |= begins("inline");
        }
        Some(b'v') if is("visibility") => change.hidden |= begins("hidden"),
        Some(b'p') if is("page-break-before") || is("page-break-after") => {
            change.page_break |= begins("always");
        }
        Some(b'b') if is("break-before") || is("break-after") => change.page_break |= begins("page"),
        _ => {}
    }
}

/// Reads the shorthand `font: italic bold 10pt/12pt Times`.
fn parse_font(change: &mut Change, value: &[u8]) {
    for word in value.split(u8::is_ascii_whitespace) {
        match word.to_ascii_lowercase().as_slice() {
            b"bold" | b"bolder" | b"600" | b"700" | b"800" | b"900" => change.set_to(Style::BOLD, true),
            b"italic" | b"oblique" => change.set_to(Style::ITALIC, true),
            other => {
                let size = other.split(|byte| *byte == b'/').next().unwrap_or(other);
                change.half_points = change.half_points.or(parse_size(size));
            }
        }
    }
}

/// Reads a length in points or pixels as half points; other units say nothing.
fn parse_size(value: &[u8]) -> Option<u8> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let number: f32 = std::str::from_utf8(&value[..digits]).ok()?.parse().ok()?;
    let unit = &value[digits..];
    let unit = unit.get(..2).unwrap_or(unit);
    let points = if unit.eq_ignore_ascii_case(b"pt") {
        number
    } else if unit.eq_ignore_ascii_case(b"px") {
        number * 0.75
    } else {
        return None;
    };
    (points > 0.0).then(|| (points * 2.0).round().min(255.0) as u8)
}

/// Returns the half points of `<font size=…>`, by the table of the HTML standard.
pub fn font_size(value: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let number: i32 = text.trim_start_matches('+').parse().ok()?;
    let size = if text.starts_with(['+', '-']) { 3 + number } else { number };
    Some([15, 15, 20, 24, 27, 36, 48, 72][size.clamp(0, 7) as usize])
}

/// Returns the change of `<font size=…>`.
pub fn font_change(size: &[u8]) -> Change {
    Change { half_points: font_size(size), ..Change::default() }
}

fn is_black(value: &[u8]) -> bool {
    let value = value.to_ascii_lowercase();
    matches!(value.as_slice(), b"black" | b"windowtext" | b"inherit" | b"auto" | b"initial" | b"transparent")
        || (value.starts_with(b"#") && value[1..].iter().all(|byte| *byte == b'0'))
        || value.strip_prefix(b"#").is_some_and(is_dark_grey)
        || value.starts_with(b"rgb(0,0,0")
        || value.starts_with(b"rgb(0, 0, 0")
}

/// Letters such as `#231f20` are printers' black.
fn is_dark_grey(hex: &[u8]) -> bool {
    hex.len() == 6 && hex.iter().step_by(2).all(|digit| matches!(digit, b'0'..=b'3'))
}

fn contains(value: &[u8], part: &[u8]) -> bool {
    value.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// Remembers the `style` attributes of a document, of which there are few different ones.
pub struct StyleCache<'a> {
    slots: Vec<(&'a [u8], Change)>,
}

impl<'a> StyleCache<'a> {
    /// Begins empty.
    pub fn new() -> Self {
        StyleCache { slots: vec![(&[], Change::default()); SLOTS] }
    }

    /// Returns the change that `css` makes.
    pub fn get(&mut self, css: &'a [u8]) -> Change {
        if css.is_empty() {
            return Change::default();
        }
        let slot = &mut self.slots[slot_of(css)];
        if slot.0 != css {
            *slot = (css, parse_style(css));
        }
        slot.1
    }
}

/// Number of places in the cache: a power of two well above the number of different styles in a filing.
const SLOTS: usize = 1024;

/// Mixes the length and samples of eight bytes: enough to tell generated styles apart, and quicker than a full hash.
fn slot_of(css: &[u8]) -> usize {
    let mix = |hash: u64, eight: [u8; 8]| {
        (hash.rotate_left(5) ^ u64::from_le_bytes(eight)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    };
    let len = css.len();
    let mut hash = len as u64;
    match len.checked_sub(8) {
        Some(last) => {
            for at in [0, len / 3, len / 2, len.saturating_sub(24), len.saturating_sub(12)] {
                let eight = css[at.min(last)..].first_chunk().expect("eight bytes are left there");
                hash = mix(hash, *eight);
            }
        }
        None => {
            let mut eight = [0; 8];
            eight[..len].copy_from_slice(css);
            hash = mix(hash, eight);
        }
    }
    (hash >> 48) as usize & (SLOTS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(css: &str, style: &str) {
        assert_eq!(String::from(parse_style(css.as_bytes()).apply(Style::default())), style, "{css}");
    }

    #[test]
    fn styles_are_read_as_browsers_read_them() {
        check("font-weight:bold", "b");
        check("FONT-WEIGHT: 700; font-style: Italic", "bi");
        check("font-weight:400;text-decoration:underline;text-align:center", "uc");
        check("font: italic bold 10pt/12pt Times New Roman", "bi10");
        check("font-size:13.5px;color:#0068b5", "k10");
        check("color:#000000;color:rgb(0,0,0);font-weight", "");
        assert!(parse_style(b"display: none").hidden && parse_style(b"page-break-before:always").page_break);
        let bold = Style { flags: Style::BOLD, half_points: 0 };
        assert_eq!(parse_style(b"font-weight:normal").apply(bold), Style::default());
        assert_eq!(String::from(Style::from("bi10.5".to_string())), "bi10.5");
    }
}
