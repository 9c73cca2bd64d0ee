// Whoever asks by the command is told what to type in its words, whoever asks by `pm2 trigger` in those: the module and its agents
// speak the latter, and this translates.
import { shellLine } from '../shared/text/shell.ts';

/** One word of a shell as `shellWord` writes it. What ends a sentence is none of it. */
const WORD = String.raw`(?:\$'(?:[^'\\]|\\.)*'|'[^']*'|\\'|[\w@%+=:/.-](?=[\w@%+=:/.'\\-])|[\w@%+=/-])+`;
const LINE = new RegExp(`pm2 trigger (${WORD}) ([a-z][a-z-]*)((?: (?=['$\\w-]*(?:=|'\\{))${WORD})*)(?![\\w=])`, 'g');

/** The same text with `pm2-ops heapdump 3` in the place of `pm2 trigger 3 heapdump`. */
export function asCommand(text: string): string {
  return text.replace(LINE, (_line, target: string, action: string, rest: string) => {
    if (target !== 'pm2-ops') return `pm2-ops ${action} ${target}${rest}`;
    const [first = '', ...others] = rest.trim() === '' ? [] : (rest.trim().match(new RegExp(WORD, 'g')) ?? []);
    return ['pm2-ops', action, ...optionsOf(first), ...others.flatMap(optionsOf)].filter(Boolean).join(' ');
  });
}

/** `app=web` is the target, `force=true` an option, and so is what JSON holds. */
function optionsOf(word: string): string[] {
  const json = /^'(\{.*\})'$/s.exec(word)?.[1];
  if (json !== undefined) {
    const { app, id, ...options } = JSON.parse(json.replaceAll("'\\''", "'")) as Record<string, string | number>;
    return [shellLine(app ?? id ?? 'all'), ...Object.entries(options).map(([key, value]) => `--${key}=${value}`)];
  }
  const [, open = '', key = '', value = ''] = /^(\$?'|)(\w+)=(.*)$/s.exec(word) ?? [];
  if (key === 'app' || key === 'id') return [`${open}${value}`];
  if (value === 'true') return [`--${key}`];
  return [key === '' ? word : `--${open}${key}=${value}`];
}

/** Fields of a reply that tell somebody what to type. */
const TELLING = new Set(['hint', 'fix', 'commands', 'reason', 'message', 'say', 'notes', 'note']);

/** A whole reply, in the words of the command. */
export function inWordsOfTheCommand<T>(reply: T, told = false): T {
  if (typeof reply === 'string') return (told ? asCommand(reply) : reply) as T;
  if (Array.isArray(reply)) return reply.map((each: unknown) => inWordsOfTheCommand(each, told)) as T;
  if (typeof reply !== 'object' || reply === null) return reply;
  const entries = Object.entries(reply).map(([key, value]) => [key, inWordsOfTheCommand(value, TELLING.has(key))]);
  return Object.fromEntries(entries) as T;
}
