//! A text in pages, each found by position in any unit.
//!
//! Knows strings and their sizes; does not know what is done with a page that is open. The
//! pages stand in a [`Tree`] that sums their sizes, so that one is found in O(log n), and at
//! once near the one found last. A page holds at most [`PAGE`] bytes: one that grows beyond is
//! cut in equal parts, one that shrinks is joined with those beside it where two fill half a
//! page.

use std::ops::Range;

use super::size::Size;
use crate::text::unit::{UnitKind, count_breaks};
use crate::tree::{Found, Item, NARROW, Place, Tree};

/// Bytes of a page. To open and close one moves about all of them, and beyond ASCII a position
/// in it is found by a scan; each takes an entry of 20 bytes in the tree. On recorded traces twice
/// as much is no faster, and half as much costs a tenth. Small in tests, so that short texts have
/// many pages.
pub(super) const PAGE: usize = if cfg!(test) { 16 } else { 2048 };

/// Bytes of a page when a text is taken in: with some room, so that the first edit does not cut it.
const FILLED: usize = PAGE / 4 * 3;

/// Invariant: `order` names each page with its size; pages are not empty.
#[derive(Clone, Default)]
pub(super) struct Rope {
    pages: Vec<String>,
    /// Pages that are not in use.
    free: Vec<u32>,
    order: Tree<Page, NARROW>,
}

/// A page that is being edited.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenPage {
    place: Place,
    /// The size of what stands before it.
    pub(super) before: Size,
    /// Its size when it was opened, which the rope still takes it to have.
    pub(super) size: Size,
}

#[derive(Clone, Copy, Debug, Default)]
struct Page {
    number: u32,
    size: Size,
}

impl Item for Page {
    type Width = Size;

    #[inline]
    fn width(&self) -> Size {
        self.size
    }
}

impl From<&str> for Rope {
    fn from(text: &str) -> Self {
        let mut rope = Self::default();
        rope.add_pages(rope.order.first(), text, text.len().div_ceil(FILLED));
        rope
    }
}

impl Rope {
    pub(super) fn size(&self) -> Size {
        self.order.total()
    }

    pub(super) fn len(&self, kind: UnitKind) -> usize {
        self.size().len(kind) as usize
    }

    /// The byte at a position within the text; `None` inside a character.
    pub(super) fn byte_of(&self, kind: UnitKind, position: usize) -> Option<usize> {
        let size = self.size();
        if size.is_ascii() {
            return Some(position);
        }
        let Some(found) = self.order.find(position as u32, |size| size.len(kind)) else {
            return Some(size.bytes as usize);
        };
        let (page, text) = self.page(found.place);
        let offset = page.size.byte_of(text, kind, found.offset as usize)?;
        Some(found.before.bytes as usize + offset)
    }

    /// How many units stand before a byte, which is a character's boundary.
    pub(super) fn count_before(&self, kind: UnitKind, byte: usize) -> usize {
        if kind == UnitKind::Bytes || self.size().is_ascii() {
            return byte;
        }
        let Some(found) = self.find_byte(byte) else { return self.len(kind) };
        found.before.len(kind) as usize + kind.count(self.before(&found))
    }

    /// How many `'\n'` stand before a byte, which is a character's boundary.
    pub(super) fn breaks_before(&self, byte: usize) -> usize {
        let Some(found) = self.find_byte(byte) else { return self.size().breaks as usize };
        found.before.breaks as usize + count_breaks(self.before(&found))
    }

    /// The byte at which a line begins; there is such a line.
    pub(super) fn byte_of_line(&self, line: usize) -> usize {
        let found = line.checked_sub(1).and_then(|above| self.order.find(above as u32, |size| size.breaks));
        let Some(found) = found else { return 0 };
        let (_, text) = self.page(found.place);
        let lines = text.split_inclusive('\n').take(found.offset as usize + 1);
        found.before.bytes as usize + lines.map(str::len).sum::<usize>()
    }

    /// The text between two bytes, both boundaries of characters.
    pub(super) fn chunks(&self, bytes: Range<usize>) -> impl Iterator<Item = &str> {
        let found = if bytes.is_empty() { None } else { self.find_byte(bytes.start) };
        let mut next = found.map(|found| (found.place, found.offset as usize));
        let mut left = bytes.len();
        std::iter::from_fn(move || {
            let (place, start) = next.filter(|_| left > 0)?;
            let (_, text) = self.page(place);
            let end = text.len().min(start + left);
            left -= end - start;
            next = Some((self.order.after(place), 0));
            Some(&text[start..end])
        })
    }

    /// The same pieces from the last to the first.
    pub(super) fn chunks_backwards(&self, bytes: Range<usize>) -> impl Iterator<Item = &str> {
        let mut end = bytes.end;
        std::iter::from_fn(move || {
            let last = end.checked_sub(1).filter(|&last| last >= bytes.start)?;
            let found = self.find_byte(last)?;
            let page_start = found.before.bytes as usize;
            let text = &self.page(found.place).1[..end - page_start];
            let start = bytes.start.saturating_sub(page_start);
            end = page_start + start;
            Some(&text[start..])
        })
    }

    fn find_byte(&self, byte: usize) -> Option<Found<Size>> {
        self.order.find(byte as u32, |size| size.bytes)
    }

    fn page(&self, place: Place) -> (&Page, &str) {
        match self.order.get(place) {
            Some(page) => (page, &self.pages[page.number as usize]),
            None => unreachable!("{place:?} is behind the last page"),
        }
    }

    /// What of the page found stands before the byte found.
    fn before(&self, found: &Found<Size>) -> &str {
        &self.page(found.place).1[..found.offset as usize]
    }

    pub(super) fn assert_invariants(&self) {
        #[cfg(test)]
        self.order.assert_invariants();
        let mut used = Vec::new();
        for page in self.order.iter() {
            let text = &self.pages[page.number as usize];
            assert_eq!(page.size, Size::of(text), "the size of page {} {text:?}", page.number);
            assert!(!text.is_empty(), "page {} is empty", page.number);
            assert!(text.len() <= PAGE, "page {} has {} bytes of {PAGE}", page.number, text.len());
            used.push(page.number);
        }
        used.extend(&self.free);
        used.sort_unstable();
        assert!(used.iter().copied().eq(0..self.pages.len() as u32), "pages in use and free: {used:?}");
    }
}

/// Edits. Positions are in chars and within the text.
impl Rope {
    /// Removes a range. O(log n + length).
    pub(super) fn remove(&mut self, range: Range<usize>) {
        let mut left = range.len() as u32;
        while left > 0 {
            left -= self.remove_from_page(range.start as u32, left);
        }
        self.forget_when_empty();
    }

    /// Inserts a text. O(log n + length).
    pub(super) fn insert(&mut self, at: usize, text: &str) {
        let at = at as u32;
        // The page of the char on the left, where an edit just before was.
        let Some(found) = at.checked_sub(1).and_then(|left| self.seek(left)) else {
            return self.insert_at_start(text);
        };
        let (page, old) = self.page(found.place);
        let Some(offset) = page.size.byte_of(old, UnitKind::Chars, found.offset as usize + 1) else {
            unreachable!("char {} of {:?}", found.offset, page.size);
        };
        self.insert_into_page(found.place, offset, text);
    }

    fn insert_at_start(&mut self, text: &str) {
        match self.seek(0) {
            Some(found) => self.insert_into_page(found.place, 0, text),
            None => self.add_pages(self.order.first(), text, text.len().div_ceil(FILLED)),
        }
    }

    fn insert_into_page(&mut self, place: Place, offset: usize, text: &str) {
        let page = self.text_of(place);
        page.insert_str(offset, text);
        if page.len() <= PAGE {
            let size = Size::of(text);
            self.order.update(place, |page| page.size += size);
        } else {
            self.cut_page(place);
        }
    }

    /// Cuts a page that has become too long.
    fn cut_page(&mut self, place: Place) {
        let page = self.text_of(place);
        // Less than a page, because a boundary may be up to three bytes further on.
        let parts = page.len().div_ceil(PAGE - 3);
        let end = boundary(page, page.len() / parts);
        let rest = page.split_off(end);
        page.shrink_to(PAGE);
        let size = Size::of(page);
        self.order.update(place, |page| page.size = size);
        self.add_pages(place.behind(), &rest, parts - 1);
    }

    /// Adds a text in so many pages before a place.
    fn add_pages(&mut self, mut place: Place, text: &str, count: usize) {
        let mut rest = text;
        for left in (1..=count).rev() {
            let (part, behind) = rest.split_at(boundary(rest, rest.len() / left));
            let page = Page { number: self.take_page(part), size: Size::of(part) };
            place = self.order.insert(place, page, |_, _| {}).behind();
            rest = behind;
        }
    }

    fn take_page(&mut self, text: &str) -> u32 {
        match self.free.pop() {
            Some(number) => {
                self.pages[number as usize].push_str(text);
                number
            }
            None => {
                self.pages.push(text.to_owned());
                (self.pages.len() - 1) as u32
            }
        }
    }

    fn free_page(&mut self, number: u32) {
        self.pages[number as usize] = String::new();
        self.free.push(number);
    }

    /// The tree never joins its nodes, so an empty one begins anew.
    fn forget_when_empty(&mut self) {
        if self.size().bytes == 0 {
            *self = Self::default();
        }
    }

    /// Removes at most `most` chars from `at` on that one page has. Returns how many.
    fn remove_from_page(&mut self, at: u32, most: u32) -> u32 {
        let Some(Found { place, offset, .. }) = self.seek(at) else {
            unreachable!("char {at} of {:?} is to be removed", self.size());
        };
        let (page, text) = self.page(place);
        let count = most.min(page.size.chars - offset);
        if count == page.size.chars {
            let number = page.number;
            self.order.remove(place);
            self.free_page(number);
            return count;
        }
        let byte = |char: u32| page.size.byte_of(text, UnitKind::Chars, char as usize).unwrap_or(text.len());
        let bytes = byte(offset)..byte(offset + count);
        let removed = Size::of(&text[bytes.clone()]);
        self.text_of(place).drain(bytes);
        self.order.update(place, |page| page.size -= removed);
        self.join_around(place);
        count
    }

    /// Takes the text of the page with this char out; until it is put back the page is open, and nothing else may be
    /// done with it. `None` where there is no such char.
    pub(super) fn open_page(&mut self, char: usize) -> Option<(OpenPage, String)> {
        let Found { place, before, .. } = self.seek(char as u32)?;
        let size = self.page(place).0.size;
        Some((OpenPage { place, before, size }, std::mem::take(self.text_of(place))))
    }

    /// Puts the text of an open page back, edited or not.
    pub(super) fn close_page(&mut self, open: OpenPage, text: String, size: Size) {
        let place = open.place;
        if text.is_empty() {
            let number = self.page(place).0.number;
            self.order.remove(place);
            self.free_page(number);
            self.forget_when_empty();
            return;
        }
        *self.text_of(place) = text;
        self.order.update(place, |page| page.size = size);
        if size.bytes < open.size.bytes {
            self.join_around(place);
        }
    }

    /// Joins a page that has shrunk with those beside it in its leaf, where two fill half a page.
    fn join_around(&mut self, place: Place) {
        self.join_with_next(place);
        if let Some(slot) = place.slot.checked_sub(1) {
            self.join_with_next(Place { slot, ..place });
        }
    }

    fn join_with_next(&mut self, place: Place) {
        let Some(&page) = self.order.get(place) else { return };
        let Some(&next) = self.order.get(place.behind()) else { return };
        if page.size.bytes + next.size.bytes > PAGE as u32 / 2 {
            return;
        }
        let text = std::mem::take(&mut self.pages[next.number as usize]);
        self.pages[page.number as usize].push_str(&text);
        self.order.remove(place.behind());
        self.free_page(next.number);
        self.order.update(place, |page| page.size += next.size);
    }

    fn seek(&mut self, char: u32) -> Option<Found<Size>> {
        self.order.seek(char, |size| size.chars)
    }

    fn text_of(&mut self, place: Place) -> &mut String {
        let number = self.page(place).0.number;
        &mut self.pages[number as usize]
    }
}

/// The first boundary of a char at or behind `byte`.
fn boundary(text: &str, byte: usize) -> usize {
    (byte..text.len()).find(|&byte| text.is_char_boundary(byte)).unwrap_or(text.len())
}
