// Makes text of an app, or of its clients, safe for a terminal or a log: it must not control the terminal, begin a new line, or
// hide. Such characters are escaped as in JSON, so that JSON text keeps its value.

/**
 * Characters that show nothing: controls (C0, DEL, C1), lone surrogates, line separators, and format characters, such as those
 * that change the direction of text. Joiners stay, because scripts and emoji need them.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu;

const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Text as one safe line. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** Text of several lines; keeps line breaks and tabs. */
export function printableLines(text: string): string {
  return text.replace(UNPRINTABLE, (character) => (/[\n\t]/.test(character) ? character : escaped(character)));
}

/** A copy in which every text, at any depth, is one safe line. @param value a JSON value */
export function printableValue<T>(value: T): T {
  return mapTexts(value, printable) as T;
}

/**
 * A copy for `pm2 trigger`, which prints a reply as JSON. `JSON.stringify` escapes C0 and lone surrogates, but none of the other
 * characters.
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
  // JSON writes a character above U+FFFF as two surrogates.
  return Array.from(
    { length: character.length },
    (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('');
}
