// Keeps secrets out of the logs, wherever in a line they stand: in a header, a URL, or the message of an error.

/** Fields that are never written, at the top of a line and one level below. */
const SECRET_FIELDS = ['authorization', 'cookie', 'set-cookie', 'password', 'secret', 'token', 'apiKey', 'api_key'];
const HEADERS = ['req.headers', 'res.headers', 'headers'];

/** For pino's `redact`: paths to secret fields. */
export const REDACTED_PATHS = [
  ...SECRET_FIELDS.flatMap((field) => [`["${field}"]`, `*["${field}"]`]),
  ...HEADERS.flatMap((headers) => SECRET_FIELDS.slice(0, 3).map((field) => `${headers}["${field}"]`)),
];

/** None of them crosses a quote or a backslash, so that a line of JSON stays one. */
const SECRETS_IN_TEXT: [RegExp, string][] = [
  // The password of a URL: postgres://user:password@host
  [/([a-z][a-z0-9+.-]*:\/\/[^\s:@/"\\]*):[^\s@/"\\]+@/gi, '$1:[redacted]@'],
  // Secrets in a query
  [/([?&](?:access_token|api_?key|key|password|secret|signature|sig|token)=)[^&\s"\\]+/gi, '$1[redacted]'],
  [/\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}/gi, '$1 [redacted]'],
];

/** The line without secrets in its text. */
export function redactText(line: string): string {
  let redacted = line;
  for (const [pattern, replacement] of SECRETS_IN_TEXT) redacted = redacted.replace(pattern, replacement);
  return redacted;
}
