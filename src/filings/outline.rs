//! Headings inside a section: which elements are categories, which begin a risk factor, learned from the section's own typography.

use std::collections::{HashMap, HashSet};

use super::element::{Element, ElementKind, Style};
use super::locate::one_line;
use super::words::{count_words, is_capitals, key};

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
        let title = leads[index].map(|lead| heading_text(element, lead));
        let begun = Passage { ancestors: names(&above), title: None, first: index, end: index + 1 };
        match (leads[index], roles[index], title) {
            (Some(lead), Some(Role::Category), Some(title)) => {
                if let Some(same) = above.iter().position(|(setting, _)| *setting == lead.setting) {
                    above.truncate(same);
                } else if above.last().is_some_and(|(_, name)| is_sibling(elements, &passages, name, &title))
                {
                    above.pop();
                }
                above.push((lead.setting, title));
                passages.push(Passage { ancestors: names(&above), ..begun });
            }
            (Some(lead), Some(Role::Risk), Some(title)) => match passages.last_mut() {
                Some(last) if continues(elements, &leads, last, index, lead) => {
                    last.end = index + 1;
                    last.title = last.title.take().map(|before| format!("{before} {title}"));
                }
                _ => passages.push(Passage { title: Some(title), ..begun }),
            },
            _ => match passages.last_mut() {
                Some(last) => last.end = index + 1,
                None => passages.push(begun),
            },
        }
    }
    untitle_introduction(&mut passages, &leads);
    passages
}

/// Takes the title from an emphasized introduction: a paragraph before the first category, with nothing below it.
fn untitle_introduction(passages: &mut [Passage], leads: &[Option<Lead>]) {
    let is_introduction = match passages {
        [first, second, ..] => {
            first.end == first.first + 1
                && first.ancestors.is_empty()
                && leads[first.first].is_some_and(|lead| !lead.setting.is_inline && lead.ends_sentence)
                && second.title.is_none()
                && !second.ancestors.is_empty()
        }
        _ => false,
    };
    if is_introduction {
        passages[0].title = None;
    }
}

/// Tells whether a category in a new setting stands beside the category above it and not below.
///
/// Filers change their typography half-way. A category below another follows it at once; one that comes after risk factors
/// of the other, or after a long text of its own, is its equal.
fn is_sibling(elements: &[Element], passages: &[Passage], above: &str, title: &str) -> bool {
    let Some(last) = passages.last() else { return false };
    let words =
        || elements[last.first..last.end].iter().map(|element| count_words(&element.text)).sum::<usize>();
    match last.title {
        Some(_) => names_risks(above) && names_risks(title),
        None => words() >= OWN_TEXT_WORDS_MIN,
    }
}

/// A category's introduction is shorter than this.
const OWN_TEXT_WORDS_MIN: usize = 120;

/// Tells whether the heading at `index` goes on with the heading that is all of `last`: one heading set in two paragraphs.
fn continues(elements: &[Element], leads: &[Option<Lead>], last: &Passage, index: usize, lead: Lead) -> bool {
    let Some(before) = leads[last.first] else {
        return false;
    };
    last.title.is_some()
        && last.end == index
        && last.first + 1 == index
        && before.setting == lead.setting
        && !before.setting.is_inline
        && !before.ends_sentence
        && elements[index].text.starts_with(char::is_lowercase)
}

/// Returns the text of a heading without bullet and line breaks.
fn heading_text(element: &Element, lead: Lead) -> String {
    one_line(element.text[..lead.end].trim_start_matches(is_bullet))
}

fn names(above: &[(Setting, String)]) -> Vec<String> {
    above.iter().map(|(_, name)| name.clone()).collect()
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
    let run_end = if is_set_off { emphasis_end(element, first, style) } else { first };
    let is_all = text[run_end..].trim_matches(|c: char| !c.is_alphanumeric()).is_empty();
    let capitals = is_capitals(text) && text.chars().filter(|c| c.is_alphabetic()).count() > 3;
    let flags = style.flags & SETTING_FLAGS;
    if (is_set_off && is_all) || (capitals && count_words(text) <= CAPITALS_WORDS_MAX) {
        let setting =
            Setting { flags, half_points: style.half_points, is_capitals: capitals, is_inline: false };
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
        || text[run_end..].trim_start().starts_with(['.', '—', '–', ':', '-']);
    ends_sentence.then_some(Lead { setting, end: run_end, words: count_words(head), ends_sentence })
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
        || matches!(letter, '•' | '·' | '▪' | '●' | '■' | '◦' | '–' | '—' | '-' | '*' | '○' | 'Ø' | '➢' | '§')
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
    if element.text.is_char_boundary(end) { end } else { first }
}

/// What a heading does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It stands above risk factors.
    Category,
    /// It begins a risk factor.
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
    /// Named like a category ("Risks Related to Our Business").
    named: usize,
}

/// Decides the role of each heading: by its setting, learned from all headings of the section, then by its own place.
fn learn(elements: &[Element], leads: &[Option<Lead>]) -> Vec<Option<Role>> {
    let by_setting = learn_settings(elements, leads);
    let mut roles: Vec<Option<Role>> =
        leads.iter().map(|lead| lead.and_then(|lead| by_setting.get(&lead.setting).copied())).collect();
    let mut categories: HashSet<String> = HashSet::new();
    for index in 0..leads.len() {
        let (Some(lead), Some(Role::Risk)) = (leads[index], roles[index]) else {
            continue;
        };
        let next_is_heading = leads.get(index + 1).copied().flatten().is_some_and(|next| {
            roles[index + 1].is_some()
                && (next.ends_sentence || next.words > lead.words || next.setting != lead.setting)
        });
        // A label on top of another heading is no risk factor, even where both are set alike.
        let is_label = !lead.setting.is_inline && !lead.ends_sentence && lead.words <= LABEL_WORDS_MAX;
        if is_label && next_is_heading && !elements[index + 1].text.starts_with(char::is_lowercase) {
            roles[index] = Some(Role::Category);
            categories.insert(key(&heading_text(&elements[index], lead)));
        }
    }
    for index in 0..leads.len() {
        if let (Some(lead), Some(Role::Risk)) = (leads[index], roles[index])
            && lead.words <= LABEL_WORDS_MAX
            && categories.contains(&key(&heading_text(&elements[index], lead)))
        {
            roles[index] = Some(Role::Category);
        }
    }
    roles
}

/// The name of a category has no more words than this.
const LABEL_WORDS_MAX: usize = 16;

/// Learns what the headings of each setting do in this section; settings that are no headings are left out.
fn learn_settings(elements: &[Element], leads: &[Option<Lead>]) -> HashMap<Setting, Role> {
    let mut seen: HashMap<Setting, Seen> = HashMap::new();
    for (index, lead) in leads.iter().enumerate() {
        let Some(lead) = lead else { continue };
        let entry = seen.entry(lead.setting).or_default();
        entry.count += 1;
        entry.words += lead.words;
        entry.sentences += usize::from(lead.ends_sentence);
        entry.named += usize::from(names_risks(&heading_text(&elements[index], *lead)));
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
    let whole_risks: usize = seen
        .iter()
        .filter(|(setting, seen)| !setting.is_inline && seen.before_text * 2 > seen.count)
        .map(|(_, seen)| seen.count)
        .sum();
    seen.iter()
        .filter_map(|(setting, of_setting)| {
            let role = role_of(setting, of_setting, &seen)?;
            // Where whole paragraphs are the headings, emphasis at the beginning of paragraphs below them is only emphasis.
            let is_below = setting.is_inline
                && whole_risks * 12 >= elements.len().max(1)
                && of_setting.count < whole_risks * 2;
            (!is_below).then_some((*setting, role))
        })
        .collect()
}

fn role_of(setting: &Setting, seen: &Seen, all: &HashMap<Setting, Seen>) -> Option<Role> {
    let mean_words = seen.words as f32 / seen.count as f32;
    let is_sentence_like = seen.sentences * 2 >= seen.count && mean_words >= 6.0;
    let is_named = seen.named * 2 > seen.count;
    let others =
        all.iter().filter(|(other, _)| *other != setting).map(|(_, seen)| seen.count).max().unwrap_or(0);
    if setting.is_inline {
        // Emphasis inside of paragraphs is a heading where the section does it again and again.
        return match seen.count {
            1 if !is_named => None,
            _ if is_named && others > seen.count => Some(Role::Category),
            _ => Some(Role::Risk),
        };
    }
    let leads_headings = seen.before_heading * 2 >= seen.count && seen.before_heading > 0;
    let most_text = all.values().map(|seen| seen.before_text).max().unwrap_or(0);
    let is_category = (leads_headings && !is_sentence_like)
        || (is_named && others > seen.count)
        || (seen.count == 1 && mean_words < 9.0 && !is_sentence_like && seen.before_text != most_text);
    Some(if is_category { Role::Category } else { Role::Risk })
}

/// Tells whether a heading is worded like the name of a group of risks and not like a risk.
fn names_risks(heading: &str) -> bool {
    let words: Vec<String> = heading
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else {
        return false;
    };
    let is_risk = |word: &str| matches!(word, "risk" | "risks");
    let ends_in_risk =
        is_risk(last) || (last == "factors" && words.len() > 1 && is_risk(&words[words.len() - 2]));
    let is_statement =
        matches!(first.as_str(), "we" | "our" | "the" | "there" | "it" | "if" | "you" | "a" | "an");
    words.len() <= LABEL_WORDS_MAX && (is_risk(first) || (ends_in_risk && words.len() <= 8 && !is_statement))
}
