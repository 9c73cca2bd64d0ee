// Makes a command of any action of managed processes: `pm2-ops ACTION TARGET [--flag | key=value]…`.

import type { Help, Skipped } from '../contract/actions/declaration.ts';
import { HELP } from '../contract/actions/help.ts';
import { type ActionName, specsOf } from '../contract/actions/index.ts';
import { RUN, type RunProgress, type RunReply, type RunResult } from '../contract/commandMessages.ts';
import type { Failure } from '../contract/errors.ts';
import { readPair } from '../contract/params.ts';
import type { ReplyOf, SuccessOf } from '../contract/reply.ts';
import { printable, printableValue } from '../shared/text/printable.ts';
import { AGENT_COMMANDS, type AgentCommand, type DoneOf } from './agentCommands.ts';
import { askModule } from './askModule.ts';
import { type Command, UsageError } from './command.ts';
import { failureText } from './failureText.ts';
import { complain, say, sayJson } from './output.ts';
import { createProgressLine } from './progressLine.ts';
import { didYouMean } from './suggest.ts';

/** The command for one action: its options are the action's parameters, and `--json`. */
export function agentCommand<Name extends ActionName>(action: Name): Command {
  const options: Command['options'] = {};
  const { summary, params: helps }: Help = HELP[action];
  for (const [name, { type, default: standard }] of Object.entries(specsOf(action))) {
    const help = helps[name] ?? '';
    const isFlag = type === 'boolean' && standard === false;
    options[name] = isFlag ? { type: 'boolean', help } : { type: 'string', help: `${help} (${type}, ${standard})` };
  }
  return {
    name: action,
    summary,
    arguments: ['<app|id|app:id|all>', '[key=value…]'],
    options: {
      all: { type: 'boolean', help: 'every instance of the app' },
      ...options,
      json: { type: 'boolean', help: 'print each reply as one line of JSON, for scripts' },
    },
    async run({ values: { json, ...values }, positionals: [target, ...pairs] }) {
      if (!target) throw new UsageError(`which process? for example: pm2-ops ${action} web`);
      const params = { ...values, ...readPairs(action, values, pairs) };
      const line = createProgressLine(json === true);
      const onProgress = (progress: RunProgress) =>
        line.show(progress.ms, printable(progress.message), keyOf(progress));
      const reply = await askModule<RunReply<ReplyOf<Name>> | Failure, RunProgress>(
        RUN,
        { action, target, params },
        onProgress,
      );
      line.end();
      if (!('results' in reply)) {
        if (json === true) sayJson(reply);
        else complain(failureText(reply));
        return 1;
      }
      for (const result of reply.results) {
        if (json === true) sayJson({ id: result.id, name: result.name, ...result.reply });
        else print(action, printableValue(result));
      }
      return exitCode(reply);
    },
  };
}

/** 0 when every process did it, 2 when an agent did not understand the parameters, else 1. */
function exitCode({ results }: RunReply): number {
  const failures = results.flatMap(({ reply }) => (reply.ok ? [] : [reply.code]));
  if (failures.length === 0) return 0;
  return failures.every((code) => code === 'E_PARAMS') ? 2 : 1;
}

function print<Name extends ActionName>(action: Name, { id, name, reply }: RunResult<ReplyOf<Name>>): void {
  const who = `${name}:${id}`;
  if (!reply.ok) complain(failureText(reply, `${who}  `));
  else {
    const [words, ...steps] = wordsOf(action, reply, id);
    say(`${who}  ${words}`);
    for (const step of steps) say(`  ${step}`);
  }
}

/** The reply in words, and what to do next. */
function wordsOf<Name extends ActionName>(action: Name, reply: SuccessOf<Name>, id: number | string): string[] {
  if (isSkipped(reply)) return [`skipped: ${reply.reason}`];
  const done = reply as DoneOf<Name>;
  const command: AgentCommand<Name> = AGENT_COMMANDS[action];
  const { ok: _ok, action: _action, ...fields } = reply;
  const asTheyAre = JSON.stringify(fields, null, 2);
  try {
    return [command.tells?.(done) ?? asTheyAre, ...(command.next?.(done, id) ?? [])];
  } catch {
    // A reply is the word of an app: its fields may be others than the action declares.
    return [asTheyAre];
  }
}

function isSkipped(reply: object): reply is Skipped {
  return 'skipped' in reply && reply.skipped === true;
}

/** `gzip=true` as PM2's trigger takes it. */
function readPairs(action: ActionName, given: Record<string, unknown>, words: string[]): Record<string, string> {
  const known = ['all', ...Object.keys(specsOf(action))];
  const pairs: Record<string, string> = {};
  for (const word of words) {
    const pair = readPair(word);
    if (!pair)
      throw new UsageError(
        `one app or process at a time, and key=value behind it; not understood: ${JSON.stringify(word)}`,
      );
    const [name, value] = pair;
    if (!known.includes(name))
      throw new UsageError(
        `${action} has no parameter "${name}"${didYouMean(name, known, (right) => `${right}=${value}`)}`,
      );
    if (Object.hasOwn(pairs, name) || Object.hasOwn(given, name)) throw new UsageError(`"${name}" is given twice`);
    pairs[name] = value;
  }
  return pairs;
}

/** Bytes count on within a phase. */
function keyOf({ id, phase, detail }: RunProgress): string {
  return `${id} ${phase} ${detail ?? ''}`;
}
