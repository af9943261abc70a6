//! Reading tables: by key, by range, and by many sorted keys at once.
//!
//! Every call into redb is guarded; what visitors do is not, so that a fault of ours is not taken for a damaged page.

use std::convert::Infallible;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, OnceLock};

use redb::{ReadOnlyTable, ReadTransaction, ReadableTableMetadata, TableDefinition, TableError};

use crate::error::{Error, Result};
use crate::store::schema::{Bytes, Key};
use crate::store::{broken, damaged, guarded};

/// What a visitor says that never breaks. A scan hands on what its visitor broke with, and whoever forgets to ask for that is
/// reminded by the compiler; of this, nobody is.
pub const GO_ON: ControlFlow<Infallible> = ControlFlow::Continue(());

/// A table, opened when it is first read: a table that is opened has a page of its own read, and most answers need few tables.
pub(crate) struct Reading<K: redb::Key + 'static> {
    transaction: Arc<ReadTransaction>,
    definition: TableDefinition<'static, K, Bytes>,
    /// None where nothing of its kind was ever recorded.
    opened: OnceLock<Option<ReadOnlyTable<K, Bytes>>>,
}

impl<K: redb::Key + 'static> Reading<K> {
    /// Names a table; opens nothing.
    pub fn new(transaction: &Arc<ReadTransaction>, definition: TableDefinition<'static, K, Bytes>) -> Self {
        Reading { transaction: Arc::clone(transaction), definition, opened: OnceLock::new() }
    }

    /// Returns the table, opened if it was not; `None` where nothing of its kind was ever recorded.
    pub fn table(&self) -> Result<Option<&ReadOnlyTable<K, Bytes>>> {
        if let Some(table) = self.opened.get() {
            return Ok(table.as_ref());
        }
        let table = guarded(|| match self.transaction.open_table(self.definition) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(cause) => Err(unreadable(cause)),
        })?;
        Ok(self.opened.get_or_init(|| table).as_ref())
    }

    /// Reads the row at `place`.
    pub fn get<T>(&self, place: K::SelfType<'_>, read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        let Some(table) = self.table()? else { return Ok(None) };
        let Some(row) = guarded(|| table.get(place).map_err(unreadable))? else {
            return Ok(None);
        };
        read(guarded(|| Ok(row.value()))?).map(Some)
    }

    /// Returns how many rows there are.
    pub fn count(&self) -> Result<u64> {
        self.table()?.map_or(Ok(0), |table| guarded(|| table.len().map_err(unreadable)))
    }

    /// Calls `visit` on each row of a range that is not turned round, in the order wanted, until it breaks.
    fn scan_range<'a, B>(
        &self,
        range: (Bound<K::SelfType<'a>>, Bound<K::SelfType<'a>>),
        order: Order,
        mut visit: impl FnMut(K::SelfType<'_>, &[u8]) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let Some(table) = self.table()? else {
            return Ok(ControlFlow::Continue(()));
        };
        let mut rows = guarded(|| table.range(range).map_err(unreadable))?;
        while let Some((place, value)) = next(&mut rows, order)? {
            let (place, value) = guarded(|| Ok((place.value(), value.value())))?;
            let flow = visit(place, value)?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Reading<Bytes> {
    /// Calls `visit` on each row from `first` on and before `end`, in the order wanted, until it breaks.
    pub fn scan_names_between<B>(
        &self,
        first: &[u8],
        end: &[u8],
        order: Order,
        visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        if first >= end {
            return Ok(ControlFlow::Continue(()));
        }
        self.scan_range((Bound::Included(first), Bound::Excluded(end)), order, visit)
    }

    /// Calls `visit` on each row from `first` on until it breaks.
    pub fn scan_names_from<B>(
        &self,
        first: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        self.scan_range((Bound::Included(first), Bound::Unbounded), Order::Rising, visit)
    }

    /// Calls `visit` on each row whose key begins with `front`, in the order wanted, until it breaks.
    pub fn scan_names_with<B>(
        &self,
        front: &[u8],
        order: Order,
        visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        // The first key behind all that begin with `front`: its last byte that can grow, grown by one.
        let mut end = front.to_vec();
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        let end = match end.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(end.as_slice())
            }
            None => Bound::Unbounded,
        };
        self.scan_range((Bound::Included(front), end), order, visit)
    }
}

/// Wraps an error of reading. After one, a database gives nothing more that is not in memory, and says only that there was one: in
/// what is never written it was a page that could not be read, so that building it anew helps.
fn unreadable(cause: impl Into<redb::Error>) -> Error {
    match cause.into() {
        redb::Error::PreviousIo => damaged("page"),
        cause => broken(cause),
    }
}

/// Which way a range is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the first row to the last.
    Rising,
    /// From the last row to the first.
    Falling,
}

/// So many rows are stepped over before a range is sought anew.
const STEPS_MAX: usize = 8;

impl<const N: usize> Reading<Key<N>> {
    /// Calls `visit` on each row from `first` to `last`, both included, until it breaks.
    pub fn scan<B>(
        &self,
        first: &[u8; N],
        last: &[u8; N],
        order: Order,
        visit: impl FnMut(&[u8; N], &[u8]) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        if first > last {
            return Ok(ControlFlow::Continue(()));
        }
        self.scan_range((Bound::Included(first), Bound::Included(last)), order, visit)
    }

    /// Calls `visit` on each row whose key begins with `front`, until it breaks.
    pub fn scan_front<B>(
        &self,
        front: &[u8],
        order: Order,
        visit: impl FnMut(&[u8; N], &[u8]) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let (mut first, mut last) = ([0; N], [0xff; N]);
        first[..front.len()].copy_from_slice(front);
        last[..front.len()].copy_from_slice(front);
        self.scan(&first, &last, order, visit)
    }

    /// Calls `visit` with the position of the range and the row, for each row of each range from its first to its last key,
    /// both included. A break ends the range, not the scan. The ranges are sorted and do not overlap.
    ///
    /// Ranges that lie close together are found by going on from the one before, several times faster than by seeking each.
    pub fn scan_ranges<B>(
        &self,
        ranges: impl IntoIterator<Item = ([u8; N], [u8; N])>,
        mut visit: impl FnMut(usize, &[u8; N], &[u8]) -> Result<ControlFlow<B>>,
    ) -> Result<()> {
        let Some(table) = self.table()? else { return Ok(()) };
        let mut rows = None;
        // The row that `rows` came to last.
        let mut current: Option<Row<N>> = None;
        for (position, (first, last)) in ranges.into_iter().enumerate() {
            let mut steps = 0;
            loop {
                match (&mut rows, &current) {
                    (Some(_), Some((place, _))) if guarded(|| Ok(place.value() >= &first))? => break,
                    (Some(_), None) => return Ok(()),
                    (Some(rows), Some(_)) if steps < STEPS_MAX => {
                        steps += 1;
                        current = next(rows, Order::Rising)?;
                    }
                    _ => {
                        let mut anew = guarded(|| table.range::<&[u8; N]>(&first..).map_err(unreadable))?;
                        current = next(&mut anew, Order::Rising)?;
                        rows = Some(anew);
                    }
                }
            }
            let Some(rows) = &mut rows else { return Ok(()) };
            while let Some((place, value)) = &current {
                let (place, value) = guarded(|| Ok((place.value(), value.value())))?;
                if *place > last || visit(position, place, value)?.is_break() {
                    break;
                }
                current = next(rows, Order::Rising)?;
            }
        }
        Ok(())
    }

    /// Calls `visit` with the position of the key and the row, for each of the sorted keys that is there.
    pub fn get_each(
        &self,
        places: impl IntoIterator<Item = [u8; N]>,
        mut visit: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let ranges = places.into_iter().map(|place| (place, place));
        self.scan_ranges(ranges, |position, _, row| {
            visit(position, row)?;
            Ok(ControlFlow::Break(()))
        })
    }
}

type Guard<K> = redb::AccessGuard<'static, K>;
type Row<const N: usize> = (Guard<Key<N>>, Guard<Bytes>);

fn next<K: redb::Key + 'static>(
    rows: &mut redb::Range<'static, K, Bytes>,
    order: Order,
) -> Result<Option<(Guard<K>, Guard<Bytes>)>> {
    guarded(|| {
        let row = if order == Order::Rising { rows.next() } else { rows.next_back() };
        row.transpose().map_err(unreadable)
    })
}
