// How many columns of a terminal a text takes: two for Chinese, Japanese and Korean characters and for emoji, none for what is
// put onto the character before it.

const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Scripts whose characters are wide, and wide forms of others (Unicode, East Asian Width W and F). */
const WIDE =
  /^(?:\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Script=Bopomofo}|\p{Script=Yi}|\p{Script=Tangut}|[\u3000-\u303e\u3200-\u33ff\uff01-\uff60\uffe0-\uffe6])/u;
/** Of those scripts, made to be narrow. */
const HALF_WIDTH = /^[\uff61-\uffdc]/;
/** Shown as a picture by itself, or because it is told to be (U+FE0F); a flag is two letters. */
const EMOJI = /^(?:\p{Emoji_Presentation}|\p{Emoji}\ufe0f|\p{Regional_Indicator}{2})/u;
const NOTHING = /^[\p{M}\u200b-\u200d]+$/u;

/** @param text without control characters */
export function widthOf(text: string): number {
  let width = 0;
  for (const { segment } of GRAPHEMES.segment(text)) width += widthOfOne(segment);
  return width;
}

/** The text and blanks behind it, so many columns in all. */
export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

function widthOfOne(grapheme: string): number {
  if (NOTHING.test(grapheme)) return 0;
  if (HALF_WIDTH.test(grapheme)) return 1;
  return EMOJI.test(grapheme) || WIDE.test(grapheme) ? 2 : 1;
}
