// Shows a request in a log line, so that no client can control the terminal of an operator who reads the log.

/** The path without its query, which may contain secrets. */
export function requestPath(url: string): string {
  return asInUrl(url.replace(/[?#].*$/s, ''));
}

/** Percent-encodes characters that no valid method or path has, but that a lenient parser lets through. */
export function asInUrl(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).toUpperCase();
    return `%${code.padStart(2, '0')}`;
  });
}
