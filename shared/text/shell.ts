// Quotes the lines that a person is told to type, so that they can be pasted into a shell whatever an app is called. The agent uses
// this, too.

/** A word that needs no quotes in any shell. */
const PLAIN = /^(?!=)[\w@%+=:,./-]+$/;
/** Characters that a terminal does not show. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

/**
 * One word of a command line: `web`, `'my app'`, or `$'a\nb'` (bash, zsh, ksh) if it contains a line break or another invisible
 * character.
 */
export function shellWord(text: string): string {
  if (PLAIN.test(text)) return text;
  if (!UNPRINTABLE.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  const escaped = [...text].map((character) => {
    if (character === "'" || character === '\\') return `\\${character}`;
    if (!UNPRINTABLE.test(character)) return character;
    return [...Buffer.from(character)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  });
  return `$'${escaped.join('').replaceAll('\\x0a', '\\n')}'`;
}

/** A whole command line of words. */
export function shellLine(...words: (string | number)[]): string {
  return words.map((word) => shellWord(String(word))).join(' ');
}

/**
 * Does PM2's own command take this name for an app? It reads `all` as every app, digits as an id, `/x/` as a pattern, a name that
 * looks like a file of its own (`.json`) as that file, and a name that begins with a dash as an option.
 */
export function isNameForPm2(name: string): boolean {
  if (name === '' || name === 'all' || name === '-' || name.startsWith('-') || !Number.isNaN(Number(name)))
    return false;
  return !/^\/.*\/$/s.test(name) && !/\.(json|ya?ml|config\.[cm]?js)/.test(name);
}
