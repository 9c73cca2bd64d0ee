// Slack's form of a message, which Mattermost, Rocket.Chat and Discord take as well. All that comes from data stands in a block of
// code, where nothing is a link, a mention or a format.
import type { Alert } from '../../contract/alerts.ts';

/** Slack cuts longer ones (docs: messages up to 4,000 characters). */
const LONGEST = 3_000;

const SIGNS: Record<Alert['severity'], string> = { critical: '🔴 critical', warning: '🟠 warning', info: '🔵 info' };

/** The body of the request. */
export function slackBody({ state, severity, title, details, next, host, count }: Alert): string {
  const sign = state === 'resolved' ? '✅ over' : SIGNS[severity];
  const times = count > 1 ? `, seen ${count} times` : '';
  const lines = [title, ...details, ...(next === undefined ? [] : [`next: ${next}`])].join('\n');
  return JSON.stringify({ text: `*${sign}* on ${escaped(host)}${times}\n\`\`\`\n${cut(escaped(lines))}\n\`\`\`` });
}

/**
 * Text that is only text: Slack knows three characters to escape, with which its mentions (`<!channel>`) and links begin. Other
 * services know mentions by their `@`, and a block of code ends with three backticks.
 */
function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('`', "'")
    .replace(/@(?=channel|here|all|everyone)/gi, '@\u200b');
}

/** Cut off, but not in the middle of an escaped character. */
function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST).replace(/&\w*$/, '')}…` : text;
}
