// Text of an app, or of whoever sends it requests, on a terminal or in a log: nothing in it controls the terminal, begins a line
// of its own, or hides. What does is shown as JSON would write it, so that text of JSON stays JSON of the same value.

/**
 * Everything that is no character to look at: controls (C0, DEL, C1), halves of surrogate pairs, separators of lines, and formats
 * such as those that turn the direction of writing. Joiners stay: scripts and emoji are made with them.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu;

const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** One line of text. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** Text of several lines: line breaks and tabs stay. */
export function printableLines(text: string): string {
  return text.replace(UNPRINTABLE, (character) => (/[\n\t]/.test(character) ? character : escaped(character)));
}

/** A copy in which every text, at whatever depth, is one printable line. @param value as JSON has it */
export function printableValue<T>(value: T): T {
  return mapTexts(value, printable) as T;
}

/**
 * A copy for `pm2 trigger`, which prints the JSON of a reply: `JSON.stringify` escapes C0 and halves of pairs itself, and leaves
 * everything else to the terminal.
 */
export function printableAsJson<T>(value: T): T {
  return mapTexts(value, (text) =>
    text.replace(UNPRINTABLE, (character) =>
      character < ' ' || /\p{Cs}/u.test(character) ? character : escaped(character),
    ),
  ) as T;
}

function mapTexts(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value);
  if (Array.isArray(value)) return value.map((each) => mapTexts(each, map));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [map(key), mapTexts(each, map)]));
}

function escaped(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  // A character beyond the first 65,536 is two halves in JSON.
  return Array.from(
    { length: character.length },
    (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('');
}
