// The module and its agents tell a person to type `pm2 trigger …`. The command translates that into lines of its own.
import { shellLine } from '../shared/text/shell.ts';

/** One word of a shell as `shellWord` writes it, without the full stop or colon of a sentence that ends there. */
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

/** `app=web` becomes the target, `force=true` and the fields of JSON become options. */
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

/** Fields of a reply that may tell a person what to type. */
const TELLING = new Set(['hint', 'fix', 'commands', 'reason', 'message', 'say', 'notes', 'note', 'next']);

/** A whole reply, in the words of the command. */
export function inWordsOfTheCommand<T>(reply: T, told = false): T {
  if (typeof reply === 'string') return (told ? asCommand(reply) : reply) as T;
  if (Array.isArray(reply)) return reply.map((each: unknown) => inWordsOfTheCommand(each, told)) as T;
  if (typeof reply !== 'object' || reply === null) return reply;
  const entries = Object.entries(reply).map(([key, value]) => [key, inWordsOfTheCommand(value, TELLING.has(key))]);
  return Object.fromEntries(entries) as T;
}
