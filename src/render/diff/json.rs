//! What differs between two runs, as JSON.

use serde_json::{Value, json};

use crate::model::{Artifact, ArtifactPath, CodeState, MetricValue, RunStatus};
use crate::query::diff::{
    Cause, CodeDiff, Explanation, FilesDiff, MetricDiff, OutputDiff, OutputsDiff, PairedBy, ParameterDiff,
    RunDiff, StandingOutput, Unlike, Upstream,
};
use crate::render::diff::{cause_words, environment, step_end};
use crate::render::show_json::{artifact_json, run_head_json};

/// Writes the differences as JSON; of each list, the first `limit`, and beside them how many there are. An index is null where what it
/// points at is not listed.
pub fn json(diff: &RunDiff, limit: usize) -> Value {
    let outcome =
        |(status, reason): &(RunStatus, Option<String>)| json!({"status": status.as_str(), "reason": reason});
    let failures = diff.failures.iter().take(limit).map(|failure| {
        json!({
            "step": failure.step, "subject": failure.subject, "a": step_end(&failure.a), "b": step_end(&failure.b),
        })
    });
    json!({
        "format": 1,
        "equal": diff.is_equal(),
        "runs": [run_head_json(&diff.a), run_head_json(&diff.b)],
        "outcomes": diff.outcomes.as_ref().map(|ends| ends.each_ref().map(outcome)),
        "code": code_json(&diff.code, limit),
        "arguments": diff.arguments,
        "parameters": diff.parameters.iter().take(limit).map(parameter_json).collect::<Vec<_>>(),
        "recorder": diff.recorder,
        "inputs": files_json(&diff.inputs, limit),
        "code_read": files_json(&diff.code_read, limit),
        "environment": files_json(&diff.environment, limit),
        "environment_entries": diff.environment_entries.as_ref().map(|entries| environment::json(entries, limit)),
        "outputs": {
            "same": diff.outputs.same,
            "metrics_files": diff.outputs.metrics_files,
            "paired": paired_json(&diff.outputs),
            "differing": diff.outputs.differing.iter().take(limit).map(|output| output_json(output, limit)).collect::<Vec<_>>(),
            "differing_total": diff.outputs.differing.len(),
            "standing": diff.outputs.standing.iter().take(limit).map(standing_json).collect::<Vec<_>>(),
            "standing_total": diff.outputs.standing.len(),
        },
        "metrics": diff.metrics.iter().take(limit).map(metric_json).collect::<Vec<_>>(),
        "metrics_same": diff.metrics_same,
        "failures": failures.collect::<Vec<_>>(),
        "unlike": diff.unlike.as_ref().map(|unlike| unlike_json(unlike, limit)),
        "explanations": explanations_json(diff, limit),
        "upstream": diff.upstream.iter().take(limit).map(upstream_json).collect::<Vec<_>>(),
        "totals": {
            "parameters": diff.parameters.len(),
            "metrics": diff.metrics.len(),
            "failures": diff.failures.len(),
            "explanations": diff.explanations.len(),
            "upstream": diff.upstream.len(),
        },
    })
}

pub(crate) fn code_json(code: &CodeDiff, limit: usize) -> Value {
    let side = |code: &CodeState, mixed: bool| {
        json!({
            "commit": code.commit, "branch": code.branch, "dirty": code.is_dirty(), "mixed": mixed,
            "patch": code.patch.map(|digest| digest.to_string()), "unreadable": code.unreadable,
        })
    };
    let files = code.files.iter().take(limit).map(|file| {
        json!({
            "path": file.path.in_json(),
            "a": file.a.map(|kind| kind.as_str()),
            "b": file.b.map(|kind| kind.as_str()),
            "between": file.between.map(|kind| kind.as_str()),
            "certain": file.certain,
        })
    });
    json!({
        "equal": code.is_equal(),
        "a": side(&code.a, code.mixed_a),
        "b": side(&code.b, code.mixed_b),
        "files": files.collect::<Vec<_>>(),
        "files_total": code.files.len(),
        "commits_compared": code.commits_compared,
    })
}

fn parameter_json(parameter: &ParameterDiff) -> Value {
    json!({"name": parameter.name, "a": parameter.a, "b": parameter.b})
}

pub(crate) fn files_json(files: &FilesDiff, limit: usize) -> Value {
    let pairs = |pairs: &[[Artifact; 2]]| -> Value {
        let pairs = pairs.iter().take(limit);
        pairs.map(|[a, b]| json!({"a": artifact_json(a), "b": artifact_json(b)})).collect()
    };
    let list = |files: &[Artifact]| -> Value { files.iter().take(limit).map(artifact_json).collect() };
    json!({
        "same": files.same,
        "changed": pairs(&files.changed),
        "renamed": pairs(&files.renamed),
        "folders": files.folders.iter().take(limit).map(|(a, b)| json!({"a": a, "b": b})).collect::<Vec<_>>(),
        "only_a": list(&files.only_a),
        "only_b": list(&files.only_b),
        "totals": {
            "changed": files.changed.len(), "renamed": files.renamed.len(), "folders": files.folders.len(),
            "only_a": files.only_a.len(), "only_b": files.only_b.len(),
        },
    })
}

fn output_json(output: &OutputDiff, limit: usize) -> Value {
    json!({
        "step": output.step,
        "subject": output.subject,
        "a": output.a.as_ref().map(artifact_json),
        "b": output.b.as_ref().map(artifact_json),
        "paired_by": output.paired_by.map(PairedBy::as_str),
        "pattern": output.pattern(),
        "explanation": output.explanation.filter(|index| *index < limit),
    })
}

fn standing_json(output: &StandingOutput) -> Value {
    let made_by = if output.is_of_b { "b" } else { "a" };
    json!({"step": output.step, "artifact": artifact_json(&output.artifact), "made_by": made_by})
}

fn unlike_json(unlike: &Unlike, limit: usize) -> Value {
    let list = |files: &[Artifact]| -> Value { files.iter().take(limit).map(artifact_json).collect() };
    json!({
        "a_read_of_b": list(&unlike.a_read_of_b),
        "b_read_of_a": list(&unlike.b_read_of_a),
        "totals": {"a_read_of_b": unlike.a_read_of_b.len(), "b_read_of_a": unlike.b_read_of_a.len()},
    })
}

fn paired_json(outputs: &OutputsDiff) -> Value {
    let others = PairedBy::ALL.into_iter().filter(|paired_by| *paired_by != PairedBy::Path);
    let counts = others.map(|paired_by| {
        let count = outputs.paired.get(&paired_by).copied().unwrap_or_default();
        (paired_by.as_str().replace(' ', "_"), json!(count))
    });
    Value::Object(counts.collect())
}

fn upstream_json(upstream: &Upstream) -> Value {
    json!({
        "a": upstream.a.to_string(),
        "b": upstream.b.to_string(),
        "files": upstream.files,
        "example": upstream.example.path.in_json(),
    })
}

pub(crate) fn metric_json(metric: &MetricDiff) -> Value {
    let value = |value: Option<MetricValue>| value.map(MetricValue::get);
    json!({
        "name": metric.name,
        "file": metric.file.as_ref().map(ArtifactPath::in_json),
        "a": value(metric.a),
        "b": value(metric.b),
        "parting": metric.parting.map(|parting| json!({
            "point": parting.point, "step": parting.step, "a": value(parting.a), "b": value(parting.b),
        })),
        "difference": metric.difference(),
        "relative": metric.relative(),
    })
}

fn explanations_json(diff: &RunDiff, limit: usize) -> Value {
    let explanations = diff.explanations.iter().take(limit);
    explanations.map(|explanation| explanation_json(diff, explanation, limit)).collect()
}

fn explanation_json(diff: &RunDiff, explanation: &Explanation, limit: usize) -> Value {
    let example = diff.outputs.differing.get(explanation.example);
    let path = |side: fn(&OutputDiff) -> &Option<Artifact>| {
        example.and_then(|output| side(output).as_ref()).map(|artifact| artifact.path.in_json())
    };
    let causes = explanation.causes.iter().map(|cause| {
        let mut value = cause_json(cause);
        value["likely"] = json!(cause.is_likely());
        value["words"] = json!(cause_words(cause));
        value
    });
    json!({
        "outputs": explanation.outputs,
        "example": Some(explanation.example).filter(|index| *index < limit),
        "example_paths": {"a": path(|output| &output.a), "b": path(|output| &output.b)},
        "causes": causes.collect::<Vec<_>>(),
        "more": explanation.more,
    })
}

fn cause_json(cause: &Cause) -> Value {
    match cause {
        Cause::Input { role, a, b } => json!({
            "kind": "input", "role": role.as_str(), "a": a.as_ref().map(artifact_json), "b": b.as_ref().map(artifact_json),
        }),
        Cause::StepParameter { step, parameter } => {
            json!({"kind": "step parameter", "step": step, "parameter": parameter_json(parameter)})
        }
        Cause::StepCommand { step, words } => {
            json!({"kind": "step command", "step": step, "arguments": words})
        }
        Cause::Parameter(parameter) => json!({"kind": "parameter", "parameter": parameter_json(parameter)}),
        Cause::Arguments([a, b]) => json!({"kind": "arguments", "arguments": [a, b]}),
        Cause::ArgumentOrder => json!({"kind": "argument order"}),
        Cause::Renamed { a, b } => json!({"kind": "renamed", "a": artifact_json(a), "b": artifact_json(b)}),
        Cause::Made { a, b } => json!({"kind": "made", "a": artifact_json(a), "b": artifact_json(b)}),
        Cause::Variable(entry) => json!({"kind": "variable", "entry": environment::entry_json(entry)}),
        Cause::Package(entry) => json!({"kind": "package", "entry": environment::entry_json(entry)}),
        Cause::EnvironmentFiles { count, first } => {
            json!({"kind": "environment files", "entry": environment::entry_json(first), "files": count})
        }
        Cause::Failed { step, subject, reason } => {
            json!({"kind": "failure", "step": step, "subject": subject, "reason": reason})
        }
        Cause::Unfinished(status) => json!({"kind": "unfinished", "status": status.as_str()}),
        Cause::EnvironmentTimes => json!({"kind": "environment times"}),
        Cause::Code => json!({"kind": "code"}),
        Cause::Recorder => json!({"kind": "recorder"}),
    }
}
