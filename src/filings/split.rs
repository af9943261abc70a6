//! Splitting of what is too long for one segment, at the ends of sentences.

use std::sync::OnceLock;

use sentencize::Segmenter;

use super::element::Element;
use super::outline::Passage;
use super::segment::WORDS_MAX;
use super::words::count_words;

/// A stretch of one element's text.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// Index of the element.
    pub element: usize,
    /// First byte in the text.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Number of words.
    pub words: usize,
}

/// Pieces that become one segment.
pub struct Group {
    /// Index of the passage.
    pub passage: usize,
    /// Which part of the passage, and of how many.
    pub part: [usize; 2],
    /// The pieces, in order.
    pub pieces: Vec<Piece>,
}

impl Group {
    /// Counts the words of all pieces.
    pub fn words(&self) -> usize {
        self.pieces.iter().map(|piece| piece.words).sum()
    }
}

/// Splits a passage into groups of at most [`WORDS_MAX`] words, of about equal length, at ends of sentences.
pub fn split(elements: &[Element], index: usize, passage: &Passage) -> Vec<Group> {
    let whole: Vec<Piece> = (passage.first..passage.end)
        .map(|element| {
            let text = &elements[element].text;
            Piece { element, start: 0, end: text.len(), words: count_words(text) }
        })
        .collect();
    let total: usize = whole.iter().map(|piece| piece.words).sum();
    if total <= WORDS_MAX {
        return vec![Group { passage: index, part: [1, 1], pieces: whole }];
    }
    let sentences: Vec<Piece> = whole.iter().flat_map(|piece| sentences_of(elements, *piece)).collect();
    let mut parts = total.div_ceil(WORDS_MAX);
    let groups = loop {
        let groups = pack(&sentences, total, parts);
        // Sentences are not divisible: where equal shares do not fit, one part more is taken.
        let fits = groups.iter().all(|pieces| words_of(pieces) <= WORDS_MAX);
        if fits || parts >= sentences.len() {
            break groups;
        }
        parts += 1;
    };
    let count = groups.len();
    groups
        .into_iter()
        .enumerate()
        .map(|(part, pieces)| Group { passage: index, part: [part + 1, count], pieces: join(pieces) })
        .collect()
}

fn words_of(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| piece.words).sum()
}

/// Deals sentences out to `parts` groups of about equal length, in order.
fn pack(sentences: &[Piece], total: usize, parts: usize) -> Vec<Vec<Piece>> {
    let mut groups: Vec<Vec<Piece>> = Vec::with_capacity(parts);
    let mut current: Vec<Piece> = Vec::new();
    let mut dealt = 0;
    for sentence in sentences {
        let goal = total * (groups.len() + 1) / parts;
        let after = dealt + sentence.words;
        let overshoots = after > goal && after - goal > goal.saturating_sub(dealt);
        let is_full = words_of(&current) + sentence.words > WORDS_MAX;
        if !current.is_empty() && (is_full || (overshoots && groups.len() + 1 < parts)) {
            groups.push(std::mem::take(&mut current));
        }
        current.push(*sentence);
        dealt = after;
    }
    if !current.is_empty() {
        groups.push(current);
    }
    groups
}

/// Joins neighbouring pieces of one element.
fn join(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match joined.last_mut() {
            Some(last) if last.element == piece.element => {
                last.end = piece.end;
                last.words += piece.words;
            }
            _ => joined.push(piece),
        }
    }
    joined
}

/// Cuts a piece at the ends of its sentences; a sentence that alone is too long is cut after a fixed number of words.
fn sentences_of(elements: &[Element], piece: Piece) -> Vec<Piece> {
    static SEGMENTER: OnceLock<Segmenter> = OnceLock::new();
    let text = &elements[piece.element].text[piece.start..piece.end];
    let segmenter = SEGMENTER.get_or_init(Segmenter::default);
    let mut pieces = Vec::new();
    for (start, end) in segmenter.spans(text) {
        let words = count_words(&text[start..end]);
        let (start, end) = (piece.start + start, piece.start + end);
        if words <= WORDS_MAX {
            pieces.push(Piece { element: piece.element, start, end, words });
        } else {
            pieces.extend(cut_words(&elements[piece.element].text, piece.element, start, end));
        }
    }
    pieces
}

/// Cuts a text after every [`WORDS_MAX`] words: a list of names or an enumeration without a period.
fn cut_words(text: &str, element: usize, start: usize, end: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut from = start;
    let mut words = 0;
    let mut in_word = false;
    for (at, letter) in text[start..end].char_indices() {
        if letter.is_whitespace() {
            if in_word {
                words += 1;
                if words == WORDS_MAX / 2 {
                    pieces.push(Piece { element, start: from, end: start + at, words });
                    from = start + at + letter.len_utf8();
                    words = 0;
                }
            }
            in_word = false;
        } else {
            in_word = true;
        }
    }
    let rest = &text[from..end];
    if !rest.trim().is_empty() {
        pieces.push(Piece { element, start: from, end, words: count_words(rest) });
    }
    pieces
}
