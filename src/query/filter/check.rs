//! A tree of names to a tree of fields and tests, each comparison checked for its sort.

use crate::error::Result;
use crate::model::{Evidence, Timestamp, check_version};
use crate::query::filter::fault::{Place, Span, fault, meant};
use crate::query::filter::fields::{Field, Fixed, Names, Sort, Subject, shown};
use crate::query::filter::syntax::{Argument, Literal, Node, Operand, Sign, parse};
use crate::query::filter::value::{Relation, Test, length_of, number_of, pattern, whole_of};
use crate::store::Snapshot;

/// A checked expression.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Compare(Comparison),
    Has(Field),
    /// A question on files, by its number in the filter.
    Files(usize),
    /// A question on history, by its number in the filter.
    Contains(usize),
}

/// A field, and tests of which one must be passed, or none.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub field: Field,
    pub negated: bool,
    pub tests: Vec<Test>,
    /// Where it stands.
    pub place: Place,
}

/// What is asked about files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileRelation {
    Used,
    Generated,
    TrainedOn,
}

impl FileRelation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            FileRelation::Used => "used",
            FileRelation::Generated => "generated",
            FileRelation::TrainedOn => "trained_on",
        }
    }
}

/// A question on files.
#[derive(Debug, Clone)]
pub(crate) struct FileQuestion {
    pub relation: FileRelation,
    pub word: String,
    /// What is known less surely does not count.
    pub weakest: Evidence,
    pub place: Place,
}

impl FileQuestion {
    /// Writes it as the language has it.
    pub(crate) fn text(&self) -> String {
        let weakest = match SURENESS.iter().find(|(_, evidence)| *evidence == self.weakest) {
            Some((word, _)) => format!(", {word}"),
            None => String::new(),
        };
        format!("{}({:?}{weakest})", self.relation.as_str(), self.word)
    }
}

/// How surely what answers a question on files must be known, at the least; without a word, all counts: also what files that steps
/// read and wrote on may have carried.
const SURENESS: [(&str, Evidence); 4] = [
    ("observed", Evidence::Observed),
    ("declared", Evidence::Declared),
    ("inferred", Evidence::Inferred),
    ("doubtful", Evidence::Doubtful),
];

/// A checked filter and the questions in it.
#[derive(Debug)]
pub(crate) struct Checked {
    pub expr: Expr,
    pub files: Vec<FileQuestion>,
    /// Commits that are asked about, and where they stand.
    pub commits: Vec<(String, Place)>,
}

/// From here on, 2^53, whole numbers are compared as such: floating-point numbers leave some of them out.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// As many questions on files, and on commits, may stand in one filter.
const QUESTIONS_MAX: usize = 100;

/// Reads and checks expressions of which all must be true, each by itself: what one says cannot change what another means. `None`
/// where there are none.
pub(crate) fn check(
    snapshot: &Snapshot,
    subject: Subject,
    texts: &[String],
    now: Timestamp,
) -> Result<Option<Checked>> {
    let mut exprs = Vec::with_capacity(texts.len());
    let (mut files, mut commits) = (Vec::new(), Vec::new());
    for (number, text) in texts.iter().enumerate() {
        let names = Names { snapshot, subject, text };
        let mut checker = Checker { names: &names, number, now, files, commits };
        exprs.push(checker.node(&parse(text)?)?);
        (files, commits) = (checker.files, checker.commits);
    }
    let expr = match exprs.len() {
        0 => return Ok(None),
        1 => exprs.remove(0),
        _ => Expr::And(exprs),
    };
    Ok(Some(Checked { expr, files, commits }))
}

/// Checks a tree, which is no deeper than the parser let it be.
struct Checker<'a> {
    names: &'a Names<'a>,
    /// The number of the expression.
    number: usize,
    now: Timestamp,
    files: Vec<FileQuestion>,
    commits: Vec<(String, Place)>,
}

impl Checker<'_> {
    fn wrong(&self, span: Span, message: impl Into<String>) -> crate::error::Error {
        fault(self.names.text, span, message)
    }

    fn place(&self, span: Span) -> Place {
        Place { text: self.number, span }
    }

    fn node(&mut self, node: &Node) -> Result<Expr> {
        Ok(match node {
            Node::And(nodes) => Expr::And(nodes.iter().map(|node| self.node(node)).collect::<Result<_>>()?),
            Node::Or(nodes) => Expr::Or(nodes.iter().map(|node| self.node(node)).collect::<Result<_>>()?),
            Node::Not(node) => Expr::Not(Box::new(self.node(node)?)),
            Node::Alone(operand) => self.alone(operand)?,
            Node::Compare { field, sign, values } => Expr::Compare(self.comparison(field, *sign, values)?),
        })
    }

    fn alone(&mut self, operand: &Operand) -> Result<Expr> {
        let Some(arguments) = &operand.arguments else {
            let field = self.names.field(operand)?;
            if field.sort() != Sort::Boolean {
                return Err(self
                    .wrong(operand.span, "a comparison is missing behind this field")
                    .hint("such as `f1_score >= 0.8`; `has(…)` asks whether there is a value"));
            }
            let tests = vec![Test::Boolean(true)];
            return Ok(Expr::Compare(Comparison {
                field,
                negated: false,
                tests,
                place: self.place(operand.span),
            }));
        };
        let word = operand.names.join(".");
        let relation = match word.as_str() {
            "has" => return self.has(operand, arguments),
            "code.contains" => return self.contains(operand, arguments),
            "used" => FileRelation::Used,
            "generated" => FileRelation::Generated,
            "trained_on" => FileRelation::TrainedOn,
            _ => {
                // `min(loss)` alone is a known call that lacks its comparison.
                self.names.field(operand)?;
                return Err(self.wrong(operand.span, "a comparison is missing behind this field"));
            }
        };
        let (literal, weakest) = match arguments.as_slice() {
            [Argument::Literal(literal)] => (Some(literal), Evidence::WEAKEST),
            [Argument::Literal(literal), Argument::Operand(sure)] => (Some(literal), self.sureness(sure)?),
            _ => (None, Evidence::WEAKEST),
        };
        let Some(literal) = literal else {
            return Err(self
                .wrong(operand.span, format!("`{word}` wants one path or pattern in quotes"))
                .hint(format!("such as `{word}(\"data/processed/**\")`, from the workspace's root")));
        };
        if self.files.len() == QUESTIONS_MAX {
            return Err(self.wrong(operand.span, format!("more than {QUESTIONS_MAX} questions on files")));
        }
        let place = self.place(literal.span);
        self.files.push(FileQuestion { relation, word: literal.text.clone(), weakest, place });
        Ok(Expr::Files(self.files.len() - 1))
    }

    /// Reads how surely what answers a question on files must be known.
    fn sureness(&self, operand: &Operand) -> Result<Evidence> {
        let word = operand.names.join(".");
        let known = SURENESS.iter().find(|(known, _)| operand.arguments.is_none() && *known == word);
        known.map(|(_, evidence)| *evidence).ok_or_else(|| {
            let words = SURENESS.map(|(word, _)| word);
            let error =
                self.wrong(operand.span, format!("`{}` does not say how surely it is known", shown(&word)));
            match meant(&word, words) {
                Some(meant) => {
                    error.hint(format!("did you mean `{meant}`? it is one of {}", words.join(", ")))
                }
                None => error.hint(format!("it is one of {}", words.join(", "))),
            }
        })
    }

    fn has(&mut self, operand: &Operand, arguments: &[Argument]) -> Result<Expr> {
        match arguments {
            [Argument::Operand(inner)] => Ok(Expr::Has(self.names.field(inner)?)),
            _ => Err(self.wrong(operand.span, "`has` wants one field").hint("such as `has(param.lr)`")),
        }
    }

    fn contains(&mut self, operand: &Operand, arguments: &[Argument]) -> Result<Expr> {
        let commit = match arguments {
            [Argument::Literal(literal)] => Some((literal.text.clone(), literal.span)),
            [Argument::Operand(inner)] if inner.arguments.is_none() => {
                Some((inner.names.join("."), inner.span))
            }
            _ => None,
        };
        let Some((commit, span)) = commit.filter(|(text, _)| !text.is_empty()) else {
            return Err(self
                .wrong(operand.span, "`code.contains` wants one commit")
                .hint("such as `code.contains(ea45dd2)`"));
        };
        if self.commits.len() == QUESTIONS_MAX {
            return Err(self.wrong(operand.span, format!("more than {QUESTIONS_MAX} questions on commits")));
        }
        self.commits.push((commit, self.place(span)));
        Ok(Expr::Contains(self.commits.len() - 1))
    }

    fn comparison(&mut self, operand: &Operand, sign: Sign, values: &[Literal]) -> Result<Comparison> {
        let field = self.names.field(operand)?;
        let (negated, relation) = match sign {
            Sign::Equal | Sign::In => (false, Some(Relation::Equal)),
            Sign::NotEqual | Sign::NotIn => (true, Some(Relation::Equal)),
            Sign::Less => (false, Some(Relation::Less)),
            Sign::LessOrEqual => (false, Some(Relation::LessOrEqual)),
            Sign::Greater => (false, Some(Relation::Greater)),
            Sign::GreaterOrEqual => (false, Some(Relation::GreaterOrEqual)),
            Sign::Like => (false, None),
            Sign::NotLike => (true, None),
        };
        let mut tests = Vec::with_capacity(values.len());
        for literal in values {
            tests.push(match relation {
                Some(relation) => self.test(&field, relation, literal)?,
                None => self.like(&field, literal)?,
            });
        }
        let end = values.last().map_or(operand.span, |literal| literal.span);
        Ok(Comparison { field, negated, tests, place: self.place(operand.span.to(end)) })
    }

    fn like(&self, field: &Field, literal: &Literal) -> Result<Test> {
        match field.sort() {
            Sort::Text | Sort::Free | Sort::Word(_) | Sort::Key | Sort::Commit | Sort::Version => {}
            sort => {
                return Err(self.wrong(
                    literal.span,
                    format!("a pattern fits texts only, and this is {}", described(sort)),
                ));
            }
        }
        pattern(&literal.text, false)
            .map(Test::Like)
            .map_err(|why| self.wrong(literal.span, format!("this is no pattern: {why}")))
    }

    fn test(&self, field: &Field, relation: Relation, literal: &Literal) -> Result<Test> {
        let sort = field.sort();
        let text = literal.text.clone();
        let refused = || {
            self.wrong(
                literal.span,
                format!("`{}` is {}, and `{}` is none", shown_field(field), described(sort), shown(&text)),
            )
            .hint(format!("such as `{}`", example(sort)))
        };
        if literal.shift.is_some() && sort != Sort::Moment {
            return Err(refused());
        }
        let number = (!literal.quoted).then(|| number_of(&text)).flatten();
        Ok(match sort {
            Sort::Number => Test::Number(relation, number.ok_or_else(refused)?),
            // The workspace's root has no name in it.
            Sort::Text if *field == Field::Fixed(Fixed::Folder) && text == "." => {
                Test::Text(relation, String::new())
            }
            Sort::Text => Test::Text(relation, text),
            Sort::Boolean => match (text.as_str(), relation) {
                ("true", Relation::Equal) => Test::Boolean(true),
                ("false", Relation::Equal) => Test::Boolean(false),
                _ => return Err(refused()),
            },
            Sort::Moment => Test::Moment(relation, self.moment(literal).ok_or_else(refused)?),
            Sort::Length => Test::Length(relation, length_of(&text).ok_or_else(refused)?),
            Sort::Version => match check_version(&text) {
                Ok(()) => Test::Version(relation, text),
                Err(_) => return Err(refused()),
            },
            Sort::Key | Sort::Commit => {
                let digits: String = text.chars().filter(|c| *c != '-' || sort == Sort::Commit).collect();
                let fits = digits.len() >= 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                if !fits || relation != Relation::Equal {
                    return Err(refused());
                }
                let digits = digits.to_ascii_lowercase();
                if sort == Sort::Key { Test::Tail(digits) } else { Test::Front(digits) }
            }
            Sort::Word(words) => {
                if !words.contains(&text.as_str()) || relation != Relation::Equal {
                    let all = words.join(", ");
                    return Err(match meant(&text, words.iter().copied()) {
                        Some(word) if word != text => {
                            refused().hint(format!("did you mean `{word}`? it is one of {all}"))
                        }
                        _ => refused().hint(format!("`=` and `in` compare it with one of {all}")),
                    });
                }
                Test::Text(relation, text)
            }
            Sort::Free => match number {
                Some(number) => match whole_of(&text).filter(|_| number.abs() >= WHOLE_MAX) {
                    Some(whole) => Test::Whole(relation, whole),
                    None => Test::Number(relation, number),
                },
                None if !literal.quoted && text == "true" && relation == Relation::Equal => {
                    Test::Boolean(true)
                }
                None if !literal.quoted && text == "false" && relation == Relation::Equal => {
                    Test::Boolean(false)
                }
                None => Test::Text(relation, text),
            },
        })
    }

    fn moment(&self, literal: &Literal) -> Option<(Timestamp, Timestamp)> {
        const DAY_US: i64 = 86_400_000_000;
        let (first, last) = match (literal.text.as_str(), literal.quoted) {
            ("now", false) => (self.now, self.now),
            ("today", false) => {
                let first = self.now.micros().div_euclid(DAY_US).checked_mul(DAY_US)?;
                (Timestamp::from_micros(first), Timestamp::from_micros(first.checked_add(DAY_US - 1)?))
            }
            (text, _) => return Timestamp::stretch(text),
        };
        let shift = match &literal.shift {
            None => 0,
            Some((back, length)) => length_of(length)? * if *back { -1 } else { 1 },
        };
        Some((first.plus_micros(shift), last.plus_micros(shift)))
    }
}

fn shown_field(field: &Field) -> String {
    match field {
        Field::Fixed(fixed) => fixed.as_str().to_owned(),
        Field::Metric { name, .. } => shown(name),
        Field::Parameter(name) => format!("param.{}", shown(name)),
        Field::Tag(name) => format!("tag.{}", shown(name)),
    }
}

fn described(sort: Sort) -> &'static str {
    match sort {
        Sort::Number => "a number",
        Sort::Text | Sort::Free => "a text",
        Sort::Boolean => "true or false",
        Sort::Moment => "a moment",
        Sort::Length => "a length of time",
        Sort::Version => "a semantic version",
        Sort::Key => "the end of a run's key, compared by `=` and `in`",
        Sort::Commit => "the front of a commit, compared by `=` and `in`",
        Sort::Word(_) => "one of a few words",
    }
}

fn example(sort: Sort) -> &'static str {
    match sort {
        Sort::Number => "f1_score >= 0.8",
        Sort::Text | Sort::Free => "name = \"train\"",
        Sort::Boolean => "git.dirty = false",
        Sort::Moment => "started >= 2025-12-01` or `started > now - 7d",
        Sort::Length => "took > 30m",
        Sort::Version => "version >= 1.2.0",
        Sort::Key => "run = e55a90bd",
        Sort::Commit => "git.commit = ea45dd2",
        Sort::Word(_) => "kind = command",
    }
}
