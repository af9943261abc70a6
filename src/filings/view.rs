//! One segment read back out of a written file.

use serde::Deserialize;

use super::element::Span;
use super::words::count_words;
use crate::error::{Error, Result};

/// One segment read back from a file, with what says which filing it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentView {
    /// Name of the segment.
    pub chunk_id: String,
    /// The category heading above it.
    pub parent_subsection: Option<String>,
    /// All category headings above it, outermost first.
    pub ancestors: Vec<String>,
    /// The risk factor's own heading.
    pub title: Option<String>,
    /// The text.
    pub text: String,
    /// Words of the text.
    pub word_count: usize,
    /// Bytes of the original file.
    pub span: Span,
    /// The same without what cleaning took out in between; empty where it is the one span.
    pub spans: Vec<Span>,
    /// Name of the filing, see [`Facts::filing_name`](super::Facts::filing_name).
    pub filing_name: String,
    /// Accession number of the filing.
    pub accession_number: Option<String>,
    /// Identifier of the item, such as `part1item1a`.
    pub identifier: String,
    /// The registrant.
    pub company_name: Option<String>,
    /// The form.
    pub form_type: Option<String>,
    /// The period of report, `YYYYMMDD`.
    pub period_of_report: Option<String>,
}

/// The least a file of segments must hold to be read, whichever version wrote it.
#[derive(Deserialize)]
struct SegmentedFile {
    filing_name: String,
    document_info: DocumentInfo,
    section_metadata: SectionInfo,
    segments: Vec<SegmentRecord>,
}

#[derive(Deserialize)]
struct DocumentInfo {
    #[serde(default)]
    accession_number: Option<String>,
    #[serde(default)]
    company_name: Option<String>,
    #[serde(default)]
    form_type: Option<String>,
    #[serde(default)]
    period_of_report: Option<String>,
}

#[derive(Deserialize)]
struct SectionInfo {
    identifier: String,
}

#[derive(Deserialize)]
struct SegmentRecord {
    chunk_id: String,
    #[serde(default)]
    parent_subsection: Option<String>,
    #[serde(default)]
    ancestors: Vec<String>,
    #[serde(default)]
    title: Option<String>,
    text: String,
    span: Span,
    #[serde(default)]
    spans: Vec<Span>,
}

/// Finds one segment in the bytes of a file `…_segmented_….json`; `None` where it has no segment of that name.
///
/// Files of other versions of this module are read, too, as long as they have text and span.
///
/// # Errors
/// Fails where the bytes are no such document.
pub fn find_segment(segmented_json: &[u8], chunk_id: &str) -> Result<Option<SegmentView>> {
    let file: SegmentedFile = serde_json::from_slice(segmented_json)
        .map_err(|cause| Error::request("not a file of segments").because(cause))?;
    let found = file.segments.into_iter().find(|segment| segment.chunk_id == chunk_id);
    Ok(found.map(|segment| SegmentView {
        chunk_id: segment.chunk_id,
        parent_subsection: segment.parent_subsection,
        ancestors: segment.ancestors,
        title: segment.title,
        word_count: count_words(&segment.text),
        text: segment.text,
        span: segment.span,
        spans: segment.spans,
        filing_name: file.filing_name,
        accession_number: file.document_info.accession_number,
        identifier: file.section_metadata.identifier,
        company_name: file.document_info.company_name,
        form_type: file.document_info.form_type,
        period_of_report: file.document_info.period_of_report,
    }))
}
