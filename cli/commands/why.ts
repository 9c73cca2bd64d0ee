// `pm2-ops why web`: why a process has restarted or stopped, and what to do next.
import type { Failure } from '../../contract/errors.ts';
import type { WhyReply } from '../../contract/exits.ts';
import { ALL } from '../../contract/target.ts';
import { dateAndTime, MOMENT_FORM, readMoment } from '../../shared/text/duration.ts';
import { printableValue } from '../../shared/text/printable.ts';
import { askModule } from '../askModule.ts';
import { type Command, UsageError } from '../command.ts';
import { exitInFull } from '../exitInFull.ts';
import { exitList } from '../exitList.ts';
import { failureText } from '../failureText.ts';
import { complain, say, sayJson } from '../output.ts';
import { paint } from '../table.ts';

/** A file or a pipe is as wide as it has to be. */
const UNLIMITED = 1_000;

export const why: Command = {
  name: 'why',
  summary: 'Says why processes have restarted or stopped, and what to do next.',
  arguments: ['[app|id|all]'],
  options: {
    last: { type: 'string', help: 'how many exits, the newest first; 10 unless told' },
    since: { type: 'string', help: `none before: ${MOMENT_FORM}` },
    json: { type: 'boolean', help: 'print the reply as JSON, for scripts' },
  },
  async run({ values, positionals: [target = ALL] }) {
    const question = { target, ...numberOf(values.last), ...momentOf(values.since) };
    const reply = await askModule<WhyReply | Failure>('why', question);
    if (values.json === true) sayJson(reply, 2);
    else if (reply.ok) say(render(printableValue(reply), process.stdout.columns || UNLIMITED));
    else complain(failureText(reply));
    return reply.ok ? 0 : 1;
  },
};

function render({ target, exits, more, recordedSince, next }: WhyReply, columns: number): string {
  const [newest] = exits;
  const of = target === ALL ? '' : ` of ${target}`;
  if (!newest) return `no exit${of} is recorded; pm2-ops records exits since ${dateAndTime(recordedSince)}`;
  return [
    ...(exits.length > 1 ? [exitList(exits, columns), ''] : []),
    exitInFull(newest, columns),
    ...(next.length > 0 ? ['', ...next.map((line) => `${paint('green', '→')} ${line}`)] : []),
    ...(more > 0 ? ['', `${more} earlier exits are recorded: --last ${exits.length + more} shows all`] : []),
  ].join('\n');
}

function numberOf(last: unknown): { last?: number } {
  if (last === undefined) return {};
  if (!/^[1-9]\d{0,2}$|^1000$/.test(String(last)))
    throw new UsageError(`--last is a whole number from 1 to 1000, not ${JSON.stringify(last)}`);
  return { last: Number(last) };
}

function momentOf(since: unknown): { since?: number } {
  if (since === undefined) return {};
  const moment = readMoment(String(since), Date.now());
  if (moment === undefined) throw new UsageError(`--since is ${MOMENT_FORM}, not ${JSON.stringify(since)}`);
  return { since: moment };
}
