// A request as a log line may show it: a client must not be able to write to the terminal of an operator who reads the log.

/** The path without its query, which may hold secrets. */
export function requestPath(url: string): string {
  return asInUrl(url.replace(/[?#].*$/s, ''));
}

/** What no method and no path has, and a parser that is told to be lenient lets through, is written as a URL writes it. */
export function asInUrl(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).toUpperCase();
    return `%${code.padStart(2, '0')}`;
  });
}
