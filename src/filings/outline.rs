//! Headings inside a section: which elements are categories, which begin a risk factor, learned from the section's own typography.

use std::collections::HashMap;

use super::element::{Element, ElementKind, Style};
use super::locate::one_line;
use super::words::{count_words, is_capitals};

/// How a heading is set; headings set alike have the same rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Setting {
    flags: u8,
    half_points: u8,
    is_capitals: bool,
    is_inline: bool,
}

/// A heading at the beginning of an element.
#[derive(Debug, Clone, Copy)]
struct Lead {
    setting: Setting,
    /// Where the heading's text ends in the element.
    end: usize,
    words: usize,
    ends_sentence: bool,
}

/// A part of a section: a heading with what stands below it up to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Headings above, outermost first.
    pub ancestors: Vec<String>,
    /// The heading of the risk factor; `None` for text directly below a category.
    pub title: Option<String>,
    /// Index of the first element.
    pub first: usize,
    /// One past the last element.
    pub end: usize,
}

/// Cuts the elements of a cleaned section into passages.
pub fn passages(elements: &[Element]) -> Vec<Passage> {
    let leads: Vec<Option<Lead>> = elements.iter().map(lead).collect();
    let roles = learn(elements, &leads);
    let mut passages: Vec<Passage> = Vec::new();
    let mut above: Vec<(Setting, String)> = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        let role = leads[index].and_then(|lead| roles.get(&lead.setting).map(|role| (lead, *role)));
        match role {
            Some((lead, Role::Category)) => {
                if let Some(same) = above.iter().position(|(setting, _)| *setting == lead.setting) {
                    above.truncate(same);
                }
                above.push((lead.setting, one_line(&element.text[..lead.end])));
                passages.push(Passage {
                    ancestors: names(&above),
                    title: None,
                    first: index,
                    end: index + 1,
                });
            }
            Some((lead, Role::Risk)) => {
                // Two such headings in a row are one heading set in two paragraphs.
                if let Some(last) = passages.last_mut()
                    && last.title.is_some()
                    && last.end == index
                    && last.first + 1 == index
                    && is_whole(&leads[last.first])
                    && !leads[last.first].is_some_and(|before| before.ends_sentence)
                    && !lead.setting.is_inline
                {
                    last.end = index + 1;
                    let more = one_line(&element.text[..lead.end]);
                    last.title = last.title.take().map(|title| format!("{title} {more}"));
                    continue;
                }
                let title = Some(one_line(&element.text[..lead.end]));
                passages.push(Passage {
                    ancestors: names(&above),
                    title,
                    first: index,
                    end: index + 1,
                });
            }
            _ => match passages.last_mut() {
                Some(last) => last.end = index + 1,
                None => passages.push(Passage {
                    ancestors: Vec::new(),
                    title: None,
                    first: index,
                    end: index + 1,
                }),
            },
        }
    }
    passages
}

fn names(above: &[(Setting, String)]) -> Vec<String> {
    above.iter().map(|(_, name)| name.clone()).collect()
}

fn is_whole(lead: &Option<Lead>) -> bool {
    lead.is_some_and(|lead| !lead.setting.is_inline)
}

/// Flags that tell headings apart; a link or its colour does not.
const SETTING_FLAGS: u8 = Style::BOLD | Style::ITALIC | Style::UNDERLINE | Style::CENTER | Style::COLOR;

/// Finds the heading at the beginning of an element.
fn lead(element: &Element) -> Option<Lead> {
    if !matches!(element.kind, ElementKind::TextElement | ElementKind::TitleElement) {
        return None;
    }
    let text = element.text.as_str();
    let first = text.len() - text.trim_start_matches(is_bullet).len();
    if first >= text.len() {
        return None;
    }
    let mut style = element.style_at(first);
    if style.has(Style::LINK) {
        style.flags &= !Style::COLOR;
    }
    let is_set_off = style.is_emphasized() || (style.has(Style::COLOR)) || style.half_points > 0;
    let run_end = if is_set_off {
        emphasis_end(element, first, style)
    } else {
        first
    };
    let is_all = text[run_end..]
        .trim_matches(|c: char| !c.is_alphanumeric())
        .is_empty();
    let capitals = is_capitals(text) && text.chars().filter(|c| c.is_alphabetic()).count() > 3;
    let flags = style.flags & SETTING_FLAGS;
    if (is_set_off && is_all) || (capitals && count_words(text) <= CAPITALS_WORDS_MAX) {
        let setting = Setting {
            flags,
            half_points: style.half_points,
            is_capitals: capitals,
            is_inline: false,
        };
        return whole_lead(text, setting);
    }
    let head = text[first..run_end].trim();
    if !is_set_off
        || !(style.is_emphasized())
        || count_words(head) < 1
        || head.len() < 3
        || count_words(head) > LEAD_WORDS_MAX
    {
        return None;
    }
    let setting = Setting {
        flags: flags & !Style::CENTER,
        half_points: style.half_points,
        is_capitals: is_capitals(head),
        is_inline: true,
    };
    let ends_sentence = head.ends_with(['.', ':', '?', '!', '—', '–', ';'])
        || text[run_end..]
            .trim_start()
            .starts_with(['.', '—', '–', ':', '-']);
    ends_sentence.then_some(Lead {
        setting,
        end: run_end,
        words: count_words(head),
        ends_sentence,
    })
}

/// A heading in capitals is no longer than this.
const CAPITALS_WORDS_MAX: usize = 60;
/// A risk factor's heading may take several sentences, but not more words than this.
const LEAD_WORDS_MAX: usize = 120;

fn whole_lead(text: &str, setting: Setting) -> Option<Lead> {
    let words = count_words(text);
    let has_letters = text.chars().any(char::is_alphabetic);
    let ends_sentence = text.trim_end().ends_with(['.', '?', '!', '”', '"']);
    (has_letters && words <= LEAD_WORDS_MAX).then_some(Lead {
        setting,
        end: text.len(),
        words,
        ends_sentence,
    })
}

/// Bullets and numbers before a heading are not part of its typography.
fn is_bullet(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(
            letter,
            '•' | '·' | '▪' | '●' | '■' | '◦' | '–' | '—' | '-' | '*' | '○' | 'Ø' | '➢' | '§'
        )
}

/// Returns where the emphasis that begins at `first` ends; gaps without letters do not end it.
fn emphasis_end(element: &Element, first: usize, style: Style) -> usize {
    const KEPT: u8 = Style::BOLD | Style::ITALIC | Style::UNDERLINE;
    let mut end = first;
    for run in &element.runs {
        if run.1 as usize <= end {
            continue;
        }
        let gap = element.text.get(end..(run.0 as usize).max(end)).unwrap_or("");
        let is_alike = run.2.flags & KEPT & style.flags != 0 || (style.flags & KEPT == 0 && run.2 == style);
        if gap.chars().any(char::is_alphanumeric) || !is_alike {
            break;
        }
        end = run.1 as usize;
    }
    if element.text.is_char_boundary(end) {
        end
    } else {
        first
    }
}

/// What headings of one setting do in this section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Category,
    Risk,
}

/// What was seen of one setting.
#[derive(Default)]
struct Seen {
    count: usize,
    words: usize,
    sentences: usize,
    /// Followed at once by a heading of another setting.
    before_heading: usize,
    /// Followed by text, or holding it.
    before_text: usize,
}

/// Learns the role of each setting from all its headings in the section.
fn learn(elements: &[Element], leads: &[Option<Lead>]) -> HashMap<Setting, Role> {
    let mut seen: HashMap<Setting, Seen> = HashMap::new();
    for (index, lead) in leads.iter().enumerate() {
        let Some(lead) = lead else { continue };
        let entry = seen.entry(lead.setting).or_default();
        entry.count += 1;
        entry.words += lead.words;
        entry.sentences += usize::from(lead.ends_sentence);
        if lead.setting.is_inline {
            entry.before_text += 1;
            continue;
        }
        match leads.get(index + 1) {
            Some(Some(next)) if next.setting != lead.setting => entry.before_heading += 1,
            Some(_) => entry.before_text += 1,
            None => {}
        }
    }
    let mut roles = HashMap::new();
    let strongest_text = seen.values().map(|seen| seen.before_text).max().unwrap_or(0);
    for (setting, seen) in &seen {
        let mean_words = seen.words as f32 / seen.count as f32;
        let is_sentence_like = seen.sentences * 2 >= seen.count && mean_words >= 6.0;
        let leads_headings = seen.before_heading * 2 >= seen.count && seen.before_heading > 0;
        let role = if setting.is_inline {
            // Emphasis inside of paragraphs is a heading where the section does it again and again.
            if seen.count < 2 { continue } else { Role::Risk }
        } else if leads_headings && !is_sentence_like {
            Role::Category
        } else if is_sentence_like || mean_words >= 9.0 || seen.before_text == strongest_text {
            Role::Risk
        } else if seen.count == 1 && mean_words < 9.0 {
            Role::Category
        } else {
            Role::Risk
        };
        roles.insert(*setting, role);
    }
    demote_inline(elements, leads, &seen, &mut roles);
    roles
}

/// Where whole paragraphs are the headings, emphasis at the beginning of paragraphs below them is no heading of the same rank.
fn demote_inline(
    elements: &[Element],
    leads: &[Option<Lead>],
    seen: &HashMap<Setting, Seen>,
    roles: &mut HashMap<Setting, Role>,
) {
    let whole_risks: usize = roles
        .iter()
        .filter(|(setting, role)| !setting.is_inline && **role == Role::Risk)
        .map(|(setting, _)| seen[setting].count)
        .sum();
    let paragraphs = elements.len().max(1);
    let _ = leads;
    roles.retain(|setting, _| {
        !setting.is_inline
            || whole_risks * 12 < paragraphs
            || seen[setting].count * 2 >= whole_risks.max(1) && whole_risks < 5
    });
}
