//! What is said of values of metrics that were refused: beside those that were taken, they are not all that was measured.

use crate::model::Remark;
use crate::render::show::remark_words;
use crate::render::units::thousands;

/// So many runs are told of.
const RUNS_MAX: usize = 10;

/// Says of each run, under its label, which value of one of these metrics was refused last, and how many were besides; a line each.
pub fn refused<'a, R>(runs: impl Iterator<Item = (String, R)>, metrics: &[&str]) -> Vec<String>
where
    R: Iterator<Item = &'a Remark>,
{
    let mut lines = Vec::new();
    for (label, remarks) in runs {
        let mut told: Vec<&Remark> =
            remarks.filter(|remark| metrics.iter().any(|name| remark.refuses_metric(name))).collect();
        let Some(last) = told.pop() else { continue };
        let others: u64 = told.iter().map(|remark| remark.count).sum();
        let others = if others > 0 { format!(", and {} more", thousands(others)) } else { String::new() };
        lines.push(format!("{label}: {}{others}", remark_words(last)));
    }
    let more = lines.len().saturating_sub(RUNS_MAX) as u64;
    lines.truncate(RUNS_MAX);
    if more > 0 {
        lines.push(format!("{} more had values refused, too; `lineage metrics RUN` tells", thousands(more)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RemarkKind;

    fn check(runs: &[&[&str]], expected: &[&str]) {
        let remark =
            |text: &&str| Remark::new(RemarkKind::Refused, format!("metric `{text}` was refused: NaN"));
        let runs: Vec<Vec<Remark>> = runs.iter().map(|texts| texts.iter().map(remark).collect()).collect();
        let runs = runs.iter().enumerate().map(|(at, remarks)| (format!("run {at}"), remarks.iter()));
        assert_eq!(refused(runs, &["loss"]), expected);
    }

    #[test]
    fn a_run_is_told_of_once_with_its_last_value_and_how_many_there_were_besides() {
        check(
            &[&["loss"], &["f1"], &["loss", "f1", "loss", "loss"]],
            &["run 0: metric `loss` was refused: NaN", "run 2: metric `loss` was refused: NaN, and 2 more"],
        );
    }

    #[test]
    fn runs_that_are_not_told_of_are_counted() {
        let mut expected: Vec<String> =
            (0..10).map(|at| format!("run {at}: metric `loss` was refused: NaN")).collect();
        expected.push("4 more had values refused, too; `lineage metrics RUN` tells".to_owned());
        check(&[&["loss"][..]; 14], &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
