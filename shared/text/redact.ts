// Takes secrets out of texts that an app has written or was started with: its last lines before a failed deploy, arguments,
// addresses of databases. It takes out too much rather than too little, and cannot know every secret.

const REDACTED = '[redacted]';

/** Names of secrets, also at the end of a longer name (`DB_PASSWORD`, `awsSecretAccessKey`, `_authToken`). */
const NAME = String.raw`(?:passwords?|passwd|passphrase|passcode|(?<![a-z])pass|(?<![a-z])pwd|secrets?|token|credentials?|_auth|signature|(?:api|access|account|client|encryption|master|private|secret|session|shared|signing|storage)[-_ ]?key)\d{0,3}`;
/** A value: up to a blank, or in quotes. In JSON inside JSON, quotes have backslashes. */
const VALUE = String.raw`(?:\\*"(?:[^"\\\n]|\\.)*"?|\\*'(?:[^'\\\n]|\\.)*'?|\S+)`;

/** Applied in this order, so that a later pattern does not match what an earlier one has replaced. */
const SECRETS: [RegExp, string][] = [
  [
    /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
    `-----BEGIN PRIVATE KEY----- ${REDACTED}`,
  ],
  // A key whose beginning is missing.
  [/^(?:[A-Za-z0-9+/=]{20,}\s+)*-----END [A-Z ]*PRIVATE KEY-----/gm, `${REDACTED} -----END PRIVATE KEY-----`],
  // postgres://user:p@ss/word@host; not the port of http://host:80/@scope
  [/\b([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:@/"'`\\]*):(?!\d{1,5}\/)[^\s"'`\\]*@/gi, `$1:${REDACTED}@`],
  // https://TOKEN@host
  [/\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s:@/"'`\\]{16,}@/gi, `$1${REDACTED}@`],
  [/\b((?:set-)?cookies?\\*["']?\s{0,4}[:=]\s{0,4})[^\r\n]+/gi, `$1${REDACTED}`],
  [
    /((?:proxy-)?authorization\\*["']?\s{0,4}[:=]\s{0,4}\\*["']?)(?:(?:bearer|basic|digest|token|negotiate|apikey|aws4-hmac-sha256)\s+)?[^\s"'`\\]+/gi,
    `$1${REDACTED}`,
  ],
  [/\b(bearer\s+)[\w.~+/=-]{8,}/gi, `$1${REDACTED}`],
  [/\b([Bb]asic\s+)(?=[\w+/]*[A-Z0-9=])[A-Za-z0-9+/]{8,}={0,2}/g, `$1${REDACTED}`],
  // name=value, name: value, "name": "value", --name=value
  [new RegExp(String.raw`(${NAME}\\*["']?\s{0,4}(?:=>|[:=])\s{0,4})${VALUE}`, 'gi'), `$1${REDACTED}`],
  // --name value
  [new RegExp(String.raw`((?:^|\s)--?[a-z0-9-]{0,40}${NAME}\s{1,4})(?!-)${VALUE}`, 'gi'), `$1${REDACTED}`],
  [/([?&;](?:key|sig|signature|code|state|jwt|sid|session)=)[^&\s"'`]+/gi, `$1${REDACTED}`],
  // JSON Web Tokens
  [/\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g, REDACTED],
  // Keys with the prefix of their service: AWS, GitHub, GitLab, Slack, Stripe, OpenAI and similar, npm, Google, SendGrid
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, REDACTED],
  [/\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,})/g, REDACTED],
  [/\b(?:(?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}|sk-[\w-]{20,}|npm_[A-Za-z0-9]{30,})/g, REDACTED],
  [/\b(?:AIza[\w-]{30,}|ya29\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,})/g, REDACTED],
];

/** Longer texts are cut off: no person reads them, and matching takes time. */
const LONGEST = 10_000;

/** The text without what looks like a secret. */
export function redact(text: string): string {
  let redacted = text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text;
  for (const [pattern, replacement] of SECRETS) redacted = redacted.replace(pattern, replacement);
  return redacted;
}

/** The same for lines that belong together, such as the lines of a key. */
export function redactLines(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : redact(lines.map((line) => line.slice(0, LONGEST / 10)).join('\n')).split('\n');
}

/** The fields of replies that are texts for a person. Scripts use the others, which stay as they are. */
const TEXTS: ReadonlySet<string> = new Set([
  'message',
  'hint',
  'reason',
  'real',
  'what',
  'fix',
  'notes',
  'logs',
  'detail',
]);

/** A copy of a reply without secrets in its texts. */
export function redactTexts<T>(reply: T): T {
  if (Array.isArray(reply)) return reply.map(redactTexts) as T;
  if (typeof reply !== 'object' || reply === null) return reply;
  return Object.fromEntries(
    Object.entries(reply).map(([key, value]) => [key, TEXTS.has(key) ? redactText(value) : redactTexts(value)]),
  ) as T;
}

function redactText(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redactText);
  return typeof value === 'string' ? redact(value) : redactTexts(value);
}
