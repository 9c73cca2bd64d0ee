// Counts the columns that a text takes on a terminal: two for a Chinese, Japanese or Korean character or an emoji, none for a
// combining mark.

const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Scripts with wide characters, and wide forms of other characters (Unicode, East Asian Width W and F). */
const WIDE =
  /^(?:\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Script=Bopomofo}|\p{Script=Yi}|\p{Script=Tangut}|[\u3000-\u303e\u3200-\u33ff\uff01-\uff60\uffe0-\uffe6])/u;
/** Narrow forms of characters of those scripts. */
const HALF_WIDTH = /^[\uff61-\uffdc]/;
/** A character that is a picture by itself, or with U+FE0F; a flag is two letters. */
const EMOJI = /^(?:\p{Emoji_Presentation}|\p{Emoji}\ufe0f|\p{Regional_Indicator}{2})/u;
const NOTHING = /^[\p{M}\u200b-\u200d]+$/u;

/** @param text without control characters */
export function widthOf(text: string): number {
  let width = 0;
  for (const { segment } of GRAPHEMES.segment(text)) width += widthOfOne(segment);
  return width;
}

/** The text, with blanks behind it up to `columns`. */
export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

/** The text, cut to `columns` with an ellipsis at the end. */
export function shorten(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let short = '';
  let width = 1;
  for (const { segment } of GRAPHEMES.segment(text)) {
    width += widthOfOne(segment);
    if (width > columns) break;
    short += segment;
  }
  return `${short.trimEnd()}…`;
}

function widthOfOne(grapheme: string): number {
  if (NOTHING.test(grapheme)) return 0;
  if (HALF_WIDTH.test(grapheme)) return 1;
  return EMOJI.test(grapheme) || WIDE.test(grapheme) ? 2 : 1;
}
