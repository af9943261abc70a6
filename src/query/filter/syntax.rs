//! Tokens to a tree, which knows no names yet.
//!
//! The parser goes down into itself for what stands in parentheses and behind `not` only, and no deeper than [`DEPTH_MAX`].

use crate::error::Result;
use crate::query::filter::fault::{Span, fault};
use crate::query::filter::fields::shown;
use crate::query::filter::lexer::{Token, tokens};

/// As deep may parentheses and `not` stand in one another.
pub(crate) const DEPTH_MAX: usize = 64;
/// As many values may stand in a list.
pub(crate) const LIST_MAX: usize = 1_000;

/// An expression as written.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    /// A field alone, or a call: `git.dirty`, `has(f1)`, `used("data/x")`.
    Alone(Operand),
    Compare {
        field: Operand,
        sign: Sign,
        values: Vec<Literal>,
    },
}

/// What stands left of a comparison, or alone: names with `.` between them, and perhaps arguments.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub names: Vec<String>,
    pub arguments: Option<Vec<Argument>>,
    pub span: Span,
}

/// What stands in the parentheses of a call.
#[derive(Debug, Clone)]
pub(crate) enum Argument {
    Operand(Operand),
    Literal(Literal),
}

/// A value as written.
#[derive(Debug, Clone)]
pub(crate) struct Literal {
    pub text: String,
    /// Whether it stood in quotes.
    pub quoted: bool,
    /// What is added to a moment: `now - 7d`.
    pub shift: Option<(bool, String)>,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    NotLike,
    In,
    NotIn,
}

impl Sign {
    fn of(sign: &str) -> Option<Self> {
        Some(match sign {
            "=" | "==" => Sign::Equal,
            "!=" => Sign::NotEqual,
            "<" => Sign::Less,
            "<=" => Sign::LessOrEqual,
            ">" => Sign::Greater,
            ">=" => Sign::GreaterOrEqual,
            "~" => Sign::Like,
            "!~" => Sign::NotLike,
            _ => return None,
        })
    }
}

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Node> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0 };
    if parser.peek() == &Token::End {
        return Err(parser
            .wrong("the expression is empty")
            .hint("such as `f1_score >= 0.8 and kind = command`"));
    }
    let node = parser.alternatives()?;
    match parser.peek() {
        Token::End => Ok(node),
        _ => Err(parser.wrong("`and` or `or` is missing here")),
    }
}

/// Reads a field alone, as `--sort` and `--columns` name it.
pub(crate) fn parse_operand(text: &str) -> Result<Operand> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0 };
    let operand = parser.operand()?;
    match parser.peek() {
        Token::End => Ok(operand),
        _ => Err(parser.wrong("one field is wanted, and nothing behind it")),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    fn next(&mut self) -> (Token, Span) {
        let token = self.tokens[self.at].clone();
        // The end is never passed.
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn wrong(&self, message: impl Into<String>) -> crate::error::Error {
        fault(self.text, self.span(), message)
    }

    fn takes_sign(&mut self, wanted: &str) -> bool {
        let is_it = matches!(self.peek(), Token::Sign(sign) if *sign == wanted);
        if is_it {
            self.next();
        }
        is_it
    }

    fn is_word(&self, wanted: &str) -> bool {
        matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(wanted))
    }

    fn takes_word(&mut self, wanted: &str) -> bool {
        let is_it = self.is_word(wanted);
        if is_it {
            self.next();
        }
        is_it
    }

    fn alternatives(&mut self) -> Result<Node> {
        let mut nodes = vec![self.conjunction()?];
        while self.takes_word("or") {
            nodes.push(self.conjunction()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Or(nodes) })
    }

    fn conjunction(&mut self) -> Result<Node> {
        let mut nodes = vec![self.negation()?];
        while self.takes_word("and") {
            nodes.push(self.negation()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::And(nodes) })
    }

    fn negation(&mut self) -> Result<Node> {
        if !self.is_word("not") {
            return self.primary();
        }
        self.deeper()?;
        self.next();
        let inner = self.negation()?;
        self.depth -= 1;
        Ok(Node::Not(Box::new(inner)))
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(
                self.wrong(format!("parentheses and `not` stand more than {DEPTH_MAX} deep in one another"))
            );
        }
        Ok(())
    }

    fn primary(&mut self) -> Result<Node> {
        if matches!(self.peek(), Token::Sign("(")) {
            self.deeper()?;
            self.next();
            let inner = self.alternatives()?;
            if !self.takes_sign(")") {
                return Err(self.wrong("`)` is missing here"));
            }
            self.depth -= 1;
            return Ok(inner);
        }
        let field = self.operand()?;
        self.comparison(field)
    }

    fn comparison(&mut self, field: Operand) -> Result<Node> {
        if let Token::Sign(sign) = self.peek()
            && let Some(sign) = Sign::of(sign)
        {
            self.next();
            let values = vec![self.literal()?];
            return Ok(Node::Compare { field, sign, values });
        }
        let negated = self.is_word("not");
        let follows =
            if negated { self.tokens.get(self.at + 1).map(|(token, _)| token) } else { Some(self.peek()) };
        let is_in = matches!(follows, Some(Token::Word(word)) if word.eq_ignore_ascii_case("in"));
        if is_in {
            if negated {
                self.next();
            }
            self.next();
            let values = self.list()?;
            return Ok(Node::Compare { field, sign: if negated { Sign::NotIn } else { Sign::In }, values });
        }
        if self.is_word("like") {
            return Err(self
                .wrong("`like` means nothing here")
                .hint("patterns are written as `name ~ \"train*\"`"));
        }
        if self.is_word("is") {
            return Err(self
                .wrong("`is` means nothing here")
                .hint("`has(…)` and `not has(…)` ask whether there is a value"));
        }
        Ok(Node::Alone(field))
    }

    fn list(&mut self) -> Result<Vec<Literal>> {
        if !self.takes_sign("(") {
            return Err(self.wrong("`in` wants a list").hint("such as `stage in (staging, production)`"));
        }
        let mut values = vec![self.literal()?];
        while self.takes_sign(",") {
            if values.len() == LIST_MAX {
                return Err(self.wrong(format!("the list has more than {LIST_MAX} values")));
            }
            values.push(self.literal()?);
        }
        if !self.takes_sign(")") {
            return Err(self.wrong("`)` or `,` is missing here"));
        }
        Ok(values)
    }

    fn operand(&mut self) -> Result<Operand> {
        let (token, mut span) = (self.peek().clone(), self.span());
        let Token::Word(first) = token else {
            if let Token::Quoted(name) = &token {
                let name = shown(name);
                return Err(self.wrong("a field is wanted here, not a text").hint(format!(
                    "`metric.\"{name}\"` is the metric of that name, `param.\"{name}\"` the parameter"
                )));
            }
            return Err(self.wrong(match token {
                Token::End => "something is missing here".to_owned(),
                Token::Sign(sign) => format!("a field is wanted here, not `{sign}`"),
                _ => "a field is wanted here, not a value".to_owned(),
            }));
        };
        if ["and", "or", "in"].iter().any(|word| first.eq_ignore_ascii_case(word)) {
            return Err(self.wrong(format!("a field is wanted here, not `{first}`")));
        }
        self.next();
        let mut names = vec![first];
        while self.takes_sign(".") {
            let (token, part) = self.next();
            match token {
                Token::Word(name) | Token::Quoted(name) | Token::Digits(name) => names.push(name),
                _ => return Err(fault(self.text, part, "a name is missing behind `.`")),
            }
            span = span.to(part);
        }
        let arguments =
            if matches!(self.peek(), Token::Sign("(")) { Some(self.arguments(&mut span)?) } else { None };
        Ok(Operand { names, arguments, span })
    }

    fn arguments(&mut self, span: &mut Span) -> Result<Vec<Argument>> {
        self.deeper()?;
        self.next();
        let mut arguments = Vec::new();
        while !matches!(self.peek(), Token::Sign(")")) {
            if !arguments.is_empty() && !self.takes_sign(",") {
                return Err(self.wrong("`)` is missing here"));
            }
            arguments.push(match self.peek() {
                Token::Word(_) => Argument::Operand(self.operand()?),
                _ => Argument::Literal(self.literal()?),
            });
        }
        let (_, end) = self.next();
        *span = span.to(end);
        self.depth -= 1;
        Ok(arguments)
    }

    fn literal(&mut self) -> Result<Literal> {
        let (token, span) = self.next();
        let plain = |text: String, quoted: bool, span| Literal { text, quoted, shift: None, span };
        match token {
            Token::Quoted(text) => Ok(plain(text, true, span)),
            Token::Digits(text) => Ok(plain(text, false, span)),
            Token::Sign("-") => match self.next() {
                (Token::Digits(text), end) => Ok(plain(format!("-{text}"), false, span.to(end))),
                (_, end) => Err(fault(self.text, end, "a number is missing behind `-`")),
            },
            Token::Word(word) if ["now", "today"].contains(&word.as_str()) => {
                let mut literal = plain(word, false, span);
                let back = matches!(self.peek(), Token::Sign("-"));
                if back || matches!(self.peek(), Token::Sign("+")) {
                    self.next();
                    let (Token::Digits(length), end) = self.next() else {
                        return Err(self
                            .wrong("a length of time is missing here")
                            .hint("such as `now - 7d`"));
                    };
                    literal.shift = Some((back, length));
                    literal.span = span.to(end);
                }
                Ok(literal)
            }
            Token::Word(word) => {
                if ["and", "or", "not", "in"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) {
                    return Err(fault(self.text, span, format!("a value is wanted here, not `{word}`"))
                        .hint("a text that is also a word of the language stands in quotes"));
                }
                // `refs/heads/x` is no word, `feature.x` is one.
                let mut literal = plain(word, false, span);
                while matches!(self.peek(), Token::Sign("." | "-")) && self.span().start == literal.span.end {
                    let (Token::Sign(sign), _) = self.next() else { break };
                    let (Token::Word(part) | Token::Digits(part), end) = self.next() else {
                        return Err(self
                            .wrong("a value breaks off here")
                            .hint("texts with signs in them stand in quotes"));
                    };
                    literal.text.push_str(sign);
                    literal.text.push_str(&part);
                    literal.span = literal.span.to(end);
                }
                Ok(literal)
            }
            Token::Sign("(") => {
                Err(fault(self.text, span, "one value is wanted here").hint("lists stand behind `in`"))
            }
            Token::Sign(sign) => Err(fault(self.text, span, format!("a value is wanted here, not `{sign}`"))),
            Token::End => Err(fault(self.text, span, "a value is missing here")),
        }
    }
}
