//! Text that goes into Markdown and must stay text.

use crate::model::is_unsafe_to_print;

/// Escapes text for a line of Markdown or a cell of a table: it is shown as it is, whatever it holds, on one line.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|' | '~' => {
                out.push('\\');
                out.push(character);
            }
            '\n' | '\r' | '\t' => out.push(' '),
            _ if is_unsafe_to_print(character) => {
                let code = u32::from(character);
                out.push_str(&format!("\\\\u{{{code:x}}}"));
            }
            _ => out.push(character),
        }
    }
    out
}

/// Writes text as code, for a line of Markdown or a cell of a table.
pub fn code(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let (mut longest, mut ticks) = (0, 0);
    for character in text.chars() {
        ticks = if character == '`' { ticks + 1 } else { 0 };
        longest = longest.max(ticks);
        match character {
            // In a table a pipe ends the cell even in code, unless it is escaped (GitHub Flavored Markdown, example 200).
            '|' => plain.push_str("\\|"),
            _ if is_unsafe_to_print(character) => plain.extend(character.escape_default()),
            _ => plain.push(character),
        }
    }
    if plain.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest + 1);
    let pad = if plain.starts_with(['`', ' ']) || plain.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{plain}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_markup() {
        assert_eq!(
            escaped("a|b <script> [x](y) *z*\n# h"),
            "a\\|b &lt;script&gt; \\[x\\]\\(y\\) \\*z\\* \\# h"
        );
        assert_eq!(escaped("\u{1b}[31m"), "\\\\u{1b}\\[31m");
    }

    #[test]
    fn code_is_fenced_by_more_ticks_than_it_holds() {
        assert_eq!(code("a_b.txt"), "`a_b.txt`");
        assert_eq!(code("a`b|c"), "``a`b\\|c``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a\nb"), "`a\\nb`");
    }
}
